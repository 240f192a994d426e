"""What Keras wraps batches in, and what is told of those of another form."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.case import generation_measures, ramp_images, ramp_labels
from tests.dense_gan import dense_gan
from zoo.common.batches import (
    are_in_memory,
    check_form,
    check_source,
    conformed,
    filled_for_replicas,
    further_batches,
    images_spec,
    known_rows,
    one_pass,
    refuse_endless,
    separate_passes,
    unpacked,
    untuned,
    with_first_batch,
)
from zoo.datasets.pipeline import with_steps

IMAGES = images_spec((28, 28, 1))
LABELLED = (IMAGES, tf.TensorSpec((None,), tf.int32, "labels"))
PAIR = (images_spec((28, 28, 1), "images_a"), images_spec((28, 28, 1), "images_b"))


@pytest.mark.parametrize("data", ["x", ("x",), ["x"], ("x", None, None), (("x", None),)])
def test_unpacks_one_thing_to_itself(data):
    assert unpacked(data) == "x"


@pytest.mark.parametrize("data", [("a", "b"), ["a", "b"], (("a", "b"),), (["a", "b"], None, None)])
def test_unpacks_a_pair_to_a_pair(data):
    assert unpacked(data) == ("a", "b")


def test_takes_a_list_of_numbers_for_labels():
    _, labels = unpacked(["images", [3, 1]])
    np.testing.assert_array_equal(labels, [3, 1])
    assert unpacked([[[1.0, 2.0], [3.0, 4.0]]]).shape == (1, 2, 2)


def test_looks_at_the_first_batch_of_whatever_fit_takes():
    images = np.zeros((300, 2, 2, 1), "float32")

    class Sequence(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return (images[:3],)

    def rows(data, batch_size=None):
        return len(with_first_batch(data, batch_size)[0])

    assert rows(tf.data.Dataset.from_tensors(images)) == 300
    assert rows(images) == 32
    assert rows(images, batch_size=50) == 50
    assert rows(Sequence()) == 3
    assert with_first_batch(object())[0] is None


def test_a_look_takes_no_batch_out_of_a_generator():
    given = [np.full((2, 2), number) for number in range(3)]
    first, data = with_first_batch(iter(given))
    assert first is given[0]
    assert [batch for (batch,) in data] == given


def test_looks_further_at_no_more_batches_than_are_asked_for():
    images = np.arange(40.0)

    class Sequence(keras.utils.PyDataset):
        num_batches = 20

        def __getitem__(self, index):
            return (images[2 * index : 2 * index + 2],)

    for data in (images, tf.data.Dataset.from_tensor_slices(images).batch(2), Sequence()):
        seen = np.concatenate(list(further_batches(data, 2, num_images=6)))
        np.testing.assert_array_equal(seen, [2, 3, 4, 5])
    assert len(list(further_batches(Sequence()))) == 19
    assert not list(further_batches(iter([images, images])))


def test_endless_data_are_refused_unless_the_steps_are_given():
    class Endless(keras.utils.PyDataset):
        num_batches = None

        def __getitem__(self, index):
            return (np.zeros(3),)

    finite = tf.data.Dataset.range(3)
    endless = with_steps(finite.repeat(), 3)
    message = r"fit\(\) would never end .*; give steps_per_epoch"
    for data, number in ((finite.repeat(), ", or"), (endless, "=3 for"), (Endless(), ", or")):
        with pytest.raises(ValueError, match=f"{message}{number}"):
            refuse_endless(data, None, "fit", "steps_per_epoch")
        refuse_endless(data, 2, "fit", "steps_per_epoch")
    for data in (finite, np.zeros(3), iter([])):
        refuse_endless(data, None, "fit", "steps_per_epoch")


@pytest.mark.parametrize(
    ("batch", "spec", "message"),
    [
        (ramp_images(3), IMAGES, None),
        ((ramp_images(3), ramp_labels(3)), LABELLED, None),
        ((ramp_images(3), ramp_labels(3)[:, None]), LABELLED, None),
        (
            ramp_images(3, (32, 32, 3)),
            IMAGES,
            r"batches of images of shape \(28, 28, 1\) and nothing else\. Received .*\(3, 32, 32",
        ),
        (ramp_images(3)[0], IMAGES, r"Make batches of single ones.*Received.*\(28, 28, 1\)"),
        (
            (ramp_images(3), ramp_labels(3)),
            IMAGES,
            r"Leave labels out.*\(\(3, 28, 28, 1\), \(3,\)\)",
        ),
        ((ramp_images(3), ramp_labels(3)), PAIR, r"Labels have no place.*images_a, images_b"),
        ({"image": ramp_images(3)}, IMAGES, r"Received .*\{'image': \(3, 28, 28, 1\)\}"),
        (ramp_images(3), PAIR, r"\(images_a, images_b\) with images of shape \(28, 28, 1\)"),
        ((ramp_images(3), None, ramp_labels(3)), LABELLED, r"'NoneType', \(3,\)\)"),
        ((ramp_images(3), np.eye(10)[:3]), LABELLED, r"\(images, labels\).*argmax.*\(3, 10\)"),
        ((ramp_images(3), np.ones(3)), LABELLED, "takes labels as integers.*type float64"),
        (np.ones((3, 28, 28, 1), "uint8"), IMAGES, "Images must be scaled.*type uint8"),
    ],
)
def test_batches_of_another_form_are_refused(batch, spec, message):
    if message is None:
        check_form(batch, spec, "fit")
        return
    with pytest.raises(ValueError, match=message):
        check_form(batch, spec, "fit")


def test_a_batch_of_the_right_form_becomes_tensors_of_its_types():
    images, labels = conformed(
        (ramp_images(3).astype("float64"), ramp_labels(3)[:, None].astype("uint8")), LABELLED
    )
    assert (images.dtype, images.shape) == (tf.float32, (3, 28, 28, 1))
    assert (labels.dtype, labels.shape) == (tf.int32, (3,))


def test_passes_of_arrays_without_shuffling_keep_their_order():
    data = separate_passes((np.arange(3), np.arange(5)), 5, 2, shuffle=False, seed=0)
    assert int(data.cardinality()) == 3
    few, many = (np.concatenate(parts) for parts in zip(*data.as_numpy_iterator(), strict=True))
    np.testing.assert_array_equal(few, [0, 1, 2, 0, 1, 2])
    np.testing.assert_array_equal(many, [0, 1, 2, 3, 4, 0])


def test_arrays_that_are_shorter_begin_again_within_one_pass():
    data = one_pass((np.arange(3), np.arange(5)), 2, shuffle=False)
    few, many = zip(*data.as_numpy_iterator(), strict=True)
    assert [list(batch) for batch in few] == [[0, 1], [2, 0], [1]]
    assert [list(batch) for batch in many] == [[0, 1], [2, 3], [4]]


def test_rows_are_counted_where_all_are_at_hand():
    images = np.zeros((5, 2, 2, 1), "float32")
    data = tf.data.Dataset.from_tensor_slices(images)
    assert known_rows((images[:3], images)) == 5
    assert known_rows(data.batch(8)) == 5
    assert known_rows(data.batch(4)) is None
    assert known_rows(iter([images])) is None


def test_arrays_on_disk_are_known(tmp_path):
    np.save(tmp_path / "rows.npy", np.zeros((4, 2), "float32"))
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    for on_disk in (mapped, mapped[1:], np.asarray(mapped)):
        assert not are_in_memory((on_disk, np.zeros(3)))
    for at_hand in (mapped.copy(), mapped.astype("float64"), np.zeros(3), tf.zeros((3,))):
        assert are_in_memory(at_hand)


def test_a_batch_is_no_larger_than_an_epoch():
    data = separate_passes((np.arange(3), np.arange(5)), 5, None, shuffle=True, seed=0)
    (few, many), *others = data.as_numpy_iterator()
    assert not others
    assert sorted(many) == [0, 1, 2, 3, 4]
    assert set(few) == {0, 1, 2}


# === Sources and advice ===


class Loader:
    def __iter__(self):
        yield np.zeros((2, 4, 4, 1))


@pytest.mark.parametrize("data", [None, Loader(), Loader, lambda: iter([]), "folder", 3])
def test_what_holds_no_batches_is_refused(data):
    with pytest.raises(ValueError, match=r"fit\(\) takes arrays, .*or a generator"):
        check_source(data, "fit")


@pytest.mark.parametrize(
    "data", [np.zeros(3), tf.zeros(3), [1], (1,), {"a": 1}, iter([]), tf.data.Dataset.range(2)]
)
def test_what_may_hold_batches_is_taken(data):
    check_source(data, "fit")


@pytest.mark.parametrize(
    ("batch", "shape", "advice"),
    [
        ({"image": np.zeros((4, 28, 28, 1))}, (28, 28, 1), r"by `data.map\(lambda x: x\['image'\]"),
        (np.zeros((4, 28, 28)), (28, 28, 1), r"by `images\[..., np.newaxis\]`"),
        (np.zeros((4, 3, 32, 32)), (32, 32, 3), r"`np.moveaxis\(images, 1, -1\)`"),
        ((np.zeros((28, 28, 1)),) * 3, (28, 28, 1), "by `np.stack`"),
        (np.zeros((28, 28, 1)), (28, 28, 1), r"by `data.batch\(64\)`"),
        (np.zeros((4, 5)), (28, 28, 1), r"nothing else\. Received"),
    ],
)
def test_batches_of_another_form_are_told_how_to_mend(batch, shape, advice):
    with pytest.raises(ValueError, match=advice):
        check_form(batch, images_spec(shape), "fit")


def test_advice_for_two_parts_is_given_once():
    batch = (np.zeros((4, 28, 28)),) * 2
    with pytest.raises(ValueError) as raised:
        check_form(batch, PAIR, "fit")
    assert str(raised.value).count("np.newaxis") == 1


# === The end of a pass ===


class Sequence(keras.utils.PyDataset):
    """Three batches, which counts its passes."""

    passes = 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return (np.full((2, 1), index, "float32"),)

    def on_epoch_end(self):
        self.passes += 1


ROWS = np.repeat(np.arange(3, dtype="float32"), 2)[:, None]
SOURCES = {
    "arrays": lambda: ROWS,
    "tf.data": lambda: tf.data.Dataset.from_tensor_slices(ROWS).batch(2),
    "PyDataset": Sequence,
    "generator": lambda: ((ROWS[first : first + 2],) for first in (0, 2, 4)),
}


def dataset_of(data) -> tf.data.Dataset:
    return data if isinstance(data, tf.data.Dataset) else data.get_tf_dataset()


@pytest.mark.parametrize("source", SOURCES)
def test_no_tuner_holds_up_the_end_of_what_keras_takes(source):
    dataset = dataset_of(untuned(SOURCES[source](), batch_size=2))
    assert dataset.options().autotune.enabled is False
    taken = [tf.nest.flatten(batch)[0].numpy() for batch in dataset]
    np.testing.assert_array_equal(np.concatenate(taken), ROWS)


def test_keras_still_knows_how_many_batches_there_are_and_ends_each_pass():
    assert untuned(ROWS, batch_size=4).num_batches == 2
    assert untuned(Sequence()).num_batches == 3
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile()
    model.train_step = lambda batch: {"loss": tf.constant(0.0)}
    bare, within = Sequence(), Sequence()
    model.fit(bare, epochs=2, verbose=0)
    model.fit(untuned(within), epochs=2, verbose=0)
    assert within.passes == bare.passes > 1


def test_a_model_gives_keras_nothing_that_is_tuned(monkeypatch):
    taken = []

    def take(model, data, *arguments, validation_data=None, **others):
        taken.extend([data] if validation_data is None else [data, *validation_data])

    for method in ("fit", "evaluate", "predict"):
        monkeypatch.setattr(keras.Model, method, take)
    model = dense_gan()
    model.compile(quality_measures=generation_measures())
    images = ramp_images(4)
    dataset = tf.data.Dataset.from_tensors(images)
    for data in (images, dataset):
        model.fit(data, validation_data=data)
        model.evaluate(data)
        model.predict(np.zeros((4, 4), "float32"))
    assert len(taken) == 8
    assert all(dataset_of(data).options().autotune.enabled is False for data in taken)


@pytest.mark.parametrize(
    ("rows", "equally", "expected"),
    [
        (5, True, [0, 1, 2, 3, 4, 0]),
        (5, False, [0, 1, 2, 3, 4]),
        (1, False, [0, 0]),
        (1, True, [0, 0]),
        (4, True, [0, 1, 2, 3]),
    ],
)
def test_replicas_are_given_a_row_each_or_equal_shares(rows, equally, expected):
    pairs = tf.data.Dataset.from_tensors((tf.range(rows), 10 * tf.range(rows)))
    ((first, second),) = filled_for_replicas(pairs, 2, equally)
    assert first.numpy().tolist() == expected
    assert second.numpy().tolist() == [10 * row for row in expected]
