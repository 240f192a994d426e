"""Small models, and runs of them that have one checkpoint and no training behind them."""

from pathlib import Path

import keras
import numpy as np

import zoo
from zoo.runs import HyperParameter, RunCheckpoint, RunFolder


def small_dcgan(**options) -> zoo.DCGAN:
    """A compiled DCGAN of digits, whose weights are the same at every call."""
    keras.utils.set_random_seed(1)
    model = zoo.DCGAN((28, 28, 1), **{"latent_dim": 8, "base_filters": 8, **options})
    model.compile()
    return model


def saved_run(
    folder: Path, model: keras.Model, dataset: str = "mnist_small", **further_values
) -> Path:
    """Makes a run of this model after one epoch; returns its folder."""
    values = {"epochs": 1, "dataset": dataset, "seed": 0, "image_size": None, **further_values}
    parameters = {name: HyperParameter(value) for name, value in values.items()}
    run = RunFolder.start(folder, "dcgan_svhn", parameters).begin()
    run.write_model(model)
    checkpoints = RunCheckpoint(run.checkpoints)
    checkpoints.set_model(model)
    checkpoints.on_epoch_end(0)
    return run.path


# === A generator of which all is known ===

ATTRIBUTES = ("Bright", "Male", "Smiling")


def linear_model(gain: float = 1.0) -> zoo.VanillaGAN:
    """A model whose latents are the first four of sixteen pixels, times `gain`; others are 0."""
    weights = np.zeros((4, 16), "float32")
    weights[:4, :4] = gain * np.eye(4)
    generator = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(16), keras.layers.Reshape((4, 4, 1))]
    )
    generator.layers[0].set_weights([weights, np.zeros(16, "float32")])
    discriminator = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    model = zoo.VanillaGAN(
        (4, 4, 1), latent_dim=4, generator=generator, discriminator=discriminator
    )
    model.compile()
    return model


def pixel_classifier(sharpness: float = 30.0) -> zoo.metrics.Classifier:
    """A classifier whose three attributes are that the first, second and third pixel is above 0."""
    images = keras.Input((4, 4, 1))
    flat = keras.layers.Flatten()(images)
    first = keras.layers.Dense(3, "sigmoid", use_bias=False)
    attribute_model = keras.Model(images, first(flat))
    first.set_weights([sharpness * np.eye(16, 3, dtype="float32")])
    return zoo.metrics.Classifier(
        feature_extractor=keras.Model(images, flat),
        model=None,
        class_names=None,
        accuracy=1.0,
        description="three pixels",
        attribute_model=attribute_model,
        attribute_names=ATTRIBUTES,
    )
