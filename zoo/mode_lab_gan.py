"""Mode lab: a small game to see a generator drop modes in, and each cure at work.

    D minimises  L_D(D(x), D(G(z))) + penalty
    G minimises  L_G(D_K(G(z)), D_K(x))        D_0 = D,  D_{k+1} = D_k after a step of its own

G may please a D of today by a few things made over and over; tomorrow's D knows them, and G goes on
to others. That is mode collapse. Every cure here makes it cost more, each in a place of its own:

- **objective**: what the players gain, any of the zoo's. A relativistic one has D compare each
  generated sample with a real one, so that it can't reject all of them alike.
- **penalty** on D's slope, so that it can't tell nearby things apart at once: R1 at real samples,
  R2 at generated ones, WGAN-GP's between them, DRAGAN's around the real ones.
- **packing** (PacGAN): D judges m samples together, all real or all generated; repetition shows.
- **minibatch discrimination**: a layer of D that tells how near the others of the batch are.
- **unrolling**: G is judged by the D that would be after K more steps on this batch. The gradient
  flows through those steps, so that G sees how D would answer; D itself takes none of them.
- **replay**: D is shown samples of the past too, so that it does not forget them.
- **k steps** of D for each one of G.

References: [Metz et al., 2016](https://arxiv.org/abs/1611.02163) (unrolling),
[Lin et al., 2018](https://arxiv.org/abs/1712.04086) (packing),
[Salimans et al., 2016](https://arxiv.org/abs/1606.03498) (minibatch discrimination),
[Mescheder et al., 2018](https://arxiv.org/abs/1801.04406) (R1, R2),
[Gulrajani et al., 2017](https://arxiv.org/abs/1704.00028) (WGAN-GP),
[Kodali et al., 2017](https://arxiv.org/abs/1705.07215) (DRAGAN).
"""

import math

import keras
import tensorflow as tf
from keras import initializers, layers

from zoo.common.batch_layers import MinibatchDiscrimination
from zoo.common.checks import (
    check_choice,
    check_network,
    check_not_negative,
    check_not_negative_integers,
    check_parts,
    check_positive,
    check_positive_integers,
    refuse_company,
    require_parts,
)
from zoo.common.latent_model import LatentModel
from zoo.common.layers import Maxout, initialize_from_data
from zoo.common.objectives import OUTPUT_LOGS
from zoo.common.optimizers import FusedAdam
from zoo.common.packing import packed
from zoo.common.penalties import (
    images_around,
    images_between,
    one_centred_gradient_penalty,
    zero_centred_gradient_penalty,
)
from zoo.common.priors import Normal
from zoo.common.replay import ImagePool
from zoo.common.unrolling import LookAhead, gradients_ahead

ARCHITECTURES = ("plain", "published")
PENALTIES = ("none", "r1", "r2", "r1_r2", "wgan_gp", "dragan")

# === Networks ===


def _logits(x, minibatch_kernels: int, initializer="glorot_uniform"):
    if minibatch_kernels:
        x = MinibatchDiscrimination(minibatch_kernels)(x)
    return layers.Dense(1, kernel_initializer=initializer, dtype="float32", name="logits")(x)


def build_point_generator(
    latent_dim: int, width: int = 128, depth: int = 5, extent: float = 1.0
) -> keras.Model:
    """Returns layers of leaky rectifiers, then a point of the plane.

    Args:
        latent_dim: size of z.
        width: units of each layer.
        depth: number of layers.
        extent: the largest coordinate of the data; the first points lie within about as much.
    """
    x = latents = keras.Input((latent_dim,), name="latents")
    for _ in range(depth):
        x = layers.LeakyReLU(0.2)(layers.Dense(width, kernel_initializer="he_normal")(x))
    initializer = initializers.Orthogonal(extent)
    points = layers.Dense(2, kernel_initializer=initializer, dtype="float32")(x)
    return keras.Model(latents, points, name="generator")


def build_point_discriminator(
    width: int = 128,
    packing: int = 1,
    minibatch_kernels: int = 0,
    depth: int = 5,
    extent: float = 1.0,
    bends: float = 3.0,
) -> keras.Model:
    """Returns layers of leaky rectifiers, then a logit.

    The first layer's rectifiers bend at lines all over the plane, and sharply: Keras's own first
    biases would have them all meet at the origin, and so small weights take thousands of steps to
    tell what is a hundredth of the plane's size apart.

    Args:
        width: units of each layer.
        packing: m, points in a pack.
        minibatch_kernels: of a `MinibatchDiscrimination` before the logit; 0 for none.
        depth: number of layers.
        extent: the largest coordinate of the data.
        bends: standard deviation of the first layer's weights, for data of extent 1.
    """
    x = points = keras.Input((2 * packing,), name="points")
    x = layers.Dense(
        width,
        kernel_initializer=initializers.RandomNormal(stddev=bends / (extent * packing**0.5)),
        bias_initializer=initializers.RandomUniform(-1.5 * bends, 1.5 * bends),
    )(x)
    for _ in range(depth - 1):
        x = layers.LeakyReLU(0.2)(x)
        x = layers.Dense(width, kernel_initializer="he_normal")(x)
    x = layers.LeakyReLU(0.2)(x)
    return keras.Model(points, _logits(x, minibatch_kernels), name="discriminator")


def build_published_point_generator(latent_dim: int, width: int = 400) -> keras.Model:
    """Returns the generator of Lin et al. 2018 for points: four layers with batch norm."""
    initializer = initializers.RandomNormal(stddev=0.02)
    x = latents = keras.Input((latent_dim,), name="latents")
    for _ in range(4):
        x = layers.Dense(width, use_bias=False, kernel_initializer=initializer)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.95, synchronized=True)(x))
    points = layers.Dense(2, kernel_initializer=initializer, dtype="float32")(x)
    return keras.Model(latents, points, name="generator")


def build_published_point_discriminator(
    width: int = 200, packing: int = 1, minibatch_kernels: int = 0
) -> keras.Model:
    """Returns the discriminator of Lin et al. 2018 for points: three layers, maxout of 5 pieces."""
    initializer = initializers.RandomNormal(stddev=0.02)
    x = points = keras.Input((2 * packing,), name="points")
    for _ in range(3):
        x = Maxout(width, 5, kernel_initializer=initializer)(x)
    return keras.Model(points, _logits(x, minibatch_kernels, initializer), name="discriminator")


def _halved(side: int) -> list[int]:
    """Returns the sides of feature maps, each half the one before, rounded up."""
    return [math.ceil(side / 2**times) for times in range(4)]


def build_stack_generator(image_shape, latent_dim: int, width: int = 64) -> keras.Model:
    """Returns the generator of Metz et al. 2016 for stacked digits, of three doublings.

    Args:
        image_shape: (height, width, channels).
        latent_dim: size of z.
        width: filters of the smallest feature map; half as many with each doubling.
    """
    heights, widths = _halved(image_shape[0]), _halved(image_shape[1])
    latents = keras.Input((latent_dim,), name="latents")
    x = layers.Dense(heights[3] * widths[3] * width)(latents)
    x = layers.Reshape((heights[3], widths[3], width))(x)
    for times in (3, 2, 1):
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, synchronized=True)(x))
        x = layers.Conv2DTranspose(width // 2 ** (4 - times), 3, 2, "same")(x)
        # 4 pixels become 8, where 28 halved twice are 7.
        extra = x.shape[1] - heights[times - 1], x.shape[2] - widths[times - 1]
        x = layers.Cropping2D(((0, extra[0]), (0, extra[1])))(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, synchronized=True)(x))
    x = layers.Conv2D(image_shape[2], 3, padding="same")(x)
    return keras.Model(latents, layers.Activation("tanh", dtype="float32")(x), name="generator")


def build_stack_discriminator(
    image_shape,
    width: int = 32,
    packing: int = 1,
    minibatch_kernels: int = 0,
    batch_norm: bool = False,
) -> keras.Model:
    """Returns the discriminator of Metz et al. 2016 for stacked digits, of three halvings.

    Args:
        image_shape: (height, width, channels).
        width: filters of the smallest feature map; half as many at each larger one.
        packing: m, images in a pack.
        minibatch_kernels: of a `MinibatchDiscrimination` before the logit; 0 for none.
        batch_norm: whether to have the authors' batch norm.
    """
    x = images = keras.Input((*image_shape[:2], packing * image_shape[2]), name="images")
    for times in (2, 1, 0):
        x = layers.Conv2D(width // 2**times, 3, 2, "same")(x)
        if batch_norm:
            x = layers.BatchNormalization(momentum=0.9, synchronized=True)(x)
        x = layers.LeakyReLU(0.3)(x)
    x = _logits(layers.Flatten()(x), minibatch_kernels)
    return keras.Model(images, x, name="discriminator")


# === Model ===


@keras.saving.register_keras_serializable(package="zoo")
class ModeLabGAN(LatentModel):
    """Any objective, penalty and cure for mode collapse; the game is at the top of this file.

    `fit` takes batches of points or of images, `zoo.datasets.ring_of_gaussians().batches(256)` for
    one. A step cuts a batch into k parts, one for each step of D, and each part into packs of m
    samples, so give batches k·m times as large; samples that fill no pack are left out. Both
    players' steps have the samples and latents of the last part.

    Args:
        image_shape: (height, width, channels) of images, or (2,), the default, for points in the
            plane.
        latent_dim: size of z ~ N(0, I). Defaults to 16.
        architecture: `"plain"`, networks of our own for points and, for images, those of Metz et
            al. without batch norm in D; or `"published"`, those of Lin et al. for points and of
            Metz et al. for images. Defaults to `"plain"`.
        generator_width, discriminator_width: units of each layer, or for images filters of the
            smallest feature map. Defaults to `None`: 128 for points, or with the published
            networks 400 and 200; 64 and 32 for images, where the papers have a discriminator a
            half or a quarter as wide as that.
        extent: the largest coordinate of points, to which the plain networks' first weights are
            fitted; unused for images. Defaults to 1, that of the ring.
        penalty: on D's slope, `"none"`, `"r1"`, `"r2"`, `"r1_r2"`, `"wgan_gp"` or `"dragan"`.
        penalty_weight: γ of R1 and R2, which are γ/2 · E[‖∇D‖²], or λ of the others. Defaults to
            10, as in the papers; points need less.
        discriminator_steps: k, steps of D for each one of G. Defaults to 1.
        packing: m, samples that D judges together. Defaults to 1.
        minibatch_kernels: of a layer of minibatch discrimination; call `adapt` before `fit`.
            Defaults to 0, no such layer.
        replay_size: past samples that are kept, of which D sees some in place of new ones.
            Defaults to 0, none.
        unrolled_steps: K, further steps of D through which G looks. Defaults to 0.
        average_decay: decay of an average of G with which `generate`, `evaluate` and the export
            answer. Defaults to 0, no average.
        seed: of all that is drawn in training.
        generator: a network of your own, latents → points, or images in [-1, 1].
        discriminator: a network of your own, packs → one logit.

    Call arguments:
        latents: float32 `(batch, latent_dim)`.

    Returns:
        float32 `(batch, 2)`, or `(batch, height, width, channels)` with pixels in [-1, 1].

    Raises:
        ValueError: if an argument is out of range, a network does not fit, or D judges samples by
            their company, as with minibatch discrimination or batch norm, under a penalty.

    Differs from the papers: G steps after D, where Metz et al. and Lin et al. take both steps from
    one state; latents are drawn at random, where Lin et al. draw equally many for each part; the
    inner steps of unrolling have one learning rate, and see no replayed sample.

    References: [Metz et al., 2016](https://arxiv.org/abs/1611.02163),
    [Lin et al., 2018](https://arxiv.org/abs/1712.04086)
    """

    default_objective = "non_saturating"
    makes_points = True

    def __init__(
        self,
        image_shape=(2,),
        latent_dim: int = 16,
        *,
        architecture: str = "plain",
        generator_width: int | None = None,
        discriminator_width: int | None = None,
        extent: float = 1.0,
        penalty: str = "none",
        penalty_weight: float = 10.0,
        discriminator_steps: int = 1,
        packing: int = 1,
        minibatch_kernels: int = 0,
        replay_size: int = 0,
        unrolled_steps: int = 0,
        average_decay: float = 0.0,
        seed: int = 0,
        generator: keras.Model | None = None,
        discriminator: keras.Model | None = None,
        **kwargs,
    ):
        super().__init__(
            image_shape=image_shape,
            prior=Normal(latent_dim),
            average_decay=average_decay,
            seed=seed,
            **kwargs,
        )
        check_choice("architecture", architecture, ARCHITECTURES)
        check_choice("penalty", penalty, PENALTIES)
        widths = {"generator_width": generator_width, "discriminator_width": discriminator_width}
        check_positive_integers(
            discriminator_steps=discriminator_steps,
            packing=packing,
            **{name: width for name, width in widths.items() if width is not None},
        )
        check_not_negative_integers(
            minibatch_kernels=minibatch_kernels,
            replay_size=replay_size,
            unrolled_steps=unrolled_steps,
        )
        check_not_negative(penalty_weight=penalty_weight)
        check_positive(extent=extent)
        self.architecture = architecture
        self.extent = extent
        self.generator_width = generator_width
        self.discriminator_width = discriminator_width
        self.penalty = penalty
        self.penalty_weight = penalty_weight
        self.discriminator_steps = discriminator_steps
        self.packing = packing
        self.minibatch_kernels = minibatch_kernels
        self.replay_size = replay_size
        self.unrolled_steps = unrolled_steps
        self.generator = generator or self._build_generator()
        self.discriminator = discriminator or self._build_discriminator()
        check_network("generator", self.generator, (latent_dim,), self.image_shape)
        *sides, channels = self.image_shape
        check_network("discriminator", self.discriminator, (*sides, packing * channels), (1,))
        if penalty != "none" and penalty_weight:
            refuse_company("discriminator", self.discriminator)
        self.image_pool = ImagePool(self.image_shape, replay_size)
        self.averaged_generator = self.average_of(self.generator)
        self.finish_building(
            players={"generator": [self.generator], "discriminator": [self.discriminator]},
            logs=(*OUTPUT_LOGS, "gradient_penalty"),
        )

    def _build_generator(self) -> keras.Model:
        width = {} if self.generator_width is None else {"width": self.generator_width}
        if len(self.image_shape) == 3:
            return build_stack_generator(self.image_shape, self.latent_dim, **width)
        if self.architecture == "published":
            return build_published_point_generator(self.latent_dim, **width)
        return build_point_generator(self.latent_dim, extent=self.extent, **width)

    def _build_discriminator(self) -> keras.Model:
        options = {"packing": self.packing, "minibatch_kernels": self.minibatch_kernels}
        if self.discriminator_width is not None:
            options["width"] = self.discriminator_width
        is_published = self.architecture == "published"
        if len(self.image_shape) == 3:
            return build_stack_discriminator(self.image_shape, batch_norm=is_published, **options)
        if is_published:
            return build_published_point_discriminator(**options)
        return build_point_discriminator(extent=self.extent, **options)

    def default_optimizers(self):
        """Returns Adam at 1e-3 with β₁ 0.5 for both players."""
        return {player: FusedAdam(1e-3, beta_1=0.5) for player in self.players}

    def compile(self, *optimizers, **arguments):
        """Prepares the model for `fit`; see `LatentModel.compile`.

        Raises:
            ValueError: if steps are unrolled and D's optimizer is not SGD or Adam, or as there.
        """
        super().compile(*optimizers, **arguments)
        if self.unrolled_steps:
            LookAhead(self.discriminator_optimizer)

    def adapt(self, samples) -> None:
        """Has minibatch discrimination start from the data: the layer's scale and bias.

        Without it the layer of most networks tells nothing at first. Without such a layer this does
        nothing.

        Args:
            samples: a batch as for `fit`, some hundreds, or a dataset of such batches, of which 500
                samples are taken.

        Raises:
            ValueError: if they are not what `fit` takes.
        """
        samples = self.images_to_adapt_to(samples)
        initialize_from_data(self.discriminator, packed(samples, self.packing))

    def check_batch(self, batch, method: str = "fit") -> None:
        """Refuses batches of another structure or size, or too small for k parts of a pack."""
        super().check_batch(batch, method)
        check_parts(batch, self.discriminator_steps * self.packing, "discriminator")

    # === Training ===

    def train_step(self, data):
        """Takes k steps of the discriminator, then one of the generator."""
        data = require_parts(data, self.discriminator_steps * self.packing, "discriminator")
        for number in range(self.discriminator_steps):
            real_samples = data[number :: self.discriminator_steps]
            latents = self.draw_latents(tf.shape(real_samples)[0], draw=number)
            with tf.name_scope("generator_player/"):
                generated_samples = self.generator(latents, training=True)
            shown_samples = self.image_pool(generated_samples, self.seed_for("replay", number))
            real_packs = packed(real_samples, self.packing)
            shown_packs = packed(shown_samples, self.packing)
            with tf.name_scope("discriminator_player/"):
                with tf.GradientTape() as tape:
                    penalized_loss, logs = self._discriminator_loss(
                        self.discriminator, real_packs, shown_packs, number
                    )
                gradient_norm = self.update_player("discriminator", penalized_loss, tape)

        with tf.name_scope("generator_player/"):
            with tf.GradientTape() as tape:
                generated_packs = packed(self.generator(latents, training=True), self.packing)
                judge = self.discriminator
                if self.unrolled_steps:
                    judge = self._discriminator_to_come(real_packs, generated_packs)
                generator_loss = self._generator_loss(judge, real_packs, generated_packs)
            generator_gradient_norm = self.update_player("generator", generator_loss, tape)
        return self.finish_step(
            generator_loss=generator_loss,
            generator_gradient_norm=generator_gradient_norm,
            discriminator_gradient_norm=gradient_norm,
            **logs,
        )

    def _discriminator_loss(self, discriminator, real_packs, generated_packs, number: int):
        """Returns what the discriminator minimises, and logs."""
        real_logits = discriminator(real_packs, training=True)
        generated_logits = discriminator(generated_packs, training=True)
        loss = self.objective.discriminator_loss(
            real_logits, generated_logits, seed=self.seed_for("label_noise", number)
        )
        penalty = tf.zeros(())
        if self.penalty in ("r1", "r1_r2"):
            penalty += 0.5 * zero_centred_gradient_penalty(discriminator, real_packs)
        if self.penalty in ("r2", "r1_r2"):
            penalty += 0.5 * zero_centred_gradient_penalty(discriminator, generated_packs)
        seed = self.seed_for("penalty", number)
        if self.penalty == "wgan_gp":
            between = images_between(real_packs, generated_packs, seed)
            penalty += one_centred_gradient_penalty(discriminator, between)
        if self.penalty == "dragan":
            around = images_around(real_packs, seed)
            penalty += one_centred_gradient_penalty(discriminator, around)
        return loss + self.penalty_weight * penalty, {
            "discriminator_loss": loss,
            "gradient_penalty": penalty,
            **self.objective.outputs(real_logits, generated_logits),
        }

    def _generator_loss(self, discriminator, real_packs, generated_packs) -> tf.Tensor:
        """Returns what the generator minimises, as that discriminator judges."""
        generated_logits = discriminator(generated_packs, training=True)
        real_logits = None
        if self.objective.is_relativistic:  # compares them
            real_logits = discriminator(real_packs, training=True)
        return self.objective.generator_loss(generated_logits, real_logits)

    def pulls(self, real_samples: tf.Tensor, generated_samples: tf.Tensor) -> tf.Tensor:
        """Returns where the generator's loss pulls each sample: −∂L_G / ∂G(z), for pictures.

        Args:
            real_samples: as many as generated ones.
            generated_samples: float32 `(batch, 2)`, or images.

        Returns:
            One vector a sample, of the shape of `generated_samples`.
        """
        with tf.GradientTape() as tape:
            tape.watch(generated_samples)
            packs = packed(real_samples, self.packing), packed(generated_samples, self.packing)
            loss = self._generator_loss(self._discriminator_to_come(*packs), *packs)
        return -tape.gradient(loss, generated_samples)

    def _discriminator_to_come(self, real_packs, generated_packs):
        """Returns D after K steps on these packs, a function of G's weights; D stays as it is."""
        variables = self.discriminator.trainable_variables
        weights = [tf.convert_to_tensor(variable.value) for variable in variables]
        if not self.unrolled_steps:
            return self._discriminator_with(weights)
        steps = LookAhead(self.discriminator_optimizer, variables)
        for _ in range(self.unrolled_steps):
            with tf.GradientTape() as tape:
                tape.watch(weights)
                discriminator = self._discriminator_with(weights)
                loss, _ = self._discriminator_loss(
                    discriminator, real_packs, generated_packs, self.discriminator_steps
                )
            gradients = gradients_ahead(tape, loss, weights, self.discriminator_optimizer)
            weights = steps.take(weights, gradients)
        return self._discriminator_with(weights)

    def _discriminator_with(self, weights: list[tf.Tensor]):
        states = [tf.convert_to_tensor(v) for v in self.discriminator.non_trainable_variables]

        def discriminator(packs, training):
            # What noise layers or batch norm would keep is dropped, so that all steps are alike.
            return self.discriminator.stateless_call(weights, states, packs, training=training)[0]

        return discriminator

    # === Saving ===

    def get_config(self):
        """Returns the arguments that rebuild this model, networks included."""
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "architecture": self.architecture,
            "generator_width": self.generator_width,
            "discriminator_width": self.discriminator_width,
            "extent": self.extent,
            "penalty": self.penalty,
            "penalty_weight": self.penalty_weight,
            "discriminator_steps": self.discriminator_steps,
            "packing": self.packing,
            "minibatch_kernels": self.minibatch_kernels,
            "replay_size": self.replay_size,
            "unrolled_steps": self.unrolled_steps,
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
        }
