"""The mode lab, on small stacks, with all cures at once that go together."""

import keras
from keras import layers

import zoo
from tests.case import SCORES, Case, ramp_images, ramp_latents
from zoo import metrics

SHAPE = (4, 4, 2)


def _small_mode_lab() -> zoo.ModeLabGAN:
    # Of few layers, for a step goes through them some twenty times: to trace it takes long.
    packs = keras.Input((4, 4, 4))
    x = layers.Dense(3, "tanh")(layers.Flatten()(packs))

    latents = keras.Input((7,))
    y = layers.BatchNormalization(synchronized=True)(layers.Dense(5)(latents))
    y = layers.Dense(32, "tanh", dtype="float32")(y)
    return zoo.ModeLabGAN(
        SHAPE,
        latent_dim=7,
        penalty="r1",
        penalty_weight=0.1,
        discriminator_steps=2,
        packing=2,
        replay_size=3,
        unrolled_steps=1,
        average_decay=0.9,
        generator=keras.Model(latents, layers.Reshape(SHAPE, dtype="float32")(y)),
        discriminator=keras.Model(packs, layers.Dense(1, dtype="float32")(x)),
    )


def _mode_measures() -> tuple[keras.metrics.Metric, ...]:
    images = keras.Input((4, 4, 1))
    pixels = layers.Flatten()(layers.AveragePooling2D(2)(images))
    modes = metrics.StackModes(keras.Model(images, layers.Softmax()(pixels)), num_digits=2)
    return metrics.ModesCovered(modes), metrics.ModeDivergence(modes)


def _dense(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs


# Five layers of 128, from 16 latents and from points.
PLAIN = {
    "generator": _dense(16, 128) + 4 * _dense(128, 128) + _dense(128, 2),
    "discriminator": _dense(2, 128) + 4 * _dense(128, 128) + _dense(128, 1),
}
# As Lin et al.'s code counts them: batch norm without the means and variances.
PUBLISHED = {
    "generator": 2 * 400 + 3 * 400 * 400 + 4 * 4 * 400 + _dense(400, 2),
    "discriminator": 5 * (_dense(6, 200) + 2 * _dense(200, 200)) + _dense(200, 1),
}

CASE = Case(
    variant=zoo.ModeLabGAN,
    build=_small_mode_lab,
    build_without_noise=_small_mode_lab,
    batch=lambda batch_size: ramp_images(batch_size, SHAPE),
    evaluation_batch=lambda batch_size: ramp_images(batch_size, SHAPE),
    inputs=ramp_latents,
    full_sizes=(
        (zoo.ModeLabGAN, PLAIN),
        (
            lambda: zoo.ModeLabGAN(latent_dim=2, architecture="published", packing=3),
            PUBLISHED,
        ),
    ),
    training_logs=SCORES | {"gradient_penalty"},
    evaluation_logs=frozenset({"modes", "mode_divergence"}),
    updates={"discriminator": 2},
    quality_measures=_mode_measures,
    bad_arguments=(
        ({"image_shape": (28, 28)}, r"or \(2,\) for points. Received: image_shape=\(28, 28\)"),
        ({"architecture": "deep"}, "plain, published. Received: architecture='deep'"),
        ({"penalty": "r3"}, "none, r1, r2, .* Received: penalty='r3'"),
        ({"penalty_weight": -1.0}, "`penalty_weight` .* Received: penalty_weight=-1.0"),
        ({"generator_width": 0}, "`generator_width` .* Received: generator_width=0"),
        ({"discriminator_width": 2.5}, "`discriminator_width` .* discriminator_width=2.5"),
        ({"discriminator_steps": 0}, "`discriminator_steps` .* discriminator_steps=0"),
        ({"extent": 0.0}, "`extent` must be more than 0. Received: extent=0.0"),
        ({"packing": 0}, "`packing` .* Received: packing=0"),
        ({"minibatch_kernels": -1}, "`minibatch_kernels` .* minibatch_kernels=-1"),
        ({"replay_size": -1}, "`replay_size` .* Received: replay_size=-1"),
        ({"unrolled_steps": 1.5}, "`unrolled_steps` .* Received: unrolled_steps=1.5"),
        (
            {"minibatch_kernels": 4, "penalty": "r1"},
            "alone. Take its minibatch discrimination",
        ),
        ({"latent_dim": 0}, "`latent_dim` .* Received: latent_dim=0"),
        ({"average_decay": 1.0}, "`average_decay` .* Received: average_decay=1.0"),
    ),
)
