"""Training on pairs: it learns the answers, from new weights, and cuts both of a pair as one."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from recipes.common.paired_regression import augmented_pairs, train_on_pairs
from recipes.common.training import TrainingError
from recipes.common.translation import enlarge_crop_flip

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8)


def as_it_is(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    return image


def cut_and_flipped(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    return enlarge_crop_flip(image, seed, load_scale=1.5, random_flip=True)


def trained_to_negate(
    epochs: int = 4, steps: int = 50, rate: float = 0.03
) -> tuple[keras.Model, keras.Model]:
    network = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(3, 1)])
    generator = train_on_pairs(
        network,
        keras.optimizers.Adam(rate),
        IMAGES,
        255 - IMAGES,
        augment=as_it_is,
        batch_size=4,
        epochs=epochs,
        steps_per_epoch=steps,
        seed=3,
        description="to negate",
    )
    return network, generator


def test_it_learns_the_answers_and_leaves_the_given_network_as_it_is():
    keras.utils.set_random_seed(0)
    network, generator = trained_to_negate()
    images = IMAGES / 127.5 - 1.0
    assert np.abs(generator.predict(images, verbose=0) + images).mean() < 0.05
    assert np.abs(network.predict(images, verbose=0) + images).mean() > 0.2


def test_the_seed_decides_the_outcome():
    kernels = [trained_to_negate(epochs=1)[1].get_weights()[0] for _ in range(2)]
    np.testing.assert_array_equal(*kernels)


def test_replicas_share_the_batches(two_replicas):
    # After more steps errors near 0, whose gradient is a sign, part the two.
    _, alone = trained_to_negate(epochs=1, steps=4)
    with two_replicas.scope():
        _, shared = trained_to_negate(epochs=1, steps=4)
    for weights, others in zip(alone.get_weights(), shared.get_weights(), strict=True):
        np.testing.assert_allclose(weights, others, atol=1e-5)


def test_half_precision_learns_the_answers_too():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        _, generator = trained_to_negate()
    finally:
        keras.config.set_dtype_policy("float32")
    assert generator.layers[-1].compute_dtype == "float16"
    images = IMAGES / 127.5 - 1.0
    assert np.abs(generator.predict(images, verbose=0) + images).mean() < 0.05


@pytest.mark.parametrize("steps", [1, 3])
def test_numbers_that_are_not_finite_are_an_error_that_says_so(steps, capsys):
    # After one step the loss is still that of the first weights.
    with pytest.raises(TrainingError, match="training to negate ended with numbers that are not"):
        trained_to_negate(epochs=1, steps=steps, rate=float("nan"))
    assert not capsys.readouterr().out


@pytest.mark.parametrize("seed", [1, 2**32 - 1])
def test_both_of_a_pair_are_cut_and_mirrored_as_one(seed):
    pairs = augmented_pairs(IMAGES, 255 - IMAGES, cut_and_flipped, seed).take(24)
    inputs, answers = (np.stack(each) for each in zip(*pairs.as_numpy_iterator(), strict=True))
    # Both lie on the 256 levels of a pixel, which rounding may part by one.
    np.testing.assert_allclose(answers, -inputs, atol=2 / 127.5)
    assert inputs.min() >= -1 and inputs.max() <= 1
    # Two rounds of 12 images: of the 50 ways to cut and mirror one, two may be the same.
    assert len(np.unique(inputs, axis=0)) > 18


def test_every_pair_comes_once_each_time_around_in_a_new_order():
    stream = augmented_pairs(IMAGES, IMAGES, as_it_is, seed=1).as_numpy_iterator()
    rounds = [
        [np.rint((image + 1) * 127.5).astype(np.uint8).tobytes() for image, _ in each]
        for each in (itertools.islice(stream, 12), itertools.islice(stream, 12))
    ]
    assert rounds[0] != rounds[1]
    for each in rounds:
        assert sorted(each) == sorted(image.tobytes() for image in IMAGES)


def test_without_a_terminal_one_line_says_what_is_trained(capsys):
    trained_to_negate(epochs=1)
    assert capsys.readouterr().err == "training to negate\n"
