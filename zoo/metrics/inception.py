"""The Inception network of the papers, for whoever has it or may download it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import keras
import tensorflow as tf

from zoo.common.tfgan import tfgan

NUM_FEATURES = 2048


def inception_extractor(handle: str | os.PathLike[str] | None = None) -> keras.Model:
    """Loads the Inception network whose features the papers' FID and KID are taken on.

    This is TF-GAN's copy, with its 2,048 features after the last pooling. Images are resized to
    299 pixels a side, TF-GAN's size, bilinearly without antialiasing; grey ones are given three
    equal channels. Compare values only with those of this network, this way of resizing and the
    same number of images, in papers often 50,000.

    Args:
        handle: address or local folder of the TF-Hub module: images float32
            `(batch, 299, 299, 3)` in [-1, 1] → a dictionary with `"pool_3"`. Defaults to TF-GAN's
            own, which is downloaded at first use.

    Returns:
        keras.Model: images float32 `(batch, height, width, channels)` in [-1, 1] of any size, 1 or
        3 channels → features float32 `(batch, 2048)`.

    Raises:
        RuntimeError: if the module could not be loaded, such as without a network.
    """
    evaluation = tfgan().eval
    handle = os.fspath(handle or evaluation.INCEPTION_TFHUB)
    images = keras.Input((None, None, None), name="images", dtype="float32")
    features = _HubFeatures(
        _load_module(handle),
        evaluation.INCEPTION_FINAL_POOL,
        evaluation.INCEPTION_DEFAULT_IMAGE_SIZE,
    )(images)
    extractor = keras.Model(images, features, name="inception")
    # For the stamps of scores: Keras does not see the module's weights.
    extractor.digest = _digest_of_module(handle)
    extractor.resizing = (
        f"{evaluation.INCEPTION_DEFAULT_IMAGE_SIZE} pixels, bilinear, not antialiased"
    )
    return extractor


def _digest_of_module(handle: str) -> str:
    import tensorflow_hub

    folder, digest = Path(tensorflow_hub.resolve(handle)), hashlib.sha256()
    # What it computes; files beside these, such as fingerprints, differ from copy to copy.
    for file in (folder / "saved_model.pb", *sorted(folder.glob("variables/variables.data-*"))):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _load_module(handle: str):
    import tensorflow_hub

    try:
        return tensorflow_hub.load(handle)
    # Network, disk and format each fail in their own way, and all mean the same to the caller.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RuntimeError(
            f"The Inception network could not be loaded from {handle} ({reason}). Without it, use "
            "the features of zoo.metrics.load_classifier, which needs no network."
        ) from error


class _HubFeatures(keras.layers.Layer):
    """Resizes, runs the module, and picks one of its outputs."""

    def __init__(self, module, output_name: str, side: int) -> None:
        super().__init__(trainable=False, dtype="float32")
        # In a function, for Keras would otherwise look for weights in what is no layer.
        self._run = lambda images: module(images)[output_name]
        self._side = side

    def call(self, images):
        images = tf.image.resize(images, (self._side, self._side))
        # Gives grey images three channels, and leaves coloured ones as they are.
        images += tf.zeros((1, 1, 1, 3))
        return tf.reshape(self._run(images), (-1, NUM_FEATURES))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], NUM_FEATURES)
