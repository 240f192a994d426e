"""Objectives in the train steps of variants: what each player is shown and minimises."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.case import OUTPUTS, SCORES, ramp_images
from tests.cases import vanilla_gan
from zoo.common import objectives
from zoo.common.latent_model import LatentModel


def build_vanilla() -> zoo.VanillaGAN:
    """Of two steps of the discriminator: each sees every second image."""
    return vanilla_gan.CASE.build_without_noise()


def build_dcgan() -> zoo.DCGAN:
    return zoo.DCGAN((28, 28, 1), latent_dim=7, base_filters=2)


def build_face_gan() -> zoo.FaceGAN:
    return zoo.FaceGAN((32, 32, 1), latent_dim=7, filters=8)


def compiled(
    build: Callable[[], LatentModel], objective: str, discriminator_rate: float = 0.1, **arguments
) -> LatentModel:
    """A model whose generator rests."""
    keras.utils.set_random_seed(1)
    model = build()
    model.compile(
        generator_optimizer=keras.optimizers.SGD(0.0),
        discriminator_optimizer=keras.optimizers.SGD(discriminator_rate),
        objective=objective,
        **arguments,
    )
    return model


def softplus(values: tf.Tensor) -> np.ndarray:
    return np.logaddexp(0.0, np.asarray(values, "float64"))


@pytest.mark.parametrize(
    ("build", "objective"),
    [
        (build_vanilla, "relativistic"),
        (build_dcgan, "relativistic"),
        (build_face_gan, "relativistic"),
        (build_face_gan, "relativistic_average"),
    ],
)
def test_a_relativistic_generator_faces_the_discriminator_as_it_is_after_its_step(
    build: Callable[[], LatentModel], objective: str
) -> None:
    model = compiled(build, objective, run_eagerly=True)
    images = ramp_images(8, model.image_shape)
    data = tf.data.Dataset.from_tensors(images)
    loss = model.fit(data, verbose=0).history["generator_loss"][0]

    model.step.assign(0)  # to draw the same latents again
    is_vanilla = isinstance(model, zoo.VanillaGAN)
    real_images = images[1::2] if is_vanilla else images
    latents = model.draw_latents(len(real_images), draw=2 if is_vanilla else 0)
    generated_images = model.generator(latents, training=True)
    real, generated = (
        model.discriminator(x, training=True) for x in (real_images, generated_images)
    )
    if objective == "relativistic":
        expected = np.mean(softplus(real - generated))
    else:
        expected = np.mean(softplus(np.mean(real) - generated)) / 2
        expected += np.mean(softplus(real - np.mean(generated))) / 2
    assert loss == pytest.approx(expected, rel=1e-5)

    at_rest = compiled(build, objective, discriminator_rate=0.0, run_eagerly=True)
    assert loss != pytest.approx(
        at_rest.fit(data, verbose=0).history["generator_loss"][0], rel=1e-3
    )


@pytest.mark.parametrize("objective", objectives.NAMES)
def test_a_model_trains_and_logs_what_its_outputs_are(objective: str) -> None:
    keras.utils.set_random_seed(1)
    model = build_vanilla()
    model.compile(objective=objective, run_eagerly=True)
    logs = model.fit(ramp_images(4), verbose=0).history
    assert np.isfinite(list(logs.values())).all()
    assert (set(logs) >= SCORES) != (set(logs) >= OUTPUTS)
    assert min(logs[f"{player}_gradient_norm"][0] for player in model.players) > 0
    assert all(np.isfinite(variable).all() for variable in model.trainable_variables)


@pytest.mark.slow
def test_two_replicas_compare_with_the_mean_of_the_whole_batch(
    two_replicas: tf.distribute.Strategy,
) -> None:
    def trained(strategy: tf.distribute.Strategy) -> LatentModel:
        with strategy.scope():
            keras.utils.set_random_seed(1)
            model = build_vanilla()
            model.compile(
                generator_optimizer=keras.optimizers.SGD(0.05),
                discriminator_optimizer=keras.optimizers.SGD(0.05),
                objective="relativistic_average",
            )
        rows = tf.data.Dataset.from_tensor_slices(ramp_images(8))
        model.fit(rows.repeat(3).batch(8), verbose=0)
        return model

    one, two = trained(tf.distribute.get_strategy()), trained(two_replicas)
    for a, b in zip(one.weights, two.weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=2e-6, err_msg=a.path)


def test_cyclegan_whose_losses_are_its_own_takes_no_objective() -> None:
    model = zoo.CycleGAN((32, 32, 1), base_filters=1, num_blocks=1)
    with pytest.raises(ValueError, match="takes no objective. Received: objective='relativistic'"):
        model.compile(objective="relativistic")
