"""Plays the semi-supervised game for long, at a constant rate, and keeps what became of it.

    python -m benchmarks.long_games --seeds=0,1,2,3,4
    python -m benchmarks.long_games --seeds=0 --optimizer=adam     # Keras's, whose ε is outside
    python -m benchmarks.long_games --draw                         # picture and table only

A game that has a record is skipped. The picture is docs/images/semi_supervised_long.png, the table
stands in docs/experiments/semi_supervised_gan.md by `python -m benchmarks.pages`.
"""

from recipes.common import command_line  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses
import datetime
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from absl import flags
from matplotlib.figure import Figure
from tqdm import tqdm

import zoo
from benchmarks.cells import NOTHING, markdown_table, mean_and_deviation
from recipes.common.family import largest_divisor
from zoo.common.command_errors import one_line_errors
from zoo.common.files import write_atomically
from zoo.runs.folder import describe_environment

FOLDER = Path(__file__).resolve().parent / "long_games"
PICTURE = FOLDER.parent.parent / "docs" / "images" / "semi_supervised_long.png"
OPTIMIZERS = {"root_epsilon": "ε inside the root", "adam": "Keras's Adam"}

# As in the preset quick of recipes/semi_supervised.py.
BATCH_SIZE = 50
AVERAGE_DECAY = 0.998
EPOCHS_OF_THE_TABLE = (100, 200, 400, 800)
_EPOCHS_A_POINT = 10
_STEPS_IN_A_CALL = 50
_CURVES = {
    "generated_score": ("generated images taken for real", "log"),
    "generator_loss": ("feature-matching loss", "log"),
    "test_error": ("test error of the averaged weights", "linear"),
}


@dataclasses.dataclass(frozen=True)
class Game:
    """What is played.

    Attributes:
        dataset: name of a labelled set with the splits train and test.
        num_labels: of the training images, equally many of each class.
        seed: of weights, batches and noise, and of the choice of labels.
        optimizer: of both players, "root_epsilon", the class's own, or "adam", Keras's, at the
            same rate and momentum.
        epochs: passes over the unlabelled images, a multiple of 10.
    """

    dataset: str = "mnist_small"
    num_labels: int = 100
    seed: int = 0
    optimizer: str = "root_epsilon"
    epochs: int = 800

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(
                f"optimizer must be one of {', '.join(OPTIMIZERS)}. Received: {self.optimizer!r}"
            )
        if self.epochs < _EPOCHS_A_POINT or self.epochs % _EPOCHS_A_POINT:
            raise ValueError(
                f"epochs must be a multiple of {_EPOCHS_A_POINT}. Received: {self.epochs}"
            )

    @property
    def file_name(self) -> str:
        """Name of its record."""
        return (
            f"{self.dataset}-{self.num_labels}labels-{self.optimizer}-{self.epochs}epochs"
            f"-seed{self.seed}.json"
        )


# === Playing ===


def play(game: Game) -> dict[str, Any]:
    """Plays a game to its end.

    Returns:
        Ready for JSON: the game; every 10 epochs the test error of the averaged weights, and the
        logs of the last steps before it; and what it ran on.

    Raises:
        ValueError: if the labels can't be shared equally among the classes.
    """
    keras.utils.set_random_seed(game.seed)
    images = zoo.datasets.open(game.dataset)
    description = images.description
    data = images.few_labels(
        game.num_labels, batch_size=BATCH_SIZE, label_seed=game.seed, seed=game.seed
    )
    model = zoo.SemiSupervisedGAN(
        description.image_shape, seed=game.seed, average_decay=AVERAGE_DECAY
    )
    model.adapt(images.batches(batch_size=500, seed=game.seed).take(1))
    num_unlabelled = description.num_examples["train"] - game.num_labels
    steps = _EPOCHS_A_POINT * (num_unlabelled // BATCH_SIZE)
    model.compile(
        **_optimizers(model, game.optimizer),
        steps_per_execution=largest_divisor(steps, _STEPS_IN_A_CALL),
    )
    curve = _Curve(steps, images.labelled("test", batch_size=500, shuffle=False, repeat=False))
    start = time.perf_counter()
    model.fit(
        data,
        steps_per_epoch=steps,
        epochs=game.epochs // _EPOCHS_A_POINT,
        callbacks=[curve],
        verbose=0,
    )
    return {
        "game": dataclasses.asdict(game),
        "points": curve.points,
        "seconds": round(time.perf_counter() - start, 1),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        **describe_environment(description.fingerprint),
    }


def _optimizers(model: zoo.SemiSupervisedGAN, name: str) -> dict[str, keras.Optimizer]:
    own = model.default_optimizers()
    if name == "adam":
        own = {
            player: keras.optimizers.Adam(float(each.learning_rate), beta_1=float(each.beta_1))
            for player, each in own.items()
        }
    return {f"{player}_optimizer": optimizer for player, optimizer in own.items()}


class _Curve(keras.callbacks.Callback):
    """Keeps a point an epoch of `fit`, in which there are 10 of the game's."""

    def __init__(self, steps: int, test: tf.data.Dataset) -> None:
        super().__init__()
        self.points: list[dict[str, float]] = []
        self._steps, self._test = steps, test

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        scores = self.model.evaluate(self._test, verbose=0, return_dict=True)
        names = ("generated_score", "real_score", "generator_loss", "labelled_loss")
        point = {name: round(float(logs[name]), 6) for name in (*names, "unlabelled_loss")}
        self.points.append(
            {
                "epochs": (epoch + 1) * _EPOCHS_A_POINT,
                "steps": (epoch + 1) * self._steps,
                "test_error": round(float(scores["error"]), 6),
                **point,
            }
        )


# === Records ===


def read_games(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Returns what `play` returned of each game, by label count, optimizer and seed."""
    played = [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))]
    return sorted(played, key=lambda each: (_kind(each), each["game"]["seed"]))


def _kind(played: Mapping[str, Any]) -> tuple[str, int, int]:
    game = played["game"]
    return game["dataset"], game["num_labels"], list(OPTIMIZERS).index(game["optimizer"])


def _grouped(games: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int, int], list]:
    groups: dict[tuple[str, int, int], list] = {}
    for each in games:
        groups.setdefault(_kind(each), []).append(each)
    return groups


def long_table(games: Sequence[Mapping[str, Any]]) -> str:
    """Returns a table of test errors after more and more epochs, a row a kind of game."""
    if not games:
        return "No game is recorded yet."
    rows = []
    for (dataset, num_labels, optimizer), group in _grouped(games).items():
        errors = [_errors_after(epochs, group) for epochs in EPOCHS_OF_THE_TABLE]
        name = list(OPTIMIZERS.values())[optimizer]
        least = [100 * min(point["test_error"] for point in each["points"]) for each in group]
        cells = [*map(_error_cell, errors), _error_cell(least)]
        rows.append([f"{dataset}, {num_labels} labels", name, str(len(group)), *cells])
    heading = ["Data", "Adam", "Seeds", *(f"{n} epochs" for n in EPOCHS_OF_THE_TABLE), "Least"]
    return markdown_table(heading, rows, num_texts=2)


def _errors_after(epochs: int, group: Iterable[Mapping[str, Any]]) -> list[float]:
    points = [point for each in group for point in each["points"]]
    return [100 * point["test_error"] for point in points if point["epochs"] == epochs]


def _error_cell(errors: Sequence[float]) -> str:
    return mean_and_deviation(errors, " %", 1) if errors else NOTHING


# === Picture ===


def draw(games: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draws the generated score, feature matching and the test error of all games.

    Args:
        games: of `read_games`.
        path: PNG to write.
    """
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    axes = figure.subplots(1, len(_CURVES))
    for number, group in enumerate(_grouped(games).values()):
        game = group[0]["game"]
        label = f"{OPTIMIZERS[game['optimizer']]}, {game['num_labels']} labels"
        for each in group:
            for axis, (name, (title, scale)) in zip(axes, _CURVES.items(), strict=True):
                epochs = [point["epochs"] for point in each["points"]]
                values = [point[name] for point in each["points"]]
                axis.plot(epochs, values, color=f"C{number}", linewidth=1, label=label)
                axis.set(title=title, yscale=scale, xlabel="epochs")
            label = None
    axes[0].legend(fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


# === Command ===


def _games_by_flags() -> list[Game]:
    values = flags.FLAGS
    return [
        Game(values.dataset, int(labels), int(seed), values.optimizer, values.epochs)
        for labels in values.num_labels
        for seed in values.seeds
    ]


def main() -> None:
    """Plays what the flags say, and draws all games that were ever played."""
    folder = Path(flags.FLAGS.records)
    with one_line_errors():
        games = [] if flags.FLAGS.draw else _games_by_flags()
        folder.mkdir(parents=True, exist_ok=True)
        for game in tqdm(
            [g for g in games if not (folder / g.file_name).exists()],
            unit="game",
            disable=not sys.stderr.isatty(),
        ):
            played = play(game)
            write_atomically(folder / game.file_name, json.dumps(played, indent=1) + "\n")
        draw(read_games(folder), Path(flags.FLAGS.picture))
    print(f"The games are in {folder}; their curves are {flags.FLAGS.picture}")


if __name__ == "__main__":
    flags.DEFINE_string("dataset", "mnist_small", "A labelled set.")
    flags.DEFINE_list("num_labels", ["100"], "How many images keep their label.")
    flags.DEFINE_list("seeds", ["0"], "Of weights, batches, and the choice of labels.")
    flags.DEFINE_enum("optimizer", "root_epsilon", list(OPTIMIZERS), "Of both players.")
    flags.DEFINE_integer("epochs", 800, "Passes over the unlabelled images, a multiple of 10.")
    flags.DEFINE_string("records", str(FOLDER), "Folder of the records.")
    flags.DEFINE_string("picture", str(PICTURE), "PNG to draw.")
    flags.DEFINE_bool("draw", False, "Play nothing; draw what there is.")
    command_line.run(main)
