"""Measures of the same images run each network once, and say what they say alone."""

import keras
import numpy as np
import tensorflow as tf

import zoo
from zoo import metrics
from zoo.common.shared_outputs import outputs_of, shared_outputs

IMAGES = np.random.RandomState(0).uniform(-1, 1, (20, 28, 28, 1)).astype("float32")


class CountedFlatten(keras.layers.Flatten):
    """Counts its calls: while a graph is traced, how often the graph runs it."""

    calls = 0

    def call(self, inputs):
        self.calls += 1
        return super().call(inputs)


def counted_network() -> tuple[keras.Model, CountedFlatten]:
    counter = CountedFlatten()
    features = keras.layers.Dense(3, kernel_initializer=keras.initializers.RandomNormal(seed=1))
    network = keras.Sequential([keras.Input((28, 28, 1)), counter, features])
    counter.calls = 0
    return network, counter


def measures_of(network: keras.Model) -> list:
    return [metrics.FrechetDistance(network), metrics.KernelDistance(network, block_size=10)]


def test_each_kind_of_images_goes_through_once_whatever_measures_there_are() -> None:
    network, counter = counted_network()
    model = zoo.VanillaGAN((28, 28, 1), latent_dim=4)
    model.compile(quality_measures=measures_of(network))
    shared = model.evaluate(IMAGES, batch_size=10, verbose=0, return_dict=True)
    assert counter.calls == 2  # real ones and generated ones

    for measure, value in zip(measures_of(network), shared.values(), strict=True):
        model.compile(quality_measures=[measure])
        alone = model.evaluate(IMAGES, batch_size=10, verbose=0, return_dict=True)
        np.testing.assert_allclose(alone[measure.name], value, rtol=1e-6)


def test_measuring_outside_of_fit_shares_too() -> None:
    network, counter = counted_network()
    metrics.evaluate(measures_of(network), [IMAGES], lambda number, seed: IMAGES[:number])
    assert counter.calls == 2


def test_other_images_and_other_networks_are_not_confused() -> None:
    first, second = (
        counted_network()[0],
        keras.Sequential([keras.Input((28, 28, 1)), CountedFlatten()]),
    )
    some, others = tf.constant(IMAGES[:2]), tf.constant(IMAGES[2:4])
    with shared_outputs():
        assert outputs_of(first, some).shape == (2, 3)
        assert outputs_of(second, some).shape == (2, 784)
        assert not np.allclose(outputs_of(first, some), outputs_of(first, others))
        for number in range(20):  # each tensor is gone before the next one comes
            image = tf.fill((1, 28, 28, 1), float(number))
            np.testing.assert_array_equal(outputs_of(second, image), np.full((1, 784), number))


def test_nothing_is_kept_outside() -> None:
    network, counter = counted_network()
    images = tf.constant(IMAGES)
    for _ in range(2):
        with shared_outputs():
            outputs_of(network, images)
        outputs_of(network, images)
    assert counter.calls == 4
