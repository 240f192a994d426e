"""A trained model out of its run's folder, without the recipe that made it."""

import os
import textwrap
from pathlib import Path
from typing import Any

import keras

# A saved model may name what this registers with Keras, and no variant imports it.
from zoo.common import schedules  # noqa: F401
from zoo.common.checked_json import read_checked_json
from zoo.common.messages import first_line
from zoo.runs.checkpoints import CheckpointError, RunCheckpoint
from zoo.runs.folder import RunFolder, RunFolderError
from zoo.runs.stopping import best_weights_in

_LONGEST_REASON = 300


def load_model(
    folder: str | os.PathLike[str], checkpoint: str | os.PathLike[str] = "best"
) -> keras.Model:
    """Rebuilds the model of a run from the run's folder alone.

        model = zoo.runs.load_model("runs/faces")
        images = model.generate(16, seed=1)

    The model is compiled as in the run, but for the quality measures, which are not saved; give it
    some by `model.set_quality_measures([...])`, which leaves the optimizers as they are. The
    precision of its layers is that of the run, whatever the global dtype policy; to have it on
    several replicas, call this within the strategy's scope.

    Args:
        folder: the folder of a run that has a checkpoint.
        checkpoint: which state of it to load.

            - `"best"`, the default, is the state in which training ends: the weights, averages
              and step of the best epoch so far if early stopping watched the run, with the
              optimizers and random states of the newest checkpoint. Nothing watched a run without
              early stopping, so there it is the newest checkpoint.
            - `"newest"` is the newest checkpoint, from which training goes on bit for bit.
            - The path of one checkpoint's folder is that checkpoint, bit for bit.

    Returns:
        The model, compiled.

    Raises:
        RunFolderError: if there is no run in `folder`, or its model can't be rebuilt.
        CheckpointError: if there is no checkpoint yet, `checkpoint` is none of the above, or what
            it means is damaged or of another model.
    """
    run = RunFolder.open(folder)
    path = _path_of(checkpoint, run)
    model = _rebuilt_model(run)
    RunCheckpoint.load(model, path)
    best_weights = best_weights_in(path) if checkpoint == "best" else None
    if best_weights is not None:
        model.set_weights(best_weights)
    return model


def _path_of(checkpoint: str | os.PathLike[str], run: RunFolder) -> Path:
    newest = run.latest_checkpoint
    if checkpoint in ("best", "newest"):
        if newest is None:
            raise CheckpointError(
                f"{run.path} has no checkpoint yet: a run saves the first at the end of an "
                "epoch. Wait for it, or go on with the run by --resume"
            )
        return newest
    path = Path(checkpoint).expanduser()
    if not RunCheckpoint.is_one(path):
        example = f", such as {newest}" if newest else ""
        raise CheckpointError(
            f'`checkpoint` should be "best", "newest" or the folder of one checkpoint{example}. '
            f"Received: checkpoint={os.fspath(checkpoint)!r}"
        )
    return path


def _rebuilt_model(run: RunFolder) -> keras.Model:
    config = _read_model(run)
    try:
        return keras.saving.deserialize_keras_object(config)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise RunFolderError(
            f"{run.model_json} can't be made a model again: {_short(error)}. Register classes of "
            "your own with Keras first; environment.json beside it names the versions it is of."
        ) from error


def _read_model(run: RunFolder) -> dict[str, Any]:
    try:
        return read_checked_json(run.model_json.read_bytes())["model"]
    except FileNotFoundError as error:
        raise RunFolderError(
            f"{run.path} has no model.json, as runs of older versions of the zoo have none: go on "
            "with it by --resume, which writes one."
        ) from error
    except OSError as error:
        raise RunFolderError(f"{run.model_json} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError) as error:
        raise RunFolderError(
            f"{run.model_json} is damaged: {first_line(error)}; go on with the run by --resume, "
            "which writes it anew."
        ) from error


def _short(error: Exception) -> str:
    """What is wrong with a configuration, out of a message in which Keras quotes all of it."""
    cause = str(error).rpartition("Exception encountered: ")[2]
    return textwrap.shorten(first_line(ValueError(cause)), _LONGEST_REASON, placeholder=" ...")
