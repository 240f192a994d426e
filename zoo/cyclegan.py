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
from keras import initializers, layers

from zoo.common.adversarial import POOL_STREAM, AdversarialModel
from zoo.common.checks import check_choice, check_image_range, check_image_shape
from zoo.common.layers import ReflectionPadding2D
from zoo.common.replay import ImagePool

GENERATORS = ("residual", "residual_skip", "attention", "u_net")
CYCLE_TERMS = ("both", "forward", "backward")

# === Networks ===


def _instance_norm(x):
    # As the authors': without scale and offset.
    return layers.GroupNormalization(groups=-1, epsilon=1e-5, center=False, scale=False)(x)


def _convolution(x, filters: int, kernel_size: int, strides: int = 1, padding: str = "valid"):
    initializer = initializers.RandomNormal(0.0, 0.02)
    return layers.Conv2D(filters, kernel_size, strides, padding, kernel_initializer=initializer)(x)


def _transposed_convolution(x, filters: int, kernel_size: int):
    initializer = initializers.RandomNormal(0.0, 0.02)
    return layers.Conv2DTranspose(filters, kernel_size, 2, "same", kernel_initializer=initializer)(
        x
    )


def _output_convolution(x, filters: int):
    # A convolution, for the transpose of one is one too, of the kernel turned around. With as few
    # filters as images have channels, this way takes a third of the time where AVX-512 is missing.
    initializer = initializers.RandomNormal(0.0, 0.02)
    x = ReflectionPadding2D(3)(x)
    x = layers.Conv2DTranspose(filters, 7, padding="same", kernel_initializer=initializer)(x)
    return layers.Cropping2D(3)(x)


def _residual_block(x):
    filters = x.shape[-1]
    y = _convolution(ReflectionPadding2D(1)(x), filters, 3)
    y = layers.ReLU()(_instance_norm(y))
    y = _convolution(ReflectionPadding2D(1)(y), filters, 3)
    return layers.Add()([x, _instance_norm(y)])


def _residual_features(images, base_filters: int, num_blocks: int):
    """Returns what the first convolution gives, and what the paper's generator makes of it."""
    first = _convolution(ReflectionPadding2D(3)(images), base_filters, 7)
    x = layers.ReLU()(_instance_norm(first))
    for scale in (2, 4):
        x = _convolution(x, scale * base_filters, 3, 2, "same")
        x = layers.ReLU()(_instance_norm(x))
    for _ in range(num_blocks):
        x = _residual_block(x)
    for scale in (2, 1):
        x = _transposed_convolution(x, scale * base_filters, 3)
        x = layers.ReLU()(_instance_norm(x))
    return first, x


def build_residual_generator(
    channels: int = 3,
    base_filters: int = 64,
    num_blocks: int = 6,
    name: str = "generator",
    *,
    keeps_colours: bool = False,
) -> keras.Model:
    """Returns the paper's generator, which takes images of any size that 4 divides.

    It can't see how bright, how rich in contrast or of what colour cast an image is: instance norm
    takes that out of the first convolution, and nothing brings it back. So it gives the colours
    that are usual in its domain, unless the first convolution is also handed to the last.

    Args:
        channels: of the images.
        base_filters: filters at the full size; twice and four times as many at ½ and ¼ of it.
        num_blocks: residual blocks at ¼ of the size: 6 for 128 pixels a side, 9 for 256.
        name: of the network.
        keeps_colours: whether the last convolution also sees what the first one gave, before it
            was normalised. Not in the paper; the U-Net's outermost connection is the same.
    """
    images = keras.Input((None, None, channels), name="images")
    first, x = _residual_features(images, base_filters, num_blocks)
    if keeps_colours:
        x = layers.Concatenate()([x, first])
    x = _output_convolution(x, channels)
    return keras.Model(images, layers.Activation("tanh", dtype="float32")(x), name=name)


def build_attention_generator(
    channels: int = 3, base_filters: int = 64, num_blocks: int = 6, name: str = "generator"
) -> keras.Model:
    """Returns the paper's generator with a mask, which changes an image in places alone.

        G(x) = mask(x) · content(x) + (1 − mask(x)) · x,  mask(x) in (0, 1) for each pixel

    What is to stay is copied, not drawn anew; what is to go is left out of the sum, and need not be
    cancelled. The layers `mask` and `content` give both parts.

    Args:
        channels: of the images.
        base_filters, num_blocks, name: as for `build_residual_generator`.

    Reference: [Tang et al., 2019](https://arxiv.org/abs/1903.12296). Theirs has a loss that keeps
    the mask from opening or shutting everywhere, and discriminators that see what it lets through.
    """
    images = keras.Input((None, None, channels), name="images")
    _, x = _residual_features(images, base_filters, num_blocks)
    x = _output_convolution(x, channels + 1)
    content = layers.Activation("tanh", dtype="float32", name="content")(x[..., :channels])
    # A generator that copies its input loses nothing by the cycle, so a mask would soon be shut. If
    # it is normalised, it is open somewhere in every image and shut elsewhere.
    contrast = initializers.Constant(3.0)
    openness = layers.GroupNormalization(groups=-1, epsilon=1e-5, gamma_initializer=contrast)
    mask = layers.Activation("sigmoid", dtype="float32", name="mask")(openness(x[..., channels:]))
    return keras.Model(images, images + mask * (content - images), name=name)


def build_u_net_generator(
    channels: int = 3, base_filters: int = 64, num_scales: int = 5, name: str = "generator"
) -> keras.Model:
    """Returns a U-Net, whose every scale hands its details across to the way back up.

    Args:
        channels: of the images.
        base_filters: filters at ½ of the size; twice as many at each coarser scale, up to 8 times.
        num_scales: halvings; 2 to the power of it must divide the size of the images.
        name: of the network.
    """
    images = keras.Input((None, None, channels), name="images")
    filters = [base_filters * min(8, 2**scale) for scale in range(num_scales)]
    x, details = images, []
    for scale, number in enumerate(filters):
        x = _convolution(x, number, 4, 2, "same")
        x = _instance_norm(x) if 0 < scale < num_scales - 1 else x
        details.append(x)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
    for number, detail in zip(filters[-2::-1], details[-2::-1], strict=True):
        x = _instance_norm(_transposed_convolution(layers.ReLU()(x), number, 4))
        x = layers.Concatenate()([x, detail])
    x = _transposed_convolution(layers.ReLU()(x), channels, 4)
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
    x = _convolution(images, base_filters, 4, 2, "same")
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    for scale in range(1, num_scales + 1):
        strides = 2 if scale < num_scales else 1
        x = layers.ZeroPadding2D(1)(x) if strides == 1 else x
        padding = "valid" if strides == 1 else "same"
        x = _convolution(x, base_filters * min(8, 2**scale), 4, strides, padding)
        x = layers.LeakyReLU(negative_slope=0.2)(_instance_norm(x))
    x = _convolution(layers.ZeroPadding2D(1)(x), 1, 4)
    logits = layers.Activation("linear", name="logits", dtype="float32")(x)
    return keras.Model(images, logits, name=name)


# === Model ===


def _squared_error(logits, target: float) -> tf.Tensor:
    return tf.reduce_mean(tf.square(tf.cast(logits, tf.float32) - target))


def _score(*logits) -> tf.Tensor:
    return tf.sigmoid(tf.concat([tf.reshape(each, [-1]) for each in logits], axis=0))


def _absolute_error(images, others) -> tf.Tensor:
    return tf.reduce_mean(tf.abs(tf.cast(images, tf.float32) - tf.cast(others, tf.float32)))


def _check_positive_integers(**values) -> None:
    for name, value in values.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")


def _check_weights(**weights) -> None:
    for name, value in weights.items():
        if not value >= 0:
            raise ValueError(f"`{name}` must be 0 or more. Received: {name}={value!r}")


@keras.saving.register_keras_serializable(package="zoo")
class CycleGAN(AdversarialModel):
    """CycleGAN; the game is at the top of this file.

    `fit` takes batches `(images_a, images_b)`, unpaired, such as those of
    `zoo.datasets.load_unpaired`. The logs `real_score` and `generated_score` are sigmoids, as in
    all variants, but of outputs that shall be 1 and 0: 0.73 and 0.5 if D is right every time.

    Args:
        image_shape: (height, width, channels) of the images of a batch. What is translated later
            may have any size that 4 divides.
        base_filters: filters of generators and discriminators at the finest scale. Defaults to 64,
            as in the paper.
        num_blocks: residual blocks of a generator. Defaults to 6, the paper's for 128 pixels a
            side; 9 for 256.
        architecture: `"residual"`, the paper's generator; `"residual_skip"`, which hands the
            first convolution to the last and so keeps the colours that need not change;
            `"attention"`, which changes an image only where a mask of its own says so, for domains
            that differ in a thing and not in the whole scene; or `"u_net"`.
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

    takes_quality_measures = False

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
        check_choice("architecture", architecture, GENERATORS)
        check_choice("cycle_terms", cycle_terms, CYCLE_TERMS)
        _check_weights(
            cycle_weight=cycle_weight,
            forward_cycle_weight=forward_cycle_weight,
            identity_weight=identity_weight,
        )
        _check_positive_integers(
            base_filters=base_filters,
            num_blocks=num_blocks,
            discriminator_scales=discriminator_scales,
        )
        if not isinstance(pool_size, int) or pool_size < 0:
            raise ValueError(
                f"`pool_size` must be an integer of 0 or more. Received: pool_size={pool_size!r}"
            )
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
        if average_decay:
            self.averaged_generator_ab = self.make_average(self.generator_ab)
            self.averaged_generator_ba = self.make_average(self.generator_ba)
        self.pool_a = ImagePool(self.image_shape, pool_size)
        self.pool_b = ImagePool(self.image_shape, pool_size)
        self.finish_building("adversarial_loss", "cycle_loss", "identity_loss")

    def _build_generator(self, name):
        channels = self.image_shape[-1]
        if self.architecture == "u_net":
            return build_u_net_generator(channels, self.base_filters, name=name)
        if self.architecture == "attention":
            return build_attention_generator(channels, self.base_filters, self.num_blocks, name)
        return build_residual_generator(
            channels,
            self.base_filters,
            self.num_blocks,
            name,
            keeps_colours=self.architecture == "residual_skip",
        )

    def _build_discriminator(self, name):
        channels = self.image_shape[-1]
        return build_discriminator(channels, self.base_filters, self.discriminator_scales, name)

    def _check_networks(self):
        images = keras.KerasTensor((1, *self.image_shape))
        for network in self.generator_networks:
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
        for network in self.discriminator_networks:
            try:
                network.compute_output_spec(images)
            except ValueError as error:
                raise ValueError(
                    f"{network.name} can't judge images of shape {self.image_shape}; if they are "
                    "too small for it, lower `discriminator_scales`. Received: "
                    f"discriminator_scales={self.discriminator_scales}"
                ) from error

    @property
    def generator_networks(self) -> list[keras.Model]:
        """Both generators: they are one player."""
        return [self.generator_ab, self.generator_ba]

    @property
    def translators(self) -> list[keras.Model]:
        """A → B and B → A as `predict`, `evaluate` and the export use them: averages, if there."""
        if self.average_decay:
            return [self.averaged_generator_ab, self.averaged_generator_ba]
        return self.generator_networks

    @property
    def discriminator_networks(self) -> list[keras.Model]:
        """Both discriminators: they are the other."""
        return [self.discriminator_a, self.discriminator_b]

    def default_optimizers(self):
        """Returns Adam at 2e-4 with β₁ 0.5 for both players, as in the paper."""
        return tuple(keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(2))

    def call(self, images, training=False):
        """Translates images of domain A to domain B."""
        return self.translators[0](images, training=training)

    def check_batch(self, batch) -> None:
        """Refuses batches of another structure, image size or range than `train_step` takes."""
        shapes = tf.nest.map_structure(lambda leaf: tuple(leaf.shape), batch)
        match shapes:
            case ((_, *shape_a), (_, *shape_b)) if (
                tuple(shape_a) == tuple(shape_b) == self.image_shape
            ):
                # As one: all of a bright domain, or of the one image in a batch, may be above 0.
                check_image_range(np.concatenate([np.asarray(images) for images in batch]))
            case _:
                raise ValueError(
                    "fit() takes batches (images_a, images_b) with images of shape "
                    f"{self.image_shape}. Received a batch of shapes {shapes}."
                )

    def train_step(self, data):
        """Takes one step of both generators, then one of both discriminators."""
        real_a, real_b = data
        with tf.name_scope("generator_player"):
            with tf.GradientTape() as tape:
                generated_b = self.generator_ab(real_a, training=True)
                generated_a = self.generator_ba(real_b, training=True)
                logits_b = self.discriminator_b(generated_b, training=True)
                logits_a = self.discriminator_a(generated_a, training=True)
                adversarial_loss = _squared_error(logits_b, 1.0) + _squared_error(logits_a, 1.0)
                cycle_loss = self._cycle_loss(real_a, generated_b, real_b, generated_a)
                identity_loss = self._identity_loss(real_a, real_b)
                generator_loss = adversarial_loss + self.cycle_weight * (
                    cycle_loss + self.identity_weight * identity_loss
                )
            generator_gradient_norm = self.update_player(
                generator_loss, tape, self.generator_optimizer, self.generator_networks
            )

        # The images that the generators have just made serve both players.
        shown_a = self.pool_a(generated_a, seed=self._seed(POOL_STREAM, self.step, 0))
        shown_b = self.pool_b(generated_b, seed=self._seed(POOL_STREAM, self.step, 1))
        with tf.name_scope("discriminator_player"):
            with tf.GradientTape() as tape:
                real_logits_a = self.discriminator_a(real_a, training=True)
                real_logits_b = self.discriminator_b(real_b, training=True)
                shown_logits_a = self.discriminator_a(shown_a, training=True)
                shown_logits_b = self.discriminator_b(shown_b, training=True)
                # Halved, so that the discriminators learn at half the speed of the generators.
                discriminator_loss = 0.5 * (
                    _squared_error(real_logits_a, 1.0)
                    + _squared_error(shown_logits_a, 0.0)
                    + _squared_error(real_logits_b, 1.0)
                    + _squared_error(shown_logits_b, 0.0)
                )
            discriminator_gradient_norm = self.update_player(
                discriminator_loss, tape, self.discriminator_optimizer, self.discriminator_networks
            )

        return self.finish_step(
            generator_loss=generator_loss,
            discriminator_loss=discriminator_loss,
            adversarial_loss=adversarial_loss,
            cycle_loss=cycle_loss,
            identity_loss=identity_loss,
            real_score=_score(real_logits_a, real_logits_b),
            generated_score=_score(shown_logits_a, shown_logits_b),
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

    def _identity_loss(self, real_a, real_b):
        if not self.identity_weight:
            return tf.zeros(())
        return _absolute_error(self.generator_ab(real_b, training=True), real_b) + _absolute_error(
            self.generator_ba(real_a, training=True), real_a
        )

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

    def generate(self, *args, **kwargs):
        """Refuses: there are no latents; `predict` and the generators translate images."""
        raise NotImplementedError(
            "CycleGAN makes images of images, not of latents: use predict(images), or "
            "generator_ab(images) and generator_ba(images)."
        )

    # === Export and config ===

    def export_signatures(self) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """Returns the functions that `export.save` packs; images go in and out in [0, 1]."""
        images = tf.TensorSpec((None, None, None, self.image_shape[-1]), name="images")
        to_b, to_a = (functools.partial(each, training=False) for each in self.translators)

        @tf.function(input_signature=[images])
        def a_to_b(images):
            return {"images": (to_b(2.0 * images - 1.0) + 1.0) / 2.0}

        @tf.function(input_signature=[images])
        def b_to_a(images):
            return {"images": (to_a(2.0 * images - 1.0) + 1.0) / 2.0}

        return {"a_to_b": a_to_b, "b_to_a": b_to_a, "serving_default": a_to_b}

    def get_config(self):
        """Returns the arguments that rebuild this model, networks included."""
        config = super().get_config()
        config.pop("latent_dim")
        networks = (*self.generator_networks, *self.discriminator_networks)
        names = ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b")
        return {
            **config,
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
            **{
                name: keras.saving.serialize_keras_object(network)
                for name, network in zip(names, networks, strict=True)
            },
        }
