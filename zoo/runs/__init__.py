"""Runs: the folder that a training leaves behind, what fills it, and the model out of it again.

    model = zoo.runs.load_model("runs/faces")

`RunFolder` is the folder. The callbacks make a long run of a model one that can be
watched and resumed. Each looks after one thing. Their order matters, for some rely on what others
found:

    StopOnNonFinite    discards a broken epoch, of which the others then keep nothing
    SampleGrid         pictures from the same latents
    HealthMonitor      names what goes wrong in the game; health.json
    PlayersTensorBoard scalars, those pictures, what was named, the graph
    StopOnQuality      early stopping, best weights
    HistoryFile        history.csv
    RunCheckpoint      saves the state of those above with the model
    ProgressBar        the last line on the screen
    StopOnSignal       saves and exits when asked to end

`fit_from` goes on from a checkpoint of `RunCheckpoint`, in the middle of an epoch too; see
`docs/durability.md`.

`PastPlayers`, which lets past versions of a player play again, may stand anywhere in the list;
`RunCheckpoint` saves its state too, if told of it.
"""

from zoo.runs.checkpoints import CheckpointError, RunCheckpoint, RunState
from zoo.runs.continuing import fit_from
from zoo.runs.folder import HyperParameter, RunFolder, RunFolderError
from zoo.runs.health import HealthMonitor
from zoo.runs.loading import load_model
from zoo.runs.past_players import PastPlayers
from zoo.runs.progress import HistoryFile, ProgressBar, read_history, write_history
from zoo.runs.samples import SampleGrid, image_grid, save_picture
from zoo.runs.signals import StopOnSignal
from zoo.runs.stopping import StopOnNonFinite, StopOnQuality
from zoo.runs.tensorboard import PlayersTensorBoard

__all__ = [
    "CheckpointError",
    "HealthMonitor",
    "HistoryFile",
    "HyperParameter",
    "PastPlayers",
    "PlayersTensorBoard",
    "ProgressBar",
    "RunCheckpoint",
    "RunFolder",
    "RunFolderError",
    "RunState",
    "SampleGrid",
    "StopOnNonFinite",
    "StopOnQuality",
    "StopOnSignal",
    "fit_from",
    "image_grid",
    "load_model",
    "read_history",
    "save_picture",
    "write_history",
]
