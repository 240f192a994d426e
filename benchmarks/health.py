"""Leads small trainings into each ill that `HealthMonitor` names, and tells when it does.

    python -m benchmarks.health

writes the table of docs/health.md. The trainings take seconds each, are seeded, and differ from a
healthy one in one thing.
"""

from recipes.common import command_line  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import zoo
from benchmarks.pages import REPOSITORY, replace_block
from zoo.common.adversarial import AdversarialModel
from zoo.common.files import write_atomically
from zoo.datasets import ring_of_gaussians
from zoo.runs.health import STATES, HealthMonitor

PAGE = Path("docs", "health.md")
SHAPE = (8, 8, 1)
LATENT_DIM = 8
BATCH_SIZE = 32
STEPS_PER_EPOCH = 10
FIRST_VERDICT = 100
SEEDS = (0, 1, 2, 3, 4)

Rate = float | keras.optimizers.schedules.LearningRateSchedule

# === Data ===


def spots(num_images: int = 640, signs: bool = False) -> np.ndarray:
    """Returns images of one light spot on a dark ground.

    Args:
        num_images: how many.
        signs: whether half of them are negatives.
    """
    random = np.random.default_rng(5)
    rows, columns = np.mgrid[:8, :8]
    y, x = random.uniform(1.5, 5.5, (2, num_images, 1, 1))
    images = 2.0 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 3.0) - 1.0
    if signs:
        images *= random.choice([-1.0, 1.0], (num_images, 1, 1))
    return images[..., np.newaxis].astype("float32")


# === Networks ===


def _generator(*between: layers.Layer, first_ground: float = 0.0) -> keras.Model:
    latents = keras.Input((LATENT_DIM,))
    x = layers.Dense(64)(latents)
    for layer in between:
        x = layer(x)
    ground = keras.initializers.Constant(first_ground)
    x = layers.Dense(64, activation="tanh", bias_initializer=ground)(layers.ReLU()(x))
    return keras.Model(latents, layers.Reshape(SHAPE)(x))


def _discriminator(
    is_even: bool = False, hidden_layers: int = 1, activation: str | None = None
) -> keras.Model:
    images = keras.Input(SHAPE)
    x = layers.Flatten()(images)
    if is_even:
        x = layers.Multiply()([x, x])
    for _ in range(hidden_layers):
        x = layers.LeakyReLU(0.2)(layers.Dense(64)(x))
    return keras.Model(images, layers.Dense(1, activation=activation)(x))


def _translator(sign: float) -> keras.Model:
    """Two convolutions of single pixels, which begin by keeping the colours or exchanging them."""
    images = keras.Input(SHAPE)
    start = keras.initializers.Constant(0.5 * sign)
    x = layers.Conv2D(4, 1, activation="tanh", kernel_initializer=start)(images)
    x = layers.Conv2D(1, 1, kernel_initializer=keras.initializers.Constant(0.6))(x)
    return keras.Model(images, layers.Activation("tanh")(x))


def _patch_discriminator() -> keras.Model:
    images = keras.Input(SHAPE)
    x = layers.LeakyReLU(0.2)(layers.Conv2D(8, 3, 2, "same")(images))
    return keras.Model(images, layers.Conv2D(1, 3, padding="same")(x))


# === Models ===


def _gan(
    seed: int,
    generator: keras.Model | None = None,
    discriminator: keras.Model | None = None,
    rates: tuple[Rate, Rate] = (1e-3, 1e-3),
    objective: str = "non_saturating",
    penalty: str = "r1",
) -> zoo.ModeLabGAN:
    """Returns a game of dense networks on spots; as it stands, a healthy one."""
    model = zoo.ModeLabGAN(
        SHAPE,
        LATENT_DIM,
        penalty=penalty,
        penalty_weight=1.0,
        seed=seed,
        generator=generator or _generator(),
        discriminator=discriminator or _discriminator(),
    )
    model.compile(objective=objective, **_adam(*rates))
    return model


def _ring_gan(seed: int) -> zoo.ModeLabGAN:
    widths = {"generator_width": 32, "discriminator_width": 32}
    options = {"penalty": "r1", "penalty_weight": 0.1, "average_decay": 0.98}
    model = zoo.ModeLabGAN(seed=seed, **widths, **options)
    model.compile(objective="relativistic")
    return model


def _cyclegan(seed: int, sign: float) -> zoo.CycleGAN:
    model = zoo.CycleGAN(
        SHAPE,
        identity_weight=0.0,
        pool_size=0,
        seed=seed,
        generator_ab=_translator(sign),
        generator_ba=_translator(sign),
        discriminator_a=_patch_discriminator(),
        discriminator_b=_patch_discriminator(),
    )
    model.compile(**_adam())
    return model


def _adam(generator: Rate = 1e-3, discriminator: Rate = 1e-3) -> dict[str, Any]:
    return {
        "generator_optimizer": keras.optimizers.Adam(generator, beta_1=0.5),
        "discriminator_optimizer": keras.optimizers.Adam(discriminator, beta_1=0.5),
    }


# === Trainings ===


def _of_spots(batch_size: int = BATCH_SIZE, **options) -> tf.data.Dataset:
    images = tf.data.Dataset.from_tensor_slices(spots(**options))
    return images.batch(batch_size, drop_remainder=True)


def _of_two_domains() -> tf.data.Dataset:
    images = spots(signs=True)
    return tf.data.Dataset.from_tensor_slices((images[::2], images[1::2])).batch(16)


@dataclasses.dataclass(frozen=True)
class Training:
    """A small training.

    Attributes:
        how: what makes it ill, in words, or what is healthy.
        build: returns a compiled model of a seed.
        data: returns its batches. Defaults to spots.
        epochs: of `STEPS_PER_EPOCH` steps. Defaults to 30.
    """

    how: str
    build: Callable[[int], AdversarialModel]
    data: Callable[[], tf.data.Dataset] = _of_spots
    epochs: int = 30


HEALTHY = {
    "spots": Training("images of a spot, R1", _gan),
    "ring": Training(
        "a ring of Gaussians, R1, averaged weights",
        _ring_gan,
        lambda: ring_of_gaussians().batches(64),
    ),
    "translation": Training(
        "generators that begin by keeping colours",
        lambda seed: _cyclegan(seed, 1.0),
        _of_two_domains,
    ),
}

ILL = {
    "discriminator_won": Training(
        "a generator at a thousandth of its rate, no penalty",
        lambda seed: _gan(seed, rates=(1e-6, 3e-3), penalty="none"),
    ),
    "generator_constant": Training(
        "a generator of two hidden layers at a learning rate of 1, which kills its rectifiers",
        lambda seed: _gan(
            seed, generator=_generator(layers.ReLU(), layers.Dense(64)), rates=(1.0, 1e-3)
        ),
    ),
    "collapse": Training(
        "a Wasserstein critic that lags behind: one image is best, and the generator makes that",
        lambda seed: _gan(seed, rates=(1e-2, 1e-4), objective="wasserstein", penalty="none"),
    ),
    "collapse to a few images": Training(
        "minimax and a learning rate of 10 for the generator: few images, made over and over",
        lambda seed: _gan(seed, rates=(10.0, 1e-3), objective="minimax", penalty="none"),
    ),
    "oscillation": Training(
        "both learning rates at ten times, no penalty",
        lambda seed: _gan(seed, rates=(1e-2, 1e-2), penalty="none"),
    ),
    "exploding_gradients": Training(
        "a Wasserstein critic of four layers at thirty times its rate, no penalty",
        lambda seed: _gan(
            seed,
            discriminator=_discriminator(hidden_layers=3),
            rates=(1e-3, 3e-2),
            objective="wasserstein",
            penalty="none",
        ),
    ),
    "breakdown": Training(
        "a discriminator at thirty times its rate from step 150 on",
        lambda seed: _gan(
            seed,
            rates=(1e-3, keras.optimizers.schedules.PiecewiseConstantDecay([150], [1e-3, 3e-2])),
        ),
    ),
    "standstill": Training(
        "a hinge discriminator that ends in a rectifier, at thirty times its rate",
        lambda seed: _gan(
            seed,
            discriminator=_discriminator(activation="relu"),
            rates=(1e-3, 3e-2),
            objective="hinge",
            penalty="none",
        ),
    ),
    "colour_inversion": Training(
        "a generator that begins with a light ground, a discriminator that sees squares of pixels",
        lambda seed: _gan(
            seed, generator=_generator(first_ground=1.5), discriminator=_discriminator(is_even=True)
        ),
    ),
    "colour_inversion of translations": Training(
        "generators that begin by exchanging colours, images as often negative as not",
        lambda seed: _cyclegan(seed, -1.0),
        _of_two_domains,
    ),
    "batch_correlation": Training(
        "batches of 2 and batch normalisation in the generator",
        lambda seed: _gan(seed, generator=_generator(layers.BatchNormalization())),
        lambda: _of_spots(2),
    ),
}


def train(training: Training, seed: int, until: str | None = None) -> HealthMonitor:
    """Runs a training; returns what saw it.

    Args:
        training: which.
        seed: of weights, latents and order.
        until: the state with which to stop once it is named. Defaults to `None`, to the end.
    """
    keras.utils.set_random_seed(seed)
    model = training.build(seed)
    data = training.data()
    monitor = HealthMonitor(data, first_verdict=FIRST_VERDICT)

    def stop_if_named(epoch: int, logs: Any) -> None:
        if until in [finding["state"] for finding in monitor.findings]:
            model.stop_training = True

    model.fit(
        data.repeat(),
        steps_per_epoch=STEPS_PER_EPOCH,
        epochs=training.epochs,
        callbacks=[monitor, keras.callbacks.LambdaCallback(on_epoch_end=stop_if_named)],
        verbose=0,
    )
    return monitor


def state_of(name: str) -> str:
    """Returns the state that a training of `ILL` is led into."""
    return name.partition(" ")[0]


def step_of(monitor: HealthMonitor, state: str) -> int | None:
    """Returns the step at which a state was named."""
    return next((f["step"] for f in monitor.findings if f["state"] == state), None)


# === Page ===


def table() -> str:
    """Runs all trainings at all seeds; returns what was named at which step."""
    lines = [
        "| state | how it was provoked | named at step, five seeds |",
        "| :--- | :--- | :--- |",
    ]
    for name, training in ILL.items():
        state = state_of(name)
        steps = [step_of(train(training, seed, state), state) for seed in SEEDS]
        shown = ", ".join("never" if step is None else str(step) for step in steps)
        lines.append(f"| {STATES[state].title} | {training.how} | {shown} |")
        print(lines[-1], flush=True)
    for training in HEALTHY.values():
        findings = [train(training, seed).findings for seed in SEEDS]
        shown = "; ".join(f["state"] for of_seed in findings for f in of_seed) or "nothing"
        steps = STEPS_PER_EPOCH * training.epochs
        lines.append(f"| healthy | {training.how} | {shown} named in {steps} steps |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Writes the table of docs/health.md."""
    page, rows = REPOSITORY / PAGE, table()
    text = page.read_text(encoding="utf-8")
    write_atomically(page, replace_block(text, "trainings", rows, PAGE, "benchmarks.health"))


if __name__ == "__main__":
    command_line.run(main)
