"""The table of docs/from_keras.md: which habits of a Keras user work with which variant.

    python -c "from tests import habits; habits.write()"

tries them all and writes the table anew; `habits_test.py` holds it.
"""

import zoo  # noqa: F401, I001 - before TensorFlow: it sets the environment that TensorFlow reads

import dataclasses
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tests.case import Case, ramp_images
from tests.cases import CASES
from zoo.common.adversarial import AdversarialModel

PAGE = Path(__file__).resolve().parent.parent / "docs" / "from_keras.md"
COMMAND = 'python -c "from tests import habits; habits.write()"'
START = f"<!-- habits: made by `{COMMAND}` -->\n\n"
END = "\n\n<!-- end of habits -->"
BATCH_SIZE = 4
WORKS, NOT_APPLICABLE = "works", "–"


@dataclasses.dataclass(frozen=True)
class Attempt:
    """What a habit is tried on: two models, their case, and a folder to write to."""

    model: AdversarialModel
    uncompiled: AdversarialModel
    case: Case
    folder: Path

    @property
    def batch(self):
        return self.case.batch(BATCH_SIZE)

    @property
    def data(self) -> tf.data.Dataset:
        return dataset(self.batch)

    def fit(self, data=None, **arguments) -> None:
        self.model.fit(self.data if data is None else data, verbose=0, **arguments)


def dataset(batch) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(batch)


def of_images(change: Callable, batch):
    """Changes the images in a batch and nothing else."""
    return tf.nest.map_structure(lambda leaf: change(leaf) if leaf.ndim == 4 else leaf, batch)


def with_a_late_nan(images: np.ndarray) -> np.ndarray:
    images = images.copy()
    images[-1, 0] = np.nan
    return images


class Sequence(keras.utils.PyDataset):
    """Batches out of a list, as they are or in the tuple `(x,)`."""

    def __init__(self, batches: list, wrapped: bool = True):
        super().__init__()
        self.batches, self.wrapped = batches, wrapped

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return (self.batches[index],) if self.wrapped else self.batches[index]


class NotApplicableError(Exception):
    """Raised by an attempt at what the variant has nothing to do with."""


def with_labels(attempt: Attempt, change: Callable[[np.ndarray], np.ndarray]):
    """Returns a batch with other labels, of a variant that takes labels."""
    batch = attempt.batch
    if attempt.case.name != "semi_supervised_gan":
        raise NotApplicableError
    (images, labels), unlabelled_images = batch
    return (images, change(labels)), unlabelled_images


def adapt(attempt: Attempt, change: Callable) -> None:
    """Calls `adapt` with a dataset, on a new model of the default networks."""
    if not hasattr(attempt.model, "adapt"):
        raise NotApplicableError
    type(attempt.model)((28, 28, 1)).adapt(dataset(change(ramp_images(4))))


def without_measures(attempt: Attempt) -> None:
    """Trains a model that has no measures, with data to validate on."""
    if attempt.case.quality_measures is None:
        raise NotApplicableError
    attempt.model.set_quality_measures([])
    try:
        attempt.fit(validation_data=attempt.case.evaluation_batch(4))
    finally:
        attempt.model.set_quality_measures(attempt.case.quality_measures())


def of_unequal_parts(attempt: Attempt) -> None:
    """Evaluates on arrays of which the second has fewer rows."""
    batch = attempt.case.evaluation_batch(4)
    if not isinstance(batch, tuple):
        raise NotApplicableError
    attempt.model.evaluate((batch[0], batch[1][:3]), verbose=0)


def of_one_image(attempt: Attempt) -> None:
    """Trains with one row to validate on, of a variant whose measures take more."""
    if attempt.case.quality_measures is None:
        raise NotApplicableError
    attempt.fit(validation_data=rows_of(attempt.case.evaluation_batch(4), 1))


def rows_of(arrays, number: int):
    return tf.nest.map_structure(lambda leaf: leaf[:number], arrays)


def freeze(attempt: Attempt) -> None:
    """Compiles a model whose generator is frozen."""
    networks = attempt.uncompiled.players["generator"]
    for network in networks:
        network.trainable = False
    try:
        attempt.uncompiled.compile()
    finally:
        for network in networks:
            network.trainable = True


def with_network(attempt: Attempt, player: int, change: Callable) -> None:
    """Builds a model whose first network of a player is the small one's, changed."""
    model = attempt.model
    network = list(model.players.values())[player][0]
    argument = next(name for name, value in vars(model).items() if value is network)
    arguments = {argument: change(network)}
    for name in ("latent_dim", "image_shape", "packing"):
        if hasattr(model, name):
            arguments[name] = getattr(model, name)
    type(model)(**arguments)


def with_sigmoid(network: keras.Model) -> keras.Model:
    return keras.Model(network.input, keras.layers.Activation("sigmoid")(network.output))


def unbuilt(network: keras.Model) -> keras.Model:
    # A name of its own, for Keras numbers those that it gives.
    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)], name="sequential")


def with_numpy_numbers(model: AdversarialModel, kind: type = np.int64) -> AdversarialModel:
    """Builds a model anew, with every integer of its arguments as one of NumPy's."""

    def of_numpy(value):
        if type(value) is int:
            return kind(value)
        return tuple(map(of_numpy, value)) if isinstance(value, (tuple, list)) else value

    deserialize = keras.saving.deserialize_keras_object
    config = {name: of_numpy(deserialize(value)) for name, value in model.get_config().items()}
    return type(model)(**config)


def with_numpy_sizes(attempt: Attempt) -> None:
    """Builds a model anew so, and sees that its configuration is the same, as JSON has it."""
    before, after = (
        json.dumps(model.get_config())
        for model in (attempt.model, with_numpy_numbers(attempt.model))
    )
    assert before == after


def bytes_of(batch):
    return of_images(lambda leaf: np.round(leaf * 127.5 + 127.5), batch)


# As they are spelled in the table, and what tries them.
HABITS: Mapping[str, Callable[[Attempt], object]] = {
    "`fit(dataset)`": lambda a: a.fit(),
    "`fit(arrays)`": lambda a: a.fit(a.batch),
    "`fit(PyDataset)`": lambda a: a.fit(Sequence([a.batch])),
    "`fit(generator)`": lambda a: a.fit(((batch,) for batch in [a.batch]), steps_per_epoch=1),
    "`train_on_batch(batch)`": lambda a: a.model.train_on_batch(a.batch),
    "`evaluate(arrays)`": lambda a: a.model.evaluate(a.case.evaluation_batch(4), verbose=0),
    "`test_on_batch(batch)`": lambda a: a.model.test_on_batch(a.case.evaluation_batch(4)),
    "`predict(inputs)`": lambda a: a.model.predict(a.case.inputs(4), verbose=0),
    "images as float64": lambda a: a.fit(
        dataset(of_images(lambda images: images.astype("float64"), a.batch))
    ),
    "images in [0, 255]": lambda a: a.fit(dataset(bytes_of(a.batch))),
    "images in [0, 255] as uint8": lambda a: a.fit(
        of_images(lambda leaf: leaf.astype("uint8"), bytes_of(a.batch))
    ),
    "images in [0, 1]": lambda a: a.fit(
        dataset(of_images(lambda images: images / 255, bytes_of(a.batch)))
    ),
    "`evaluate` in [0, 255]": lambda a: a.model.evaluate(
        bytes_of(a.case.evaluation_batch(4)), verbose=0
    ),
    "`validation_data` in [0, 255]": lambda a: a.fit(
        validation_data=bytes_of(a.case.evaluation_batch(4))
    ),
    "images with a NaN in them": lambda a: a.fit(
        of_images(lambda leaf: np.where(leaf == leaf.max(), np.nan, leaf), a.batch)
    ),
    "arrays with a NaN in their last row": lambda a: a.fit(
        of_images(with_a_late_nan, a.case.batch(2 * BATCH_SIZE)), batch_size=BATCH_SIZE
    ),
    "`fit` of no images": lambda a: a.fit(rows_of(a.batch, 0)),
    "`fit` of a dataset without a batch": lambda a: a.fit(a.data.take(0)),
    "`evaluate` of no images": lambda a: a.model.evaluate(
        rows_of(a.case.evaluation_batch(4), 0), verbose=0
    ),
    "`predict` of nothing": lambda a: a.model.predict(rows_of(a.case.inputs(4), 0), verbose=0),
    "`evaluate` of arrays that differ in length": of_unequal_parts,
    "`train_on_batch` of images of another size": lambda a: a.model.train_on_batch(
        of_images(lambda leaf: leaf[:, 1:], a.batch)
    ),
    "`predict` of inputs of another size": lambda a: a.model.predict(
        a.case.inputs(4)[:, 1:], verbose=0
    ),
    "`adapt(dataset)`": lambda a: adapt(a, lambda images: images),
    "`adapt` in [0, 255]": lambda a: adapt(a, bytes_of),
    "labels of type uint8 and shape `(N, 1)`": lambda a: a.fit(
        dataset(with_labels(a, lambda labels: labels[:, None].astype("uint8")))
    ),
    "labels from 1 to K": lambda a: a.fit(dataset(with_labels(a, lambda labels: labels + 7))),
    "one-hot labels": lambda a: a.fit(dataset(with_labels(a, lambda labels: np.eye(10)[labels]))),
    "`fit(dataset.repeat())`": lambda a: a.fit(a.data.repeat()),
    "`fit(dataset.repeat(), steps_per_epoch=1)`": lambda a: a.fit(
        a.data.repeat(), steps_per_epoch=1
    ),
    "`evaluate(dataset.repeat())`": lambda a: a.model.evaluate(
        dataset(a.case.evaluation_batch(4)).repeat(), verbose=0
    ),
    "`LearningRateScheduler`": lambda a: a.fit(
        callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.9 * rate)]
    ),
    "`ReduceLROnPlateau`": lambda a: a.fit(
        callbacks=[keras.callbacks.ReduceLROnPlateau("generator_loss", mode="min")]
    ),
    "`SwapEMAWeights`": lambda a: a.fit(callbacks=[keras.callbacks.SwapEMAWeights()]),
    "`EarlyStopping`": lambda a: a.fit(
        callbacks=[keras.callbacks.EarlyStopping("generator_loss", mode="min")]
    ),
    "`BackupAndRestore`": lambda a: a.fit(
        callbacks=[keras.callbacks.BackupAndRestore(a.folder / "backup")]
    ),
    "`ModelCheckpoint`": lambda a: a.fit(
        callbacks=[keras.callbacks.ModelCheckpoint(a.folder / "model.keras")]
    ),
    "`EarlyStopping()`, of `val_loss`": lambda a: a.fit(
        callbacks=[keras.callbacks.EarlyStopping()]
    ),
    "`EarlyStopping` without a `mode`": lambda a: a.fit(
        callbacks=[keras.callbacks.EarlyStopping("generator_loss")]
    ),
    '`ModelCheckpoint("model.h5")`': lambda a: a.fit(
        callbacks=[keras.callbacks.ModelCheckpoint(a.folder / "model.h5")]
    ),
    "`compile(metrics=[...])`": lambda a: a.model.compile(metrics=["accuracy"]),
    '`compile(quality_measures="fid")`': lambda a: a.model.compile(quality_measures="fid"),
    "`validation_data` without measures": without_measures,
    "`validation_data` of one image": of_one_image,
    "`fit` before `compile`": lambda a: a.uncompiled.fit(a.data),
    "`compile(optimizer=..., loss=...)`": lambda a: a.uncompiled.compile(
        optimizer="adam", loss="mse"
    ),
    "`compile(loss=...)`": lambda a: a.uncompiled.compile(loss="mse"),
    "`compile(generator_optimizer=2e-4)`": lambda a: a.uncompiled.compile(generator_optimizer=2e-4),
    "a frozen generator": freeze,
    "a discriminator that ends in a sigmoid": lambda a: with_network(a, 1, with_sigmoid),
    "a generator of images in [0, 1]": lambda a: with_network(a, 0, with_sigmoid),
    "sizes as NumPy integers": with_numpy_sizes,
    "`image_shape=32`": lambda a: type(a.model)(image_shape=32),
    "`input_shape=(28, 28, 1)`": lambda a: type(a.model)(input_shape=(28, 28, 1)),
    "a network without an `Input`": lambda a: with_network(a, 1, unbuilt),
    '`save("model.keras")`': lambda a: a.model.save(a.folder / "model.keras"),
    '`save("model.h5")`': lambda a: a.model.save(a.folder / "model.h5"),
    '`save_weights("model.h5")`': lambda a: a.model.save_weights(a.folder / "model.h5"),
    "`export(folder)`": lambda a: a.model.export(a.folder / "export", verbose=False),
    "batches as dictionaries": lambda a: a.fit(dataset({"image": tf.nest.flatten(a.batch)[0]})),
    "images without an axis of channels": lambda a: a.fit(
        dataset(of_images(lambda images: images[..., 0], a.batch))
    ),
    "`fit(..., batch_size=0)`": lambda a: a.fit(a.batch, batch_size=0),
    "`callbacks=[EarlyStopping]`, the class": lambda a: a.fit(
        callbacks=[keras.callbacks.EarlyStopping]
    ),
    "labels beside a batch": lambda a: a.fit(dataset((a.batch, np.zeros(4, "int32")))),
    "`fit(..., class_weight={...})`": lambda a: a.fit(class_weight={0: 2.0}),
    "`fit(..., sample_weight=[...])`": lambda a: a.fit(sample_weight=np.ones(BATCH_SIZE)),
}


def build(case: Case) -> AdversarialModel:
    """Returns a small model, compiled with the case's measures to run without a graph."""
    keras.utils.set_random_seed(3)
    model = case.build()
    compile_without_graph(model, case)
    return model


def compile_without_graph(model: AdversarialModel, case: Case, **arguments) -> None:
    if case.quality_measures is not None:
        arguments.setdefault("quality_measures", case.quality_measures())
    model.compile(run_eagerly=True, **arguments)


def outcomes(case: Case, folder: Path) -> dict[str, str]:
    """Tries every habit; returns `WORKS`, `NOT_APPLICABLE` or the message."""
    model, uncompiled, results = build(case), case.build(), {}
    for number, (habit, attempt) in enumerate(HABITS.items()):
        own_folder = folder / str(number)
        own_folder.mkdir()
        try:
            attempt(Attempt(model, uncompiled, case, own_folder))
        except NotApplicableError:
            results[habit] = NOT_APPLICABLE
        except (TypeError, ValueError) as error:
            results[habit] = str(error).replace(str(own_folder), "FOLDER")
        else:
            results[habit] = WORKS
    return results


def read_page() -> tuple[str, str, str]:
    """Returns what stands before the table, the table with its messages, and what is after."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    block, _, after = rest.partition(END)
    return before, block, after


def cell(result: str) -> str:
    """Returns what the table says of a result."""
    return result if result in (WORKS, NOT_APPLICABLE) else "refused"


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def render(columns: Mapping[str, Mapping[str, str]]) -> str:
    """Returns the table, and what is said where a habit is refused."""
    rows = [f"| Habit | {' | '.join(f'`{name}`' for name in columns)} |"]
    rows.append(f"| :--- |{' :--- |' * len(columns)}")
    messages: dict[str, list[str]] = {}
    for habit in HABITS:
        results = {name: column[habit] for name, column in columns.items()}
        row = [cell(result) for result in results.values()]
        rows.append(f"| {habit} | {' | '.join(row)} |")
        refusals = [result for result in results.values() if cell(result) == "refused"]
        for message in refusals[:1]:
            messages.setdefault(said(message), []).append(habit)
    text = "What is said, in the words of the first variant that refuses:"
    lines = [f"- {', '.join(habits)}: {message}" for message, habits in messages.items()]
    return "\n".join((*rows, "", text, "", *lines))


def said(message: str) -> str:
    """Returns a message in one line."""
    return f"“{' '.join(message.split())}”"


def write() -> None:
    """Tries all habits with all variants, and writes the table anew."""
    columns = {}
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            columns[case.variant.__name__] = outcomes(case, Path(folder))
    before, _, after = read_page()
    PAGE.write_text(f"{before}{START}{render(columns)}{END}{after}", encoding="utf-8")
