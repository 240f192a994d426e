"""CycleGAN: translation between two domains of images of which no pair is known.

Two generators G: A → B and F: B → A play against two discriminators, and must undo each other:

    L_adversarial(G, D_B) = E[(D_B(G(a)) − 1)²]                   and likewise for F and D_A
    L_cycle               = E|F(G(a)) − a| + E|G(F(b)) − b|       both terms train both generators
    L_identity            = E|G(b) − b| + E|F(a) − a|             keeps colours that need no change

    min_{G,F}  L_adversarial(G, D_B) + L_adversarial(F, D_A) + λ L_cycle + ½ λ L_identity
    min_{D_B}  ½ E[(D_B(b) − 1)²] + ½ E[D_B(pool(G(a)))²]         and likewise for D_A

The discriminators judge patches, and see generated images out of a pool of the last 50.

Reference: [Zhu et al., 2017](https://arxiv.org/abs/1703.10593), and the authors' code.
"""

import functools

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from zoo.common import batches, translation_networks
from zoo.common.adversarial import AdversarialModel
from zoo.common.checks import (
    as_integer,
    check_choice,
    check_image_shape,
    check_known,
    check_not_negative,
    check_not_negative_integers,
    check_positive_integers,
    refuse_squashed_output,
)
from zoo.common.exported_functions import (
    ReusableCall,
    from_unit_range,
    require_images,
    require_sides,
    reusable,
    to_unit_range,
)
from zoo.common.optimizers import FusedAdam
from zoo.common.probes import Probe
from zoo.common.replay import ImagePool
from zoo.common.translation_networks import (
    convolution,
    instance_norm,
    multiple_of_sides,
    output_convolution,
    residual_features,
    train_on_both,
)

ARCHITECTURES = ("residual", *translation_networks.ARCHITECTURES)
CYCLE_TERMS = ("both", "forward", "backward")
DIRECTIONS = ("a_to_b", "b_to_a")

# === Networks ===


def build_generator(
    channels: int = 3, base_filters: int = 64, num_blocks: int = 6, name: str = "generator"
) -> keras.Model:
    """Returns the paper's generator, which takes images of any size that 4 divides.

    A 7×7 convolution, two of stride 2, residual blocks, two transposed convolutions, and a 7×7
    convolution again, with instance norm after all but the last.

    It can't see how bright, how rich in contrast or of what colour cast an image is: instance norm
    takes that out of the first convolution, and nothing brings it back. So it gives the colours
    that are usual in its domain; `zoo.common.translation_networks` has generators that don't.

    Args:
        channels: of the images.
        base_filters: filters at the full size; twice and four times as many at ½ and ¼ of it.
        num_blocks: residual blocks at ¼ of the size: 6 for 128 pixels a side, 9 for 256.
        name: of the network.
    """
    images = keras.Input((None, None, channels), name="images")
    _, x = residual_features(images, base_filters, num_blocks)
    x = output_convolution(x, channels)
    return keras.Model(images, layers.Activation("tanh", dtype="float32")(x), name=name)


def build_discriminator(
    channels: int = 3, base_filters: int = 64, num_scales: int = 3, name: str = "discriminator"
) -> keras.Model:
    """Returns the PatchGAN, which gives a logit for each of many overlapping patches.

    Args:
        channels: of the images.
        base_filters: filters of the first convolution; twice as many at each next, up to 8 times.
        num_scales: convolutions of stride 2: 3 for patches of 70×70 pixels, as in the paper, 2 for
            34×34, 1 for 16×16.
        name: of the network.
    """
    images = keras.Input((None, None, channels), name="images")
    x = convolution(images, base_filters, 4, 2, "same")
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    for scale in range(1, num_scales + 1):
        strides = 2 if scale < num_scales else 1
        x = layers.ZeroPadding2D(1)(x) if strides == 1 else x
        padding = "valid" if strides == 1 else "same"
        x = convolution(x, base_filters * min(8, 2**scale), 4, strides, padding)
        x = layers.LeakyReLU(negative_slope=0.2)(instance_norm(x))
    x = convolution(layers.ZeroPadding2D(1)(x), 1, 4)
    logits = layers.Activation("linear", name="logits", dtype="float32")(x)
    return keras.Model(images, logits, name=name)


# === Model ===


def _squared_error(logits, target: float) -> tf.Tensor:
    return tf.reduce_mean(tf.square(tf.cast(logits, tf.float32) - target))


def _mean_output(*logits) -> tf.Tensor:
    return tf.reduce_mean([tf.reduce_mean(tf.cast(each, tf.float32)) for each in logits])


def _absolute_error(images, others) -> tf.Tensor:
    return tf.reduce_mean(tf.abs(tf.cast(images, tf.float32) - tf.cast(others, tf.float32)))


@keras.saving.register_keras_serializable(package="zoo")
class CycleGAN(AdversarialModel):
    """CycleGAN; the game is at the top of this file. `translate` translates either way.

    `fit` takes batches `(images_a, images_b)`, unpaired, such as those of
    `zoo.datasets.load_unpaired`. The logs `real_output` and `generated_output` are the mean outputs
    of the discriminators: 1 and 0 if they are right every time.

    Args:
        image_shape: (height, width, channels) of the images of a batch. What is translated later
            may have any size that 4 divides.
        base_filters: filters of generators and discriminators at the finest scale. Defaults to 64,
            as in the paper.
        num_blocks: residual blocks of a generator. Defaults to 6, the paper's for 128 pixels a
            side; 9 for 256.
        architecture: `"residual"`, the paper's generator, or another of
            `zoo.common.translation_networks`: `"residual_skip"`, which hands the first convolution
            to the last and so keeps the colours that need not change; `"attention"`, which changes
            an image only where a mask of its own says so, for domains that differ in a thing and
            not in the whole scene; or `"u_net"`.
        discriminator_scales: see `build_discriminator`. Defaults to 3, the paper's 70×70 patches,
            or 2 for images below 128 pixels a side, of which these would be more than the whole.
        cycle_terms: `"both"`, or for an ablation as in the paper's Table 4 one alone: `"forward"`,
            A → B → A, or `"backward"`, B → A → B. The log `cycle_loss` is of the terms in use, as
            they are weighted; that of `evaluate`, and so `val_cycle_loss`, always of both, evenly.
        cycle_weight: λ. Defaults to 10, as in the paper.
        forward_cycle_weight: of the term A → B → A, in units of λ. Defaults to 1, as in the paper.
            More of it teaches B → A more from what A → B makes, of which the answer is known. But
            where A holds what B can't show, such as the coats of horses, it also has the generators
            hide that in their images of B. On horses and zebras that we draw, 0.2 brought no gain
            with `"residual_skip"`; with `"attention"`, 3 gave better horses and worse zebras after
            1,500 steps, of one seed.
        identity_weight: of the identity loss, in units of λ. Defaults to 0.5, as in the authors'
            code; 0 leaves it out.
        pool_size: past images of each domain that a discriminator is shown. Defaults to 50, as in
            the paper; 0 leaves it out.
        average_decay: decay of the moving average of the generators' weights, with which `predict`,
            `evaluate` and the export then translate. Defaults to 0, none, as in the paper. With one
            image a step, 0.999 is the mean of the last thousand steps: on horses and zebras that we
            draw, results then differ less from one epoch to the next, and are no better on average.
        seed: seed of the draws from the pools.
        generator_ab, generator_ba: networks of your own, images → images.
        discriminator_a, discriminator_b: networks of your own, images → logits of patches.

    Call arguments:
        images: float32 `(batch, height, width, channels)` of domain A, pixels in [-1, 1].

    Returns:
        float32 of the same shape: the images translated to domain B.

    Raises:
        ValueError: if an argument is out of range, a generator changes the shape of images, or a
            discriminator can't take them, as when they are too small for its patches.

    Differs from the authors' code: zero padding where a convolution halves the size is TensorFlow's
    `same`, which pads on one side more.

    Reference: [Zhu et al., 2017](https://arxiv.org/abs/1703.10593)
    """

    def __init__(
        self,
        image_shape=(64, 64, 3),
        base_filters: int = 64,
        num_blocks: int = 6,
        *,
        architecture: str = "residual",
        discriminator_scales: int | None = None,
        cycle_terms: str = "both",
        cycle_weight: float = 10.0,
        forward_cycle_weight: float = 1.0,
        identity_weight: float = 0.5,
        pool_size: int = 50,
        average_decay: float = 0.0,
        seed: int = 0,
        generator_ab: keras.Model | None = None,
        generator_ba: keras.Model | None = None,
        discriminator_a: keras.Model | None = None,
        discriminator_b: keras.Model | None = None,
        **kwargs,
    ):
        super().__init__(seed=seed, average_decay=average_decay, **kwargs)
        self.image_shape = check_image_shape(image_shape)
        if discriminator_scales is None:
            discriminator_scales = 3 if min(self.image_shape[:2]) >= 128 else 2
        check_choice("architecture", architecture, ARCHITECTURES)
        check_choice("cycle_terms", cycle_terms, CYCLE_TERMS)
        check_not_negative(
            cycle_weight=cycle_weight,
            forward_cycle_weight=forward_cycle_weight,
            identity_weight=identity_weight,
        )
        check_positive_integers(
            base_filters=base_filters,
            num_blocks=num_blocks,
            discriminator_scales=discriminator_scales,
        )
        check_not_negative_integers(pool_size=pool_size)
        self.base_filters = base_filters
        self.num_blocks = num_blocks
        self.architecture = architecture
        self.discriminator_scales = discriminator_scales
        self.cycle_terms = cycle_terms
        self.cycle_weight = cycle_weight
        self.forward_cycle_weight = forward_cycle_weight
        self.identity_weight = identity_weight
        self.pool_size = pool_size
        self.generator_ab = generator_ab or self._build_generator("generator_ab")
        self.generator_ba = generator_ba or self._build_generator("generator_ba")
        self.discriminator_a = discriminator_a or self._build_discriminator("discriminator_a")
        self.discriminator_b = discriminator_b or self._build_discriminator("discriminator_b")
        self._check_networks()
        self.averaged_generator_ab = self.average_of(self.generator_ab)
        self.averaged_generator_ba = self.average_of(self.generator_ba)
        self.pool_a = ImagePool(self.image_shape, pool_size, name="pool_a")
        self.pool_b = ImagePool(self.image_shape, pool_size, name="pool_b")
        self.finish_building(
            players={
                "generator": [self.generator_ab, self.generator_ba],
                "discriminator": [self.discriminator_a, self.discriminator_b],
            },
            logs=(
                *("adversarial_loss", "cycle_loss", "identity_loss"),
                *("real_output", "generated_output"),
            ),
        )

    def _build_generator(self, name):
        options = (self.image_shape[-1], self.base_filters, self.num_blocks, name)
        if self.architecture == "residual":
            return build_generator(*options)
        return translation_networks.build_generator(self.architecture, *options)

    def _build_discriminator(self, name):
        channels = self.image_shape[-1]
        return build_discriminator(channels, self.base_filters, self.discriminator_scales, name)

    def _check_networks(self):
        images = keras.KerasTensor((1, *self.image_shape))
        for name in ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b"):
            check_known(name, getattr(self, name))
            gives_images = name.startswith("generator")
            refuse_squashed_output(name, getattr(self, name), gives_images)
        for network in (self.generator_ab, self.generator_ba):
            given, cause = None, None
            try:
                given = network.compute_output_spec(images).shape
            except ValueError as error:
                cause = error
            if given != images.shape:
                gives = f"gives {given[1:]}" if given else "can't be called on them"
                raise ValueError(
                    f"A generator must give images of the shape that it takes, {self.image_shape}; "
                    "the residual ones of sides that 4 divides, the U-Net of sides that 32 "
                    f"divides. Received: {network.name}, which {gives}"
                ) from cause
        for network in (self.discriminator_a, self.discriminator_b):
            try:
                network.compute_output_spec(images)
            except ValueError as error:
                raise ValueError(
                    f"{network.name} can't judge images of shape {self.image_shape}; if they are "
                    "too small for it, lower `discriminator_scales`. Received: "
                    f"discriminator_scales={self.discriminator_scales}"
                ) from error

    @property
    def translators(self) -> tuple[keras.Model, keras.Model]:
        """A → B and B → A as `translate`, `evaluate` and the export use them: averages, if any."""
        return self.averaged_generator_ab, self.averaged_generator_ba

    @property
    def judges(self) -> dict[str, keras.Model]:
        """The discriminators of domain A and of domain B, as `_a` and `_b`."""
        return {"_a": self.discriminator_a, "_b": self.discriminator_b}

    def default_optimizers(self):
        """Returns Adam at 2e-4 with β₁ 0.5 for both players, as in the paper."""
        return {player: FusedAdam(2e-4, beta_1=0.5) for player in self.players}

    def call(self, images, training=False):
        """Translates images of domain A to domain B."""
        translated = self.averaged_generator_ab(images, training=training)
        if not translated.shape.is_compatible_with(images.shape):
            self._refuse_size(images.shape)
        return translated

    def translate(self, images, direction: str = "a_to_b", batch_size: int = 8) -> np.ndarray:
        """Translates images, either way.

        Args:
            images: float `(number, height, width, channels)`, pixels in [-1, 1]; of any size that
                4 divides, or 32 for the U-Net.
            direction: `"a_to_b"`, as `predict`, or `"b_to_a"`.
            batch_size: images translated at a time, which bounds the memory taken.

        Returns:
            float32 of the same shape.

        Raises:
            ValueError: if there is no such direction, or the images are not such.
        """
        check_choice("direction", direction, DIRECTIONS)
        batch_size = as_integer("batch_size", batch_size)
        images = np.asarray(images)
        self._check_inputs(images, "translate")
        network = self.translators[DIRECTIONS.index(direction)]
        return network.predict(images, batch_size, verbose=0)

    def check_inputs(self, batch, method: str = "predict") -> None:
        """Refuses images of another number of channels, or that would change their size."""
        spec = batches.images_spec((None, None, self.image_shape[-1]))
        batches.check_form(batch, spec, method)
        size = tuple(batch.shape[1:3])
        if size != self.image_shape[:2] and None not in size and not self._keeps(size):
            self._refuse_size(batch.shape)

    def _keeps(self, size: tuple[int, int]) -> bool:
        images = keras.KerasTensor((1, *size, self.image_shape[-1]))
        try:
            given = [network.compute_output_spec(images) for network in self.translators]
        except ValueError:
            return False
        return all(each.shape == images.shape for each in given)

    def _refuse_size(self, shape) -> None:
        size = tuple(shape[1:3])
        divisor = max(map(multiple_of_sides, self.translators))
        nearest = tuple(max(1, round(side / divisor)) * divisor for side in size)
        works = nearest if self._keeps(nearest) else self.image_shape[:2]
        raise ValueError(
            f"Images of {size[0]} by {size[1]} pixels would come back in another size, for the "
            f"generators halve and double it; crop, pad or resize them, such as to {works[0]} by "
            f"{works[1]}. Received: images of shape {tuple(shape)}."
        )

    @property
    def batch_spec(self):
        """`(images_a, images_b)`."""
        names = ("images_a", "images_b")
        return tuple(batches.images_spec(self.image_shape, name) for name in names)

    def rows_of_epoch(self, lengths):
        """Returns the length of the larger domain: of arrays an epoch is a pass over that."""
        return max(lengths)

    def train_step(self, data):
        """Takes one step of both generators, then one of both discriminators."""
        real_a, real_b = data
        with tf.name_scope("generator_player/"):
            with tf.GradientTape() as tape:
                generated_b, kept_b = self._generated_and_kept(self.generator_ab, real_a, real_b)
                generated_a, kept_a = self._generated_and_kept(self.generator_ba, real_b, real_a)
                logits_b = self.discriminator_b(generated_b, training=True)
                logits_a = self.discriminator_a(generated_a, training=True)
                adversarial_loss = _squared_error(logits_b, 1.0) + _squared_error(logits_a, 1.0)
                cycle_loss = self._cycle_loss(real_a, generated_b, real_b, generated_a)
                identity_loss = _absolute_error(kept_b, real_b) + _absolute_error(kept_a, real_a)
                generator_loss = adversarial_loss + self.cycle_weight * (
                    cycle_loss + self.identity_weight * identity_loss
                )
            generator_gradient_norm = self.update_player("generator", generator_loss, tape)

        # The images that the generators have just made serve both players.
        shown_a = self.pool_a(generated_a, seed=self.seed_for("pools", draw=0))
        shown_b = self.pool_b(generated_b, seed=self.seed_for("pools", draw=1))
        with tf.name_scope("discriminator_player/"):
            with tf.GradientTape() as tape:
                real_logits_a, shown_logits_a = train_on_both(self.discriminator_a, real_a, shown_a)
                real_logits_b, shown_logits_b = train_on_both(self.discriminator_b, real_b, shown_b)
                # Halved, so that the discriminators learn at half the speed of the generators.
                discriminator_loss = 0.5 * (
                    _squared_error(real_logits_a, 1.0)
                    + _squared_error(shown_logits_a, 0.0)
                    + _squared_error(real_logits_b, 1.0)
                    + _squared_error(shown_logits_b, 0.0)
                )
            discriminator_gradient_norm = self.update_player(
                "discriminator", discriminator_loss, tape
            )

        return self.finish_step(
            generator_loss=generator_loss,
            discriminator_loss=discriminator_loss,
            adversarial_loss=adversarial_loss,
            cycle_loss=cycle_loss,
            identity_loss=identity_loss,
            real_output=_mean_output(real_logits_a, real_logits_b),
            generated_output=_mean_output(shown_logits_a, shown_logits_b),
            generator_gradient_norm=generator_gradient_norm,
            discriminator_gradient_norm=discriminator_gradient_norm,
        )

    def _cycle_loss(self, real_a, generated_b, real_b, generated_a):
        loss = tf.zeros(())
        if self.cycle_terms != "backward":
            returned_a = self.generator_ba(generated_b, training=True)
            loss += self.forward_cycle_weight * _absolute_error(returned_a, real_a)
        if self.cycle_terms != "forward":
            loss += _absolute_error(self.generator_ab(generated_a, training=True), real_b)
        return loss

    def _generated_and_kept(self, generator, images, images_of_its_domain):
        """Translates images, and those that are of its domain already, which should stay."""
        if not self.identity_weight:
            return generator(images, training=True), images_of_its_domain
        return train_on_both(generator, images, images_of_its_domain)

    def probe(self, batch, training: bool = False) -> dict[str, Probe]:
        """Returns the translations to either domain beside real images of it."""
        real_a, real_b = batch
        networks = (self.generator_ab, self.generator_ba) if training else self.translators
        to_b, to_a = (functools.partial(each, training=training) for each in networks)
        generated_a, generated_b = (tf.cast(i, tf.float32) for i in (to_a(real_b), to_b(real_a)))
        return {"a": Probe(real_a, generated_a, real_b), "b": Probe(real_b, generated_b, real_a)}

    def test_step(self, data):
        """Returns how far images come back changed: from both generators, and from the wrong one.

        Args:
            data: `(images_a, images_b)`.
        """
        images_a, images_b = data
        to_b, to_a = (functools.partial(each, training=False) for each in self.translators)
        cycle_loss = _absolute_error(to_a(to_b(images_a)), images_a) + _absolute_error(
            to_b(to_a(images_b)), images_b
        )
        identity_loss = _absolute_error(to_b(images_b), images_b) + _absolute_error(
            to_a(images_a), images_a
        )
        self.running_means["cycle_loss"].update_state(cycle_loss)
        self.running_means["identity_loss"].update_state(identity_loss)
        return {name: self.running_means[name].result() for name in ("cycle_loss", "identity_loss")}

    # === Export and config ===

    @property
    def call_spec(self):
        """Images."""
        return batches.images_spec(self.image_shape)

    def export_signatures(
        self, checks: bool = True
    ) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """Returns the functions that `export.save` packs; images go in and out in [0, 1].

        `a_to_b(images)` and `b_to_a(images)` give `images`, of any size that the networks take.

        Args:
            checks: as for `AdversarialModel.export_signatures`.
        """
        to_b, to_a = self.translators

        @tf.function(input_signature=[self._export_images], autograph=False)
        def a_to_b(images):
            return {"images": self._translated(to_b, images, checks)}

        @tf.function(input_signature=[self._export_images], autograph=False)
        def b_to_a(images):
            return {"images": self._translated(to_a, images, checks)}

        return {"a_to_b": a_to_b, "b_to_a": b_to_a, "serving_default": a_to_b}

    def export_call(self, checks: bool = True) -> ReusableCall:
        """Returns what the export's root does when called: images of A to B, in [0, 1].

        Args:
            checks: as for `AdversarialModel.export_signatures`.
        """

        def call(images, training):
            return self._translated(self.translators[0], images, checks, training)

        return reusable(call, self._export_images)

    @property
    def _export_images(self) -> tf.TensorSpec:
        return tf.TensorSpec((None, None, None, self.image_shape[-1]), name="images")

    def _translated(self, translator, images, checks: bool, training: bool = False) -> tf.Tensor:
        if checks:
            images = require_sides(require_images(images), multiple_of_sides(translator))
        return to_unit_range(translator(from_unit_range(images), training=training))

    def get_config(self):
        """Returns the arguments that rebuild this model, networks included."""
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "base_filters": self.base_filters,
            "num_blocks": self.num_blocks,
            "architecture": self.architecture,
            "discriminator_scales": self.discriminator_scales,
            "cycle_terms": self.cycle_terms,
            "cycle_weight": self.cycle_weight,
            "forward_cycle_weight": self.forward_cycle_weight,
            "identity_weight": self.identity_weight,
            "pool_size": self.pool_size,
            "generator_ab": keras.saving.serialize_keras_object(self.generator_ab),
            "generator_ba": keras.saving.serialize_keras_object(self.generator_ba),
            "discriminator_a": keras.saving.serialize_keras_object(self.discriminator_a),
            "discriminator_b": keras.saving.serialize_keras_object(self.discriminator_b),
        }
