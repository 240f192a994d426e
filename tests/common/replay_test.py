"""The image pool against a plain-Python model of it, saved, and under two replicas."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.case import ramp_images, state_of
from tests.dense_gan import dense_gan
from zoo.common.replay import ImagePool

SHAPE = (2, 1, 1)


def numbered(*numbers: float) -> np.ndarray:
    """Images that hold their number in every pixel."""
    return np.broadcast_to(np.reshape(numbers, (-1, 1, 1, 1)), (len(numbers), *SHAPE)).astype("f4")


def numbers_of(images) -> list[float]:
    return np.asarray(images)[:, 0, 0, 0].tolist()


def model_of_the_pool(images, pool: list, size: int, seed) -> list:
    """What the paper says, an image at a time; the draws are those that the pool makes."""
    swaps, places = tf.unstack(tf.random.split(seed, 2))
    swaps = tf.random.stateless_uniform((len(images),), swaps).numpy() < 0.5
    places = tf.random.stateless_uniform((len(images),), places, 0, size, tf.int32).numpy()
    chosen = []
    for image, is_swapped, place in zip(images, swaps, places, strict=True):
        if len(pool) < size:
            pool.append(image)
            chosen.append(image)
        elif is_swapped:
            chosen.append(pool[place])
            pool[place] = image
        else:
            chosen.append(image)
    return chosen


@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_does_what_the_plain_model_does(batch_size):
    pool, expected_pool = ImagePool(SHAPE, size=5), []
    send = tf.function(pool)
    for step in range(12):
        seed = tf.constant([3, step])
        batch = [float(step * batch_size + row) for row in range(batch_size)]
        expected = model_of_the_pool(batch, expected_pool, 5, seed)
        assert numbers_of(send(numbered(*batch), seed=seed)) == expected
        assert numbers_of(pool.images)[: len(expected_pool)] == expected_pool
        assert int(pool.num_images) == len(expected_pool)


def test_xla_compiles_it_once_whatever_the_draws():
    pool = ImagePool(SHAPE, size=5)
    send = tf.function(pool, jit_compile=True)
    seconds = []
    for step in range(9):
        start = time.perf_counter()
        send(numbered(step, -step), seed=tf.constant([3, step]))
        seconds.append(time.perf_counter() - start)
    assert np.median(seconds[1:]) < seconds[0] / 3
    assert int(pool.num_images) == 5


def test_half_of_the_images_are_of_the_past_once_it_is_full():
    pool = ImagePool(SHAPE, size=20)
    send = tf.function(pool)
    new = 0
    for step in range(200):
        batch = np.arange(10) + 10.0 * step
        chosen = numbers_of(send(numbered(*batch), seed=tf.constant([1, step])))
        new += len(set(chosen) & set(batch.tolist())) if step >= 2 else 0
    # A new one may also be swapped out by a later one of its own batch, 1 time in 20 · 2.
    assert 0.45 < new / 1980 < 0.65


def test_holds_points_as_well_as_images():
    pool = ImagePool((2,), size=1)
    first, second = np.array([[1.0, 2.0]], "f4"), np.array([[3.0, 4.0]], "f4")
    np.testing.assert_array_equal(pool(first, seed=tf.constant([0, 0])), first)
    chosen = [pool(second, seed=tf.constant([0, step])).numpy().tolist() for step in range(9)]
    assert first.tolist() in chosen
    assert second.tolist() in chosen


def test_an_empty_pool_lets_images_through():
    pool = ImagePool(SHAPE, size=0)
    images = numbered(1, 2)
    np.testing.assert_array_equal(pool(images, seed=tf.constant([0, 0])), images)
    assert pool.weights == []


@pytest.mark.parametrize("size", [-1, 2.5])
def test_size_is_checked(size):
    with pytest.raises(ValueError, match=f"`size` must be .* Received: size={size}"):
        ImagePool(SHAPE, size=size)


def test_is_saved_with_its_model(tmp_path):
    def model() -> keras.Model:
        inputs = keras.Input(SHAPE)
        network = keras.Model(inputs, keras.layers.Flatten()(inputs))
        network.pool = ImagePool(SHAPE, size=3)
        return network

    saved, restored = model(), model()
    saved.pool(numbered(4, 5), seed=tf.constant([0, 0]))
    saved.save_weights(tmp_path / "a.weights.h5")
    restored.load_weights(tmp_path / "a.weights.h5")
    assert numbers_of(restored.pool.images) == [4, 5, 0]
    assert int(restored.pool.num_images) == 2


@pytest.mark.slow
def test_replicas_share_one_pool(two_replicas):
    with two_replicas.scope():
        pool = ImagePool(SHAPE, size=5)
    alone = ImagePool(SHAPE, size=5)

    @tf.function
    def send(images, seed):
        return two_replicas.run(lambda rows: pool(rows, seed=seed), args=(images,))

    for step in range(6):
        batch = numbered(*range(4 * step, 4 * step + 4))
        seed = tf.constant([9, step])
        rows = tf.data.Dataset.from_tensors(batch)
        rows = next(iter(two_replicas.experimental_distribute_dataset(rows.unbatch().batch(4))))
        chosen = two_replicas.gather(send(rows, seed), axis=0)
        assert numbers_of(chosen) == numbers_of(alone(batch, seed=seed))
        for copy in two_replicas.experimental_local_results(pool.images.value):
            np.testing.assert_array_equal(copy, alone.images)


# === DCGAN ===


def pool_gan(pool_size: int = 6):
    keras.utils.set_random_seed(7)
    model = dense_gan(pool_size=pool_size)
    model.compile(run_eagerly=True)
    return model


def train(model, steps: int) -> None:
    model.fit(tf.data.Dataset.from_tensors(ramp_images(4)).repeat(steps), verbose=0)


def test_the_discriminator_is_shown_images_of_the_past(monkeypatch):
    model, seen = pool_gan(), []
    call = model.discriminator.call

    def spy(images, *arguments, **options):
        seen.append(np.asarray(images))
        return call(images, *arguments, **options)

    monkeypatch.setattr(model.discriminator, "call", spy)
    train(model, steps=6)
    shown, judged = np.array(seen[1::3]), np.array(seen[2::3])
    # The pool fills with the first 6; from then on about half of what is shown was made before.
    np.testing.assert_array_equal(shown[0], judged[0])
    num_old = 0
    for images, new_images in zip(shown[1:], judged[1:], strict=True):
        num_old += sum(not any(np.array_equal(x, y) for y in new_images) for x in images)
    assert 4 <= num_old <= 16
    assert int(model.pool.num_images) == 6


def test_a_model_resumes_with_its_pool(tmp_path):
    unbroken = pool_gan()
    train(unbroken, steps=3)
    unbroken.save(tmp_path / "run.keras")
    train(unbroken, steps=2)
    resumed = keras.saving.load_model(tmp_path / "run.keras")
    resumed.run_eagerly = True
    train(resumed, steps=2)
    for a, b in zip(state_of(unbroken), state_of(resumed), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_model_names_a_bad_size():
    with pytest.raises(ValueError, match="`pool_size` .* Received: pool_size=-1"):
        dense_gan(pool_size=-1)


def test_in_a_graph_of_replicas_an_image_keeps_its_shape(two_replicas):
    with two_replicas.scope():
        pool = ImagePool(SHAPE, 3)
    shapes = []

    @tf.function(input_signature=[tf.TensorSpec((None, *SHAPE))])
    def send(images):
        two_replicas.run(lambda: shapes.append(pool(images, seed=[1, 2]).shape))

    send(numbered(1, 2))
    assert shapes and all(shape[1:] == SHAPE for shape in shapes)
