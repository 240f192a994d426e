"""A zoo of generative adversarial networks in Keras 3 on TensorFlow.

Every variant is one file, one paper and one `keras.Model`:

    import zoo

    model = zoo.SemiSupervisedGAN(image_shape=(28, 28, 1), num_classes=10, average_decay=0.998)
    model.compile()
    model.adapt(next(iter(zoo.datasets.load("mnist_small", batch_size=500))))
    model.fit(zoo.datasets.load_few_labels("mnist_small", 100), steps_per_epoch=40, epochs=60)

Importing this package costs little more than importing Keras: data sets, metrics and TF-GAN are
loaded when they are first used.
"""

import os
import sys
import warnings

from zoo.common.quietness import without_chatter_at_level_3


def _require_tensorflow_backend() -> None:
    """Refuses a Keras backend on which no variant can train: each `train_step` is TensorFlow."""
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ImportError(
            "zoo needs Keras on the TensorFlow backend. Received: "
            f"keras.backend.backend()={keras.backend.backend()!r}. Set KERAS_BACKEND=tensorflow in "
            "the environment (or in ~/.keras/keras.json) before Keras is imported."
        )


def _warn_if_onednn_is_off() -> None:
    """Says that TensorFlow runs without oneDNN, which doubles the time of a convolutional step."""
    from tensorflow.python.util import _pywrap_util_port

    if os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1" and not _pywrap_util_port.IsMklEnabled():
        warnings.warn(
            "TensorFlow was imported before zoo with oneDNN off, which about doubles the time of a "
            "training step on this CPU. Import zoo first, or set TF_ENABLE_ONEDNN_OPTS=1.",
            stacklevel=3,
        )


# Those with commands of their own.
_ROOMS = ("export", "zoo")


def _is_command() -> bool:
    """Tells whether Python looks for a command now, `python -m zoo.explore` or `-m export`."""
    named = sys.orig_argv[sys.orig_argv.index("-m") + 1 :][:1] if "-m" in sys.orig_argv else []
    return sys.argv[:1] == ["-m"] and any(each.split(".")[0] in _ROOMS for each in named)


_tensorflow_came_first = "tensorflow" in sys.modules
# TensorFlow reads this once, when it is imported; on CPUs without AVX-512 its own default is off.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
if _is_command():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with without_chatter_at_level_3():
    _require_tensorflow_backend()
if _tensorflow_came_first:
    _warn_if_onednn_is_off()

from zoo import datasets, explore, metrics, runs  # noqa: E402

# Parts that no variant has itself: imported, so that a saved model may name them.
from zoo.common import (  # noqa: E402, F401
    batch_layers,
    constraints,
    historical_averaging,
    spectral,
    virtual_batch_norm,
)
from zoo.common.pretrained import load_pretrained, pretrained  # noqa: E402
from zoo.cyclegan import CycleGAN  # noqa: E402
from zoo.dcgan import DCGAN  # noqa: E402
from zoo.energy_based_gan import EnergyBasedGAN  # noqa: E402
from zoo.face_gan import FaceGAN  # noqa: E402
from zoo.loss_sensitive_gan import LossSensitiveGAN  # noqa: E402
from zoo.mode_lab_gan import ModeLabGAN  # noqa: E402
from zoo.r3gan import R3GAN  # noqa: E402
from zoo.semi_supervised_gan import SemiSupervisedGAN  # noqa: E402
from zoo.unrolled_gan import UnrolledGAN  # noqa: E402
from zoo.vanilla_gan import VanillaGAN  # noqa: E402
from zoo.wgan_gp import WGANGP  # noqa: E402

__version__ = "0.1.0.dev0"

__all__ = [
    "DCGAN",
    "R3GAN",
    "WGANGP",
    "CycleGAN",
    "EnergyBasedGAN",
    "FaceGAN",
    "LossSensitiveGAN",
    "ModeLabGAN",
    "SemiSupervisedGAN",
    "UnrolledGAN",
    "VanillaGAN",
    "__version__",
    "datasets",
    "explore",
    "load_pretrained",
    "metrics",
    "pretrained",
    "runs",
]
