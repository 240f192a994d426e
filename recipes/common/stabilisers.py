"""Stabilisers that a recipe may switch on, each by a hyper-parameter; made of the zoo's parts."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from recipes.common import checks
from recipes.common.generation import Generation, GenerationData
from recipes.common.hyper_parameters import HyperParameters, sourced
from zoo.common.batch_layers import MinibatchDiscrimination, MinibatchStandardDeviation
from zoo.common.constraints import WeightClipping
from zoo.common.historical_averaging import HistoricalAveraging
from zoo.common.layers import initialize_from_data
from zoo.common.noise import DecayingGaussianNoise
from zoo.common.packing import packed
from zoo.common.schedules import linear_decay
from zoo.common.spectral import SpectralNormalization
from zoo.common.virtual_batch_norm import VirtualBatchNormalization, with_reference_batch

ADDITIONS: dict[str, type[keras.layers.Layer]] = {
    "minibatch_discrimination": MinibatchDiscrimination,
    "minibatch_deviation": MinibatchStandardDeviation,
}

Change = Callable[[keras.Model], keras.Model]
# Maps what stands before the logit to a discriminator; None for nothing.
BuildDiscriminator = Callable[[keras.layers.Layer | None], keras.Model]


# === Networks ===


def _clone(
    network: keras.Model, changed: Callable[[keras.layers.Layer], keras.layers.Layer]
) -> keras.Model:
    return keras.models.clone_model(
        network,
        clone_function=changed,
        # Batch norm was called with a mask, of which what takes its place knows nothing.
        call_function=lambda layer, inputs, **_: layer(inputs),
    )


def with_spectral_norm(network: keras.Model) -> keras.Model:
    """Returns a new network with spectral normalisation on every layer in place of batch norm.

    As in the networks of [Miyato et al., 2018](https://arxiv.org/abs/1802.05957): batch norm would
    scale again what it bounds. Convolutions get the bias that batch norm made needless. Minibatch
    discrimination stays as it is. First biases shrink with their kernels, so that units bend where
    they did.
    """

    def changed(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if isinstance(layer, keras.layers.BatchNormalization):
            return keras.layers.Identity(name=layer.name)
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
            return SpectralNormalization(
                type(layer).from_config({**config, "use_bias": True}), dtype=layer.dtype_policy
            )
        return type(layer).from_config(config)

    clone = _clone(network, changed)
    for layer in clone.layers:
        if isinstance(layer, SpectralNormalization):
            kernel = layer.kernel.numpy()
            largest = np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), ord=2)
            layer.layer.bias.assign(layer.layer.bias / max(largest, 1e-12))
    return clone


def with_virtual_batch_norm(network: keras.Model, reference: tf.Tensor) -> keras.Model:
    """Returns a new network with virtual batch norm in place of batch norm.

    Args:
        network: with batch norm.
        reference: the reference batch, inputs of the network.
    """

    def changed(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.layers.BatchNormalization):
            return VirtualBatchNormalization(name=layer.name)
        return type(layer).from_config(layer.get_config())

    return with_reference_batch(_clone(network, changed), reference)


def with_weight_clipping(network: keras.Model, limit: float) -> keras.Model:
    """Returns a new network each weight of which is clipped to [−limit, limit] after each step.

    Batch norm's scale and offset too, as in the authors' code of WGAN.

    Raises:
        ValueError: if a layer has weights and takes no constraints, as minibatch discrimination.
    """

    def changed(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        clipped = {name: WeightClipping(limit) for name in config if name.endswith("_constraint")}
        if layer.trainable_variables and not clipped:
            raise ValueError(
                f"weight_clipping can't reach the weights of {type(layer).__name__}; leave out one "
                f"of the two. Received: a discriminator with the layer {layer.name!r}"
            )
        return type(layer).from_config({**config, **clipped})

    return _clone(network, changed)


def with_input_noise(
    network: keras.Model, stddev: keras.optimizers.schedules.LearningRateSchedule
) -> keras.Model:
    """Returns the network with normal noise before it, whose deviation is that schedule."""
    images = keras.Input(network.input_shape[1:], name="images")
    return keras.Model(images, network(DecayingGaussianNoise(stddev)(images)), name="discriminator")


def with_changes(network: keras.Model, changes: Sequence[Change]) -> keras.Model:
    """Returns the network after one change after the other."""
    return functools.reduce(lambda so_far, change: change(so_far), changes, network)


# === Hyper-parameters ===


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithChangedNetworks(HyperParameters):
    """Players whose networks or optimizers may be changed; by itself nothing is switched on."""

    spectral_norm: str = sourced("none", "as in the paper; or discriminator, without batch norm")
    weight_clipping: float | None = sourced(
        None, "as in the paper; else the largest size of D's weights; WGAN has 0.01"
    )
    virtual_batch_norm: str = sourced("none", "as in the paper; or generator, for its batch norm")
    decaying_noise: float | None = sourced(
        None, "as in the paper; else deviation of noise on what D sees, linearly to 0 in the run"
    )
    historical_averaging: float | None = sourced(None, "as in the paper; else weight of the pull")

    def check(self) -> None:
        """Refuses a stabiliser that there is not, or a strength that it can't have, too."""
        super().check()
        checks.require_choice(self, "spectral_norm", ("none", "discriminator"))
        checks.require_choice(self, "virtual_batch_norm", ("none", "generator"))
        checks.require_positive_if_given(
            self, "weight_clipping", "decaying_noise", "historical_averaging"
        )
        if self.weight_clipping is not None and self.spectral_norm != "none":
            raise ValueError(
                "weight_clipping and spectral_norm both bound the discriminator's weights: choose "
                f"one. Received: weight_clipping={self.weight_clipping}, "
                f"spectral_norm={self.spectral_norm!r}"
            )
        if self.weight_clipping is not None and self.has_minibatch_discrimination:
            raise ValueError(
                "weight_clipping can't reach the weights of minibatch discrimination: leave one of "
                f"the two out. Received: weight_clipping={self.weight_clipping}"
            )

    @property
    def has_minibatch_discrimination(self) -> bool:
        """Whether a layer of it stands in the discriminator."""
        return False

    def make_optimizer(self, rate: Any, **options: Any) -> keras.optimizers.Optimizer:
        """Returns a new optimizer, which is pulled back if historical averaging is asked for."""
        optimizer = super().make_optimizer(rate, **options)
        if self.historical_averaging is None:
            return optimizer
        return HistoricalAveraging(optimizer, self.historical_averaging)

    def changes_of_discriminator(self, steps_per_epoch: int) -> list[Change]:
        """Returns what is switched on of the discriminator, each from a network to a changed one.

        Args:
            steps_per_epoch: train steps in an epoch.
        """
        changes: list[Change] = []
        if self.spectral_norm == "discriminator":
            changes.append(with_spectral_norm)
        if self.weight_clipping is not None:
            changes.append(functools.partial(with_weight_clipping, limit=self.weight_clipping))
        if self.decaying_noise is not None:
            stddev = linear_decay(self.decaying_noise, self.epochs, steps_per_epoch)
            changes.append(functools.partial(with_input_noise, stddev=stddev))
        return changes

    def stabilised_generator(
        self, build: Callable[[], keras.Model], draw: Callable[..., tf.Tensor]
    ) -> keras.Model | None:
        """Returns a generator with what is switched on of it; None if nothing is.

        Args:
            build: makes the plain one.
            draw: of the prior; its latents make the reference batch, `batch_size` of them.
        """
        if self.virtual_batch_norm == "none":
            return None
        return with_virtual_batch_norm(build(), draw(self.batch_size, seed=(self.seed, 0)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithStabilisers(WithChangedNetworks):
    """Players that may be kept in balance; by itself nothing is switched on."""

    packing: int | None = sourced(None, "as in the paper; else images that D judges at once")
    pool_size: int | None = sourced(None, "as in the paper; else past samples to replay")
    discriminator_addition: str = sourced("none", f"as in the paper; or {', '.join(ADDITIONS)}")

    def check(self) -> None:
        """Refuses an addition that there is not, too, and packs or pools of nothing."""
        super().check()
        checks.require_choice(self, "discriminator_addition", ("none", *ADDITIONS))
        checks.require_positive_if_given(self, "packing", "pool_size")
        if self.packing is not None and self.batch_size % self.packing:
            raise ValueError(
                "batch_size must be a multiple of packing, so that batches fill packs. "
                f"Received: batch_size={self.batch_size}, packing={self.packing}"
            )

    @property
    def has_minibatch_discrimination(self) -> bool:
        """Whether it is the addition."""
        return self.discriminator_addition == "minibatch_discrimination"

    def stabilised_discriminator(
        self, build: BuildDiscriminator, steps_per_epoch: int
    ) -> keras.Model | None:
        """Returns a discriminator with what is switched on of it; None if nothing is.

        Args:
            build: makes the plain one.
            steps_per_epoch: train steps in an epoch.
        """
        addition = ADDITIONS.get(self.discriminator_addition)
        changes = self.changes_of_discriminator(steps_per_epoch)
        if addition is None and not changes:
            return None
        return with_changes(build(addition and addition()), changes)


class StabilisedGeneration(Generation):
    """Generation by a model whose discriminator may have layers that start from the data."""

    def adapt(self, model: keras.Model, data: GenerationData) -> None:
        """Has such layers start from the first batch, in packs as they will see them."""
        images = next(iter(data.train_from(0)))
        initialize_from_data(model.discriminator, packed(images, model.packing))
