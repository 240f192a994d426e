"""Half precision: saved under one policy and loaded under another, and scaled losses together."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.case import ramp_images
from tests.dense_gan import IMAGE_SHAPE, dense_gan
from zoo.common.precision import finite_together, under_policy


@pytest.mark.parametrize(
    ("saved", "loaded"), [("mixed_float16", "float32"), ("float32", "mixed_bfloat16")]
)
def test_a_model_keeps_its_precision_under_whatever_policy_it_is_loaded(tmp_path, saved, loaded):
    with under_policy(saved):
        model = dense_gan(layers.Dense(3))
        model.compile()
    model.save(tmp_path / "model.keras")
    with under_policy(loaded):
        restored = keras.saving.load_model(tmp_path / "model.keras")
        assert keras.config.dtype_policy().name == loaded
    assert keras.config.dtype_policy().name == "float32"
    assert restored.dtype_policy.name == saved
    for network, again in zip(model.layers, restored.layers, strict=True):
        assert [part.compute_dtype for part in network._flatten_layers()] == [
            part.compute_dtype for part in again._flatten_layers()
        ]
    np.testing.assert_array_equal(model.generate(2, seed=1), restored.generate(2, seed=1))
    kinds = {player: type(optimizer) for player, optimizer in model.optimizers.items()}
    assert kinds == {player: type(o) for player, o in restored.optimizers.items()}


def test_a_network_of_which_some_layers_compute_in_float16_has_its_loss_scaled():
    model = dense_gan(layers.Dense(3, dtype="mixed_float16"))
    model.compile()
    for optimizer in model.optimizers.values():  # the generator's gradient comes through it
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


SIDE_32 = (32, 32, 1)


def judge(*, units: int = 1) -> keras.Model:
    return keras.Sequential([keras.Input(SIDE_32), layers.Flatten(), layers.Dense(units)])


def images_of(vectors: int) -> keras.Model:
    """Gives images in half precision: the last layer is not told to give float32."""
    return keras.Sequential(
        [keras.Input((vectors,)), layers.Dense(1024, "tanh"), layers.Reshape(SIDE_32)]
    )


@pytest.mark.parametrize(
    ("variant", "others"),
    [
        (zoo.VanillaGAN, lambda: {"discriminator": judge()}),
        (zoo.DCGAN, lambda: {"discriminator": judge()}),
        (zoo.FaceGAN, lambda: {"discriminator": judge()}),
        (zoo.R3GAN, lambda: {"discriminator": judge()}),
        (zoo.UnrolledGAN, lambda: {"discriminator": judge()}),
        (zoo.WGANGP, lambda: {"critic": judge()}),
        (zoo.LossSensitiveGAN, lambda: {"critic": judge()}),
        (zoo.EnergyBasedGAN, lambda: {"encoder": judge(units=2), "decoder": images_of(2)}),
    ],
)
def test_networks_of_the_users_own_may_give_half_precision(variant, others):
    with under_policy("mixed_bfloat16"):
        model = variant(SIDE_32, latent_dim=3, generator=images_of(3), **others())
        model.compile(run_eagerly=True)
        logs = model.train_on_batch(ramp_images(8, SIDE_32), return_dict=True)
        assert np.isfinite(list(logs.values())).all()
        assert model.predict(np.zeros((2, 3), "float32"), verbose=0).dtype == np.float32


@pytest.mark.parametrize("bad_replica", [None, 0, 1])
def test_gradients_of_all_replicas_are_left_out_where_those_of_one_overflow(
    two_replicas, bad_replica
):
    def gradients():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        is_bad = tf.equal(replica, -1 if bad_replica is None else bad_replica)
        overflown = tf.where(is_bad, [np.inf, 1.0], [2.0, 1.0])
        first, none, second = finite_together([overflown, None, tf.ones((3,))])
        assert none is None
        return first, second

    run = tf.function(lambda: two_replicas.run(gradients))
    for parts in map(two_replicas.experimental_local_results, run()):
        for part in parts:
            assert np.isnan(part).all() if bad_replica is not None else np.isfinite(part).all()


def test_two_replicas_find_a_scale_at_which_they_train(two_replicas):
    with two_replicas.scope(), under_policy("mixed_float16"):
        model = dense_gan(layers.Dense(3))
        model.compile()
    for optimizer in model.optimizers.values():
        optimizer.dynamic_growth_steps = 2  # of 2,000, so that it comes to its bound soon
    images = tf.data.Dataset.from_tensors(ramp_images(4)).repeat(60)
    model.fit(images, verbose=0)
    assert all(np.isfinite(weight.numpy()).all() for weight in model.weights)
    for optimizer in model.optimizers.values():
        assert optimizer.dynamic_scale.numpy() > 64 and optimizer.iterations.numpy() > 30


def test_replicas_draw_other_augmentations(two_replicas):
    with two_replicas.scope():
        images = keras.Input(IMAGE_SHAPE)
        shifted = layers.RandomTranslation(0.4, 0.4)(images)
        logits = layers.Dense(1, dtype="float32")(layers.Flatten()(shifted))
        model = dense_gan(discriminator=keras.Model(images, logits))
    shift = keras.Model(images, shifted)
    run = tf.function(lambda: two_replicas.run(lambda: shift(ramp_images(1), training=True)))
    first, second = two_replicas.experimental_local_results(run())
    assert model.discriminator.count_params() == 785
    assert np.abs(first - second).max() > 0.1
