"""What a Keras user does by habit works with every variant, or says at once what to do."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import three_players
from tests.case import Case, ramp_images, state_of
from tests.cases import CASES
from tests.habits import (
    BATCH_SIZE,
    HABITS,
    Sequence,
    build,
    bytes_of,
    cell,
    cells,
    of_images,
    outcomes,
    read_page,
    said,
)
from zoo.common.adversarial import AdversarialModel

ALL_CASES = (*CASES, three_players.CASE)
STEPS = 5
# All habits of all variants take minutes; of these they are always tried.
EVERY_DAY = ("three_players", "vanilla_gan")
# What the base class does for all: these have batches of every form.
FORMS = ("cyclegan", "semi_supervised_gan", "three_players", "vanilla_gan")


def if_asked(*cases: Case) -> pytest.MarkDecorator:
    """Runs a test on these cases; but for those of every day, only if asked."""
    chosen = [
        pytest.param(case, id=case.name, marks=[] if case.name in EVERY_DAY else [pytest.mark.slow])
        for case in cases
    ]
    return pytest.mark.parametrize("case", chosen, indirect=True, scope="module")


@pytest.fixture(
    params=[
        pytest.param(case, id=case.name, marks=[] if case.name in FORMS else [pytest.mark.slow])
        for case in ALL_CASES
    ],
    scope="module",
)
def case(request) -> Case:
    return request.param


@pytest.fixture(scope="module")
def model(case) -> AdversarialModel:
    """One model for the tests that do not care what it learnt before."""
    return build(case)


def dataset(arrays) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(arrays).batch(BATCH_SIZE)


def batches(arrays) -> list:
    rows = [slice(first, first + BATCH_SIZE) for first in range(0, BATCH_SIZE * STEPS, BATCH_SIZE)]
    return [tf.nest.map_structure(lambda leaf, r=chosen: leaf[r], arrays) for chosen in rows]


def doubles(arrays):
    """Images as float64, which `images / 127.5 - 1` makes of bytes."""
    return of_images(lambda images: images.astype("float64"), arrays)


def train_on_batches(model: AdversarialModel, arrays) -> None:
    for batch in batches(arrays):
        model.train_on_batch(batch)


# Each trains on the same rows in the same order.
SOURCES = {
    "tf.data": lambda model, arrays: model.fit(dataset(arrays), verbose=0),
    "arrays": lambda model, arrays: model.fit(
        arrays, batch_size=BATCH_SIZE, shuffle=False, verbose=0
    ),
    "float64": lambda model, arrays: model.fit(dataset(doubles(arrays)), verbose=0),
    "tuples": lambda model, arrays: model.fit(
        dataset(arrays).map(lambda *batch: ((batch if len(batch) > 1 else batch[0]),)), verbose=0
    ),
    "PyDataset": lambda model, arrays: model.fit(
        Sequence(batches(arrays)), shuffle=False, verbose=0
    ),
    "PyDataset of bare batches": lambda model, arrays: model.fit(
        Sequence(batches(arrays), wrapped=False), shuffle=False, verbose=0
    ),
    "generator": lambda model, arrays: model.fit(
        ((batch,) for batch in batches(arrays)), steps_per_epoch=STEPS, verbose=0
    ),
    "iterator of bare batches": lambda model, arrays: model.fit(
        iter(batches(arrays)), steps_per_epoch=STEPS, verbose=0
    ),
    "train_on_batch": train_on_batches,
}


@pytest.fixture
def seen(model, monkeypatch):
    """What `train_step` and `test_step` of the model are given, in place of what they do."""
    batches_seen = []

    def record(batch):
        batches_seen.append(batch)
        return {"loss": tf.zeros(())}

    monkeypatch.setattr(model, "train_step", record)
    monkeypatch.setattr(model, "test_step", record)
    model.train_function = model.test_function = None
    yield batches_seen
    model.train_function = model.test_function = None


def assert_taken(batches_seen: list, arrays) -> None:
    """Asserts that the steps took these rows in their order, as tensors of the usual types."""
    for taken, expected in zip(batches_seen, batches(arrays), strict=True):
        tf.nest.assert_same_structure(taken, expected)
        for tensor, array in zip(tf.nest.flatten(taken), tf.nest.flatten(expected), strict=True):
            assert tf.is_tensor(tensor)
            assert tensor.dtype == (tf.float32 if array.ndim == 4 else tf.int32)
            np.testing.assert_array_equal(tensor, array)
    batches_seen.clear()


def test_train_step_takes_the_same_from_whatever_holds_the_data(case, model, seen):
    arrays = case.batch(BATCH_SIZE * STEPS)
    for train in SOURCES.values():
        train(model, arrays)
        assert_taken(seen, arrays)


def test_test_step_takes_the_same_from_whatever_holds_the_data(case, model, seen):
    arrays = case.evaluation_batch(BATCH_SIZE * STEPS)
    model.evaluate(arrays, batch_size=BATCH_SIZE, verbose=0)
    assert_taken(seen, arrays)
    for data in (
        dataset(arrays),
        Sequence(batches(arrays)),
        ((batch,) for batch in batches(arrays)),
        iter(batches(arrays)),
    ):
        model.evaluate(data, steps=STEPS, verbose=0)
        assert_taken(seen, arrays)
    for batch in batches(arrays):
        model.test_on_batch(batch)
    assert_taken(seen, arrays)


@pytest.mark.slow
def test_five_steps_of_dcgan_give_equal_weights_from_whatever_holds_the_data():
    case = next(case for case in CASES if case.name == "dcgan")

    def state_after(train) -> list[np.ndarray]:
        model = build(case)
        train(model, case.batch(BATCH_SIZE * STEPS))
        assert int(model.step) == STEPS
        return state_of(model)

    expected = state_after(SOURCES["tf.data"])
    for name, train in SOURCES.items():
        for value, other in zip(expected, state_after(train), strict=True):
            np.testing.assert_array_equal(value, other, err_msg=name)


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_unscaled_images_are_refused_wherever_they_come_from(case, model, method):
    arrays = case.batch(BATCH_SIZE) if method == "fit" else case.evaluation_batch(BATCH_SIZE)
    wrong = bytes_of(arrays)
    on_batch = model.train_on_batch if method == "fit" else model.test_on_batch
    step = int(model.step)
    for data in (wrong, dataset(wrong), Sequence([wrong]), iter([wrong]), ((w,) for w in [wrong])):
        with pytest.raises(ValueError, match=r"scaled to \[-1, 1\]"):
            getattr(model, method)(data, verbose=0)
    with pytest.raises(ValueError, match=r"scaled to \[-1, 1\]"):
        on_batch(wrong)
    right = dataset(case.batch(BATCH_SIZE))
    with pytest.raises(ValueError, match=r"scaled to \[-1, 1\]"):
        model.fit(right, validation_data=bytes_of(case.evaluation_batch(BATCH_SIZE)), verbose=0)
    assert int(model.step) == step


def test_predict_looks_at_what_it_is_given(case, model):
    inputs, endless = case.inputs(BATCH_SIZE), tf.data.Dataset.from_tensors(0).repeat()
    with pytest.raises(ValueError, match=r"predict\(\) would never end .* give steps"):
        model.predict(endless, verbose=0)
    with pytest.raises(ValueError, match=r"predict\(\) takes arrays"):
        model.predict(None, verbose=0)
    if isinstance(inputs, np.ndarray):
        wrong = bytes_of(inputs) if inputs.ndim == 4 else inputs[:, :-1]
        message = (
            r"scaled to \[-1, 1\]" if inputs.ndim == 4 else "takes batches of latents of shape"
        )
        for data in (wrong, dataset(wrong), Sequence([wrong]), ((w,) for w in [wrong])):
            with pytest.raises(ValueError, match=message):
                model.predict(data, verbose=0)
        with pytest.raises(ValueError, match=message):
            model.predict_on_batch(wrong)
        for data in (Sequence([inputs]), ((inputs,) for _ in range(1))):
            answers = model.predict(data, steps=1, verbose=0)
            np.testing.assert_allclose(answers, model.predict(inputs, verbose=0), atol=1e-6)


def test_what_is_beside_a_batch_is_refused(case, model):
    batch, labels = case.batch(BATCH_SIZE), np.zeros(BATCH_SIZE, "int32")
    step = int(model.step)
    for data in (dataset((batch, labels)), Sequence([(batch, labels)]), iter([(batch, labels)])):
        with pytest.raises(ValueError, match=r"fit\(\) takes .*Received a batch of shapes"):
            model.fit(data, verbose=0)
    for method in (model.fit, model.train_on_batch):
        message = rf"^{method.__name__}\(\) takes .*Received a batch of shapes"
        with pytest.raises(ValueError, match=message):
            method(batch, labels)
    with pytest.raises(ValueError, match="take no class_weight"):
        model.fit(dataset(batch), class_weight={0: 2.0}, verbose=0)
    assert int(model.step) == step


# === Arrays of unequal length ===

PARTS = [case for case in CASES if case.name in ("cyclegan", "semi_supervised_gan")]


class StepCount(keras.callbacks.Callback):
    """Counts the steps of each epoch."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def on_epoch_begin(self, epoch, logs=None):
        self.steps.append(0)

    def on_train_batch_end(self, batch, logs=None):
        self.steps[-1] += 1


@pytest.mark.parametrize("case", PARTS, ids=lambda case: case.name, indirect=True, scope="module")
def test_parts_of_unequal_length_go_through_passes_of_their_own(case, model, seen):
    few, many = case.batch(3)[0], case.batch(10)[1]
    count = StepCount()
    model.fit((few, many), batch_size=BATCH_SIZE, epochs=2, callbacks=[count], verbose=0)
    assert count.steps == [3, 3]

    def rows_of(images, given):
        return [
            int(np.flatnonzero((given == image).all(axis=(1, 2, 3)))[0])
            for image in np.concatenate(images)
        ]

    first_few = tf.nest.flatten(few)[0]
    of_few = rows_of([tf.nest.flatten(batch[0])[0] for batch in seen], first_few)
    of_many = rows_of([batch[1] for batch in seen], many)
    for first in range(0, 12, 3):
        assert set(of_few[first : first + 3]) == {0, 1, 2}
    assert set(of_many[:10]) == set(range(10))
    assert of_many[:10] != of_many[12:22]  # another order in the next epoch


def test_labels_stay_with_their_images():
    case = next(case for case in CASES if case.name == "semi_supervised_gan")
    (images, labels), unlabelled = case.batch(10)
    model = build(case)
    step, pairs = model.train_step, []

    def train_step(batch):
        pairs.extend(zip(batch[0][0].numpy(), batch[0][1].numpy(), strict=True))
        return step(batch)

    model.train_step = train_step
    model.fit(((images, labels), unlabelled[:7]), batch_size=BATCH_SIZE, verbose=0)
    assert len(pairs) == 8
    for image, label in pairs:
        (row,) = np.flatnonzero((images == image).all(axis=(1, 2, 3)))
        assert labels[row] == label


def test_images_of_another_size_are_refused_with_both_sizes(case, model):
    larger = tf.nest.map_structure(
        lambda leaf: ramp_images(len(leaf), (48, 48, 1)) if leaf.ndim == 4 else leaf,
        case.batch(BATCH_SIZE),
    )
    with pytest.raises(ValueError, match=r"images of shape .*Received.*48, 48, 1"):
        model.fit(iter([larger]), verbose=0)


# === Export ===


@if_asked(*CASES)
def test_keras_own_export_answers_as_predict_does(case, model, tmp_path):
    inputs = case.inputs(3)
    model.export(tmp_path / "1", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "1"))
    np.testing.assert_allclose(exported.serve(inputs), model.predict(inputs, verbose=0), atol=1e-6)


# === Replicas ===

# Those that cut a batch into parts need more rows, and say so themselves.
PARTS = ("mode_lab_gan", "vanilla_gan", "wgan_gp")
WHOLE = [case for case in ALL_CASES if case.name not in PARTS]


@if_asked(*WHOLE)
def test_a_last_batch_smaller_than_the_replicas_trains_all_of_them(case, two_replicas):
    with two_replicas.scope():
        model = build(case)
    taken, step = [], model.train_step

    def train_step(batch):
        taken.append(batch)
        return step(batch)

    model.train_step = train_step
    arrays = case.batch(BATCH_SIZE + 1)
    logs = model.fit(dataset(arrays), verbose=0).history
    assert model.step.numpy() == 2
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert np.isfinite(list(logs.values())).all()
    last = tf.nest.map_structure(lambda leaf: leaf[BATCH_SIZE:], arrays)
    for batch in taken[2:]:  # each replica has the one row
        tf.nest.map_structure(np.testing.assert_array_equal, batch, last)
    logs = model.evaluate(
        case.evaluation_batch(BATCH_SIZE + 1), batch_size=BATCH_SIZE, verbose=0, return_dict=True
    )
    assert np.isfinite(list(logs.values())).all()


@pytest.mark.parametrize("kind", [lambda arrays: iter([arrays]), lambda arrays: Sequence([arrays])])
def test_a_generators_batch_gives_all_replicas_equal_shares(kind, two_replicas):
    """Shares of other sizes would have other latents than one replica, and some of them twice."""
    case = next(case for case in CASES if case.name == "dcgan")
    with two_replicas.scope():
        model = build(case)
    taken, step = [], model.train_step

    def train_step(batch):
        taken.append(batch)
        return step(batch)

    model.train_step = train_step
    arrays = case.batch(5)
    model.fit(kind(arrays), steps_per_epoch=1, verbose=0)
    np.testing.assert_array_equal(tf.concat(taken, axis=0), arrays[[0, 1, 2, 3, 4, 0]])
    assert [len(batch) for batch in taken] == [3, 3]


# === The table ===


@if_asked(*CASES)
def test_the_table_of_habits_is_so(case, tmp_path):
    _, block, _ = read_page()
    lines = [line for line in block.splitlines() if line.startswith("| ")]
    names, rows = cells(lines[0])[1:], {cells(line)[0]: cells(line)[1:] for line in lines}
    column = names.index(f"`{case.variant.__name__}`")
    for habit, result in outcomes(case, tmp_path).items():
        row = rows[habit]
        assert row[column] == cell(result), (habit, result)
        if "refused" in row and row.index("refused") == column:
            (line,) = [line for line in block.splitlines() if line.endswith(f": {said(result)}")]
            assert habit in line, result


def test_the_table_has_every_variant_and_habit():
    lines = [line for line in read_page()[1].splitlines() if line.startswith("| ")]
    assert cells(lines[0])[1:] == [f"`{case.variant.__name__}`" for case in CASES]
    assert [cells(line)[0] for line in lines[2:]] == list(HABITS)
