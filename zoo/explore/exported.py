"""Exports in place of models: what can be asked of their functions alone, without the networks."""

from typing import Any

import numpy as np
import tensorflow as tf

from zoo.common.messages import listed


def is_export(model) -> bool:
    """Whether it is a loaded SavedModel, as `zoo.load_pretrained` and `export.load` give it."""
    return hasattr(model, "signatures")


def image_shape_of(loaded: Any) -> tuple[int | None, ...]:
    """Returns (height, width, channels) of the images that an export makes, or else takes."""
    signatures = loaded.signatures.values()
    specs = [each.structured_outputs.get("images") for each in signatures]
    specs += [each.structured_input_signature[1].get("images") for each in signatures]
    return next((tuple(spec.shape[1:]) for spec in specs if spec is not None), ())


class _Bounds:
    """What an export tells of its prior: between which numbers latents lie."""

    def __init__(self, lowest, highest) -> None:
        self._bounds = np.asarray(lowest).tolist(), np.asarray(highest).tolist()

    def bounds(self) -> tuple[list[float], list[float]]:
        """As `Prior.bounds`."""
        return self._bounds


class ExportedGenerator:
    """The generator of an export, with what a `LatentModel` has for those who ask of its images.

    Args:
        loaded: the export.
        command: what is asked of it, for the message.

    Attributes:
        image_shape: (height, width, channels).
        latent_dim: size of z.
        prior: with its `bounds` alone.

    Raises:
        ValueError: if it does not make images of latents alone.
    """

    def __init__(self, loaded: Any, command: str) -> None:
        self._loaded = loaded  # its functions do not keep their weights
        self._from_latents = _function(loaded, "from_latents", command, "Take that of another.")
        self._draw_latents = _function(
            loaded, "draw_latents", command, "Export its model again, by this version."
        )
        takes = self._from_latents.structured_input_signature[1]
        gives = self._from_latents.structured_outputs
        if set(takes) != {"latents"} or "images" not in gives:
            raise ValueError(
                f"{command} needs images of latents alone, and `from_latents` of this export gives "
                f"{listed(gives)} of {listed(takes)}. Take that of another model."
            )
        self.image_shape = tuple(gives["images"].shape[1:])
        self.latent_dim = takes["latents"].shape[-1]
        drawn = self._draw(1, 0)
        self.prior = _Bounds(drawn["lowest"], drawn["highest"])

    def latents_for(self, num_images: int, seed: int) -> tf.Tensor:
        """As `LatentModel.latents_for`."""
        return self._draw(num_images, seed)["latents"]

    def averaged_generator(self, latents, training: bool = False) -> tf.Tensor:
        """Returns images in [-1, 1], differentiable by the latents."""
        del training
        images = self._from_latents(latents=tf.convert_to_tensor(latents, tf.float32))["images"]
        return 2.0 * images - 1.0

    def _draw(self, num: int, seed: int) -> dict[str, tf.Tensor]:
        return self._draw_latents(num=tf.constant(num), seed=tf.constant(seed, tf.int64))


class ExportedFeatures:
    """The features of an export's discriminator, of several the first.

    Args:
        loaded: the export.
        command: what is asked of it, for the message.

    Attributes:
        image_shape: (height, width, channels) of the images that it takes.

    Raises:
        ValueError: if it was saved without a discriminator, or that has no convolutions.
    """

    def __init__(self, loaded: Any, command: str) -> None:
        self._loaded = loaded
        names = [name for name in loaded.signatures if name.startswith("features")]
        self._features = _function(
            loaded,
            min(names, default="features"),
            command,
            "Save it with its discriminator: `export.save(..., include_discriminator=True)` or "
            "`python -m export save RUN --discriminator`.",
        )
        self.image_shape = tuple(self._features.structured_input_signature[1]["images"].shape[1:])

    def __call__(self, images) -> np.ndarray:
        """Returns the features of images in [-1, 1]: float32 `(batch, number)`."""
        images = (tf.convert_to_tensor(images, tf.float32) + 1.0) / 2.0
        return self._features(images=images)["features"].numpy()


def _function(loaded: Any, name: str, command: str, remedy: str):
    if name not in loaded.signatures:
        raise ValueError(
            f"{command} needs the function `{name}`, and this export has "
            f"{listed(loaded.signatures)}. {remedy}"
        )
    return loaded.signatures[name]
