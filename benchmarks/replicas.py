"""Trains each variant on several replicas, and in several processes, and compares it with one.

    python -m benchmarks.replicas

Small networks of each variant take a few steps of gradient descent, on the same batches, by one
replica, by shares of one processor, and by processes that find each other on 127.0.0.1. What layers
of noise draw is each replica's own, so there are none. The table is `benchmarks/REPLICAS.md`.
"""

from recipes.common import command_line  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from absl import flags

import zoo
from benchmarks.cells import markdown_table
from benchmarks.free_ports import free_ports
from zoo.common.adversarial import AdversarialModel
from zoo.common.command_errors import one_line_errors
from zoo.common.distribution import is_chief, make_strategy
from zoo.common.files import write_atomically

PAGE = Path(__file__).resolve().parent / "REPLICAS.md"
STEPS = 3
BATCH_SIZE = 16
RATE = 0.01
_GREY = (28, 28, 1)

# Each at its smallest, with what each part of it does over a batch: norms, pools, packs, penalties.
VARIANTS: dict[str, Callable[[], AdversarialModel]] = {
    "VanillaGAN": lambda: zoo.VanillaGAN(
        latent_dim=7,
        generator=_dense_generator(),
        discriminator=_dense_discriminator(),
        discriminator_steps=2,
        average_decay=0.9,
    ),
    "DCGAN": lambda: zoo.DCGAN(
        _GREY, latent_dim=7, base_filters=2, packing=2, pool_size=5, average_decay=0.9
    ),
    "FaceGAN": lambda: zoo.FaceGAN(
        (32, 32, 1), latent_dim=7, filters=16, gradient_penalty_interval=2
    ),
    "SemiSupervisedGAN": lambda: zoo.SemiSupervisedGAN(
        latent_dim=7,
        generator=_dense_generator(),
        discriminator=_dense_discriminator(10),
        average_decay=0.9,
    ),
    "CycleGAN": lambda: zoo.CycleGAN(
        (16, 16, 3), base_filters=2, num_blocks=1, cycle_weight=1.0, pool_size=5
    ),
    "WGANGP": lambda: zoo.WGANGP(
        _GREY, latent_dim=7, filters=2, architecture="strided", critic_steps=2
    ),
    "R3GAN": lambda: zoo.R3GAN((16, 16, 1), latent_dim=7, filters=16),
    "EnergyBasedGAN": lambda: zoo.EnergyBasedGAN(
        latent_dim=7, generator_layers=2, generator_units=12, encoder_layers=2, encoder_units=6
    ),
    "UnrolledGAN": lambda: zoo.UnrolledGAN(
        latent_dim=7, generator_filters=1, discriminator_filters=2, unrolled_steps=1
    ),
    "LossSensitiveGAN": lambda: zoo.LossSensitiveGAN(_GREY, latent_dim=7, filters=2),
    "ModeLabGAN": lambda: zoo.ModeLabGAN(
        latent_dim=7,
        generator_width=8,
        discriminator_width=8,
        penalty="r1",
        packing=2,
        replay_size=3,
        unrolled_steps=1,
    ),
}


def _dense_generator() -> keras.Model:
    latents = keras.Input((7,))
    x = keras.layers.Dense(12)(latents)
    x = keras.layers.Activation("relu")(keras.layers.BatchNormalization(synchronized=True)(x))
    x = keras.layers.Dense(784, "tanh", dtype="float32")(x)
    return keras.Model(latents, keras.layers.Reshape(_GREY, dtype="float32")(x))


def _dense_discriminator(outputs: int = 1) -> keras.Model:
    images = keras.Input(_GREY)
    x = keras.layers.Dense(6, "relu", name="features")(keras.layers.Flatten()(images))
    return keras.Model(images, keras.layers.Dense(outputs, dtype="float32")(x))


# === Training ===


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a variant is trained on.

    Attributes:
        replicas: of a processor, in one process.
        processes: each with one replica.
    """

    replicas: int = 1
    processes: int = 1

    @property
    def title(self) -> str:
        """What a column of it is called."""
        if self.processes > 1:
            return f"{self.processes} processes"
        return f"{self.replicas} replica{'s' if self.replicas > 1 else ''}"


ONE = Setting()
SETTINGS = (Setting(replicas=2), Setting(replicas=4), Setting(processes=2), Setting(processes=4))


def batch_of(spec):
    """Returns a batch of that form: waves for images and points, labels over and over."""

    def rows_of(each: tf.TensorSpec) -> np.ndarray:
        shape = (BATCH_SIZE, *each.shape[1:])
        if each.dtype.is_integer:
            return (np.arange(shape[0]) % 10).astype(each.dtype.as_numpy_dtype)
        size = np.arange(int(np.prod(shape)))
        return np.sin(0.37 * size + 1e-3 * size**1.5).reshape(shape).astype("float32")

    return tf.nest.map_structure(rows_of, spec)


def trained(name: str, strategy: tf.distribute.Strategy) -> list[np.ndarray]:
    """Returns all weights of a variant after a few steps of gradient descent."""
    with strategy.scope():
        keras.utils.set_random_seed(0)
        model = VARIANTS[name]()
        model.compile(
            **{f"{player}_optimizer": keras.optimizers.SGD(RATE) for player in model.players}
        )
    rows = tf.data.Dataset.from_tensor_slices(batch_of(model.batch_spec))
    data = rows.repeat().batch(BATCH_SIZE)
    model.fit(data, steps_per_epoch=STEPS, verbose=0)
    return [np.asarray(weight.numpy()) for weight in model.weights]


def train_here(names: Sequence[str], setting: Setting, folder: Path) -> None:
    """Trains variants in this process and leaves the weights of each, `<name>.npz`."""
    strategy = make_strategy("auto", None if setting.processes > 1 else setting.replicas)
    for name in names:
        weights = trained(name, strategy)
        if is_chief(strategy):
            np.savez(folder / f"{name}.npz", *weights)


# === Processes ===


def train(names: Sequence[str], setting: Setting, folder: Path) -> None:
    """Trains variants in processes of their own and leaves the weights of each in a folder.

    Raises:
        RuntimeError: if one fails, with its last lines.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ports = free_ports(setting.processes)
    command = [sys.executable, "-m", "benchmarks.replicas", f"--variants={','.join(names)}"]
    command += [f"--folder={folder}", f"--replicas={setting.replicas}"]
    started = []
    for number in range(setting.processes):
        cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
        config = {"cluster": cluster, "task": {"type": "worker", "index": number}}
        environment = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
        if setting.processes > 1:
            environment["TF_CONFIG"] = json.dumps(config)
        log = open(folder / f"process-{number}.log", "w")  # noqa: SIM115 - until it ends
        process = subprocess.Popen(
            [*command, f"--processes={setting.processes}"],
            cwd=PAGE.parent.parent,
            env=environment,
            stdout=log,
            stderr=log,
        )
        started.append((process, log))
    failed = None
    for process, log in started:
        if process.wait() and failed is None:
            failed = Path(log.name)
        log.close()
    if failed is not None:
        raise RuntimeError(f"{setting.title}: {failed.read_text()[-2000:]}")


def largest_difference(one: Path, other: Path) -> float:
    """Returns how far any two weights lie apart, of two files of them."""
    with np.load(one) as first, np.load(other) as second:
        pairs = [(first[key], second[key]) for key in first.files]
    return max(float(np.abs(a.astype("float64") - b).max()) for a, b in pairs if a.size)


# === Page ===


def page_of(differences: dict[str, dict[str, float]]) -> str:
    """Returns the page: a row a variant, a column a setting, blank where nothing ran."""
    columns = [setting.title for setting in SETTINGS]
    rows = [
        [f"`{name}`", *(f"{found[c]:.1e}" if c in found else "" for c in columns)]
        for name, found in differences.items()
    ]
    return (
        "# Several replicas train what one does\n\n"
        f"Largest difference of any weight from a single replica's, after {STEPS} steps of "
        f"gradient descent at a rate of {RATE} on batches of {BATCH_SIZE}, of small networks on a "
        "CPU. "
        "Step counters and pools of images are weights too. Made by `python -m "
        f"benchmarks.replicas`, TensorFlow {tf.__version__}, Keras {keras.__version__}.\n\n"
        + markdown_table(["Variant", *columns], rows, num_texts=1)
        + "\n"
    )


def main() -> None:
    """Trains in one process if told of a folder, or else in all settings, and writes the page."""
    names = flags.FLAGS.variants or list(VARIANTS)
    unknown = [name for name in names if name not in VARIANTS]
    with one_line_errors():
        if unknown:
            raise ValueError(f"--variants may be: {', '.join(VARIANTS)}. Received: {unknown[0]!r}")
        if flags.FLAGS.folder:
            setting = Setting(flags.FLAGS.replicas, flags.FLAGS.processes)
            train_here(names, setting, Path(flags.FLAGS.folder))
            return
        differences: dict[str, dict[str, float]] = {name: {} for name in names}
        with tempfile.TemporaryDirectory() as folder:
            train(names, ONE, Path(folder, ONE.title))
            for setting in SETTINGS:
                train(names, setting, Path(folder, setting.title))
                for name in names:
                    files = (Path(folder, each.title, f"{name}.npz") for each in (ONE, setting))
                    differences[name][setting.title] = largest_difference(*files)
                write_atomically(flags.FLAGS.page, page_of(differences))
                print(f"{setting.title}: done", flush=True)


if __name__ == "__main__":
    flags.DEFINE_list("variants", None, "Which to train. By default all.")
    flags.DEFINE_string("page", str(PAGE), "Where to write the page.")
    flags.DEFINE_string("folder", None, "Train in this process, and leave weights there.")
    flags.DEFINE_integer("replicas", 1, "Of this process, with --folder.", lower_bound=1)
    flags.DEFINE_integer("processes", 1, "That train together, with --folder.", lower_bound=1)
    command_line.run(main)
