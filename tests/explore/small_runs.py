"""Small models, and runs of them that have one checkpoint and no training behind them."""

from pathlib import Path

import keras

import zoo
from zoo.runs import HyperParameter, RunCheckpoint, RunFolder


def small_dcgan(**options) -> zoo.DCGAN:
    """A compiled DCGAN of digits, whose weights are the same at every call."""
    keras.utils.set_random_seed(1)
    model = zoo.DCGAN((28, 28, 1), **{"latent_dim": 8, "base_filters": 8, **options})
    model.compile()
    return model


def saved_run(folder: Path, model: keras.Model, dataset: str = "mnist_small") -> Path:
    """Makes a run of this model after one epoch; returns its folder."""
    values = {"epochs": 1, "dataset": dataset, "seed": 0, "image_size": None}
    parameters = {name: HyperParameter(value) for name, value in values.items()}
    run = RunFolder.start(folder, "dcgan_svhn", parameters).begin()
    run.write_model(model)
    checkpoints = RunCheckpoint(run.checkpoints)
    checkpoints.set_model(model)
    checkpoints.on_epoch_end(0)
    return run.path
