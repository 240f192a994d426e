"""Packs of images: what is in them, that they give repetition away, and DCGAN with them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.case import ramp_images
from tests.dense_gan import IMAGE_SHAPE, dense_gan
from tests.repetition import share_of_repetition_told
from zoo.common.packing import packed


def test_stacks_images_that_follow_each_other_in_channels():
    images = ramp_images(6, (3, 2, 5))
    packs = packed(images, 3)
    assert packs.shape == (2, 3, 2, 15)
    for pack in range(2):
        expected = np.concatenate([images[3 * pack + i] for i in range(3)], axis=-1)
        np.testing.assert_array_equal(packs[pack], expected)


def test_puts_points_one_after_another():
    points = ramp_images(6, (2,))
    np.testing.assert_array_equal(packed(points, 2), points.reshape(3, 4))
    np.testing.assert_array_equal(packed(points, 1), points)


def test_leaves_out_what_fills_no_pack():
    images = ramp_images(7, (3, 2, 1))
    np.testing.assert_array_equal(packed(images, 3), packed(images[:6], 3))
    with pytest.raises(tf.errors.InvalidArgumentError, match="fill a pack of 8 images"):
        packed(images, 8)


@pytest.mark.parametrize("num_images", [1, 2, 4])
def test_packs_give_away_a_generator_that_repeats_itself(num_images):
    packs = keras.Input((6 * num_images,))
    network = keras.Model(packs, layers.Dense(1)(layers.Dense(64, activation="relu")(packs)))
    share_right = share_of_repetition_told(network, lambda rows: packed(rows, num_images))
    assert (share_right > 0.8) if num_images > 1 else (0.3 < share_right < 0.7)


# === DCGAN ===


def packing_gan(packing: int = 2, **arguments) -> zoo.DCGAN:
    packs = keras.Input((*IMAGE_SHAPE[:2], packing))
    discriminator = keras.Model(packs, layers.Dense(1)(layers.Flatten()(packs)))
    return dense_gan(discriminator=discriminator, packing=packing, **arguments)


def test_only_the_first_convolution_has_more_weights():
    plain, packing = (zoo.DCGAN((28, 28, 3), base_filters=2, packing=m) for m in (1, 4))
    shapes = [
        [weight.shape for weight in model.discriminator.weights] for model in (plain, packing)
    ]
    assert shapes[0][0] == (4, 4, 3, 2)
    assert shapes[1][0] == (4, 4, 12, 2)
    assert shapes[0][1:] == shapes[1][1:]
    assert packing.generator.count_params() == plain.generator.count_params()
    assert zoo.DCGAN.from_config(packing.get_config()).packing == 4


def test_packs_are_all_real_or_all_generated():
    seen = []

    class Spy(layers.Layer):
        def call(self, packs):
            seen.append(packs.numpy() if hasattr(packs, "numpy") else None)
            return packs

    packs = keras.Input((*IMAGE_SHAPE[:2], 2))
    discriminator = keras.Model(packs, layers.Dense(1)(layers.Flatten()(Spy()(packs))))
    model = dense_gan(discriminator=discriminator, packing=2)
    model.compile(run_eagerly=True)
    seen.clear()
    images = ramp_images(6)
    generated = model.generator(model.prior.draw(6, model.seed_for("latents")))
    model.train_on_batch(images)
    real_packs, shown_packs, judged_packs = seen
    np.testing.assert_array_equal(real_packs, packed(images, 2))
    np.testing.assert_allclose(shown_packs, packed(generated, 2), atol=1e-6)
    np.testing.assert_array_equal(judged_packs, shown_packs)


def test_a_batch_that_fills_no_packs_is_refused_before_the_first_step():
    model = packing_gan()
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match="packs of packing=2. Received: a batch of 5"):
        model.fit(ramp_images(10), batch_size=5, verbose=0)
    assert int(model.step) == 0
    # The last batch may be smaller: it has 3 images, of which one is left out.
    model.fit(ramp_images(7), batch_size=4, verbose=0)
    assert int(model.step) == 2


@pytest.mark.slow
def test_two_replicas_equal_one(two_replicas):
    def trained(strategy):
        with strategy.scope():
            keras.utils.set_random_seed(6)
            model = packing_gan()
            model.compile(
                generator_optimizer=keras.optimizers.SGD(0.05),
                discriminator_optimizer=keras.optimizers.SGD(0.05),
            )
        model.fit(tf.data.Dataset.from_tensors(ramp_images(8)).repeat(2), verbose=0)
        return model.get_weights()

    one, two = trained(tf.distribute.get_strategy()), trained(two_replicas)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


def test_a_discriminator_of_single_images_is_refused():
    with pytest.raises(ValueError, match=r"must take shape \(28, 28, 2\)"):
        dense_gan(packing=2)
    with pytest.raises(ValueError, match="`packing` .* Received: packing=0"):
        dense_gan(packing=0)
