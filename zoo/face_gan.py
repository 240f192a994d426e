"""FaceGAN: faces that look like faces after minutes on a CPU.

    min_D  −E[log σ(D(Tx))] − E[log(1 − σ(D(TG(z))))] + γ/2 E[‖∇D(Tx)‖²]
    min_G  −E[log σ(D(TG(z)))]

with z ~ N(0, I), D(x) a logit, and T a random change, drawn anew for each image, or none. DCGAN's
strided convolutions, and what was found since:

- the penalty R₁ on D's gradient at real images, in place of batch norm in D, makes the game
  converge: it bears learning rates five times DCGAN's;
- that penalty at every n-th step only, n times as strong, takes an n-th of the time;
- no momentum in Adam: players that remember old gradients circle each other;
- the images come from an average of G over its last steps;
- where images are few, all that D sees, real and generated, is changed at random, so that it can't
  learn them by heart; or as many of them as keep D from doing so.

References: [Mescheder et al., 2018](https://arxiv.org/abs/1801.04406) (game, penalty, average),
[Karras et al., 2020](https://arxiv.org/abs/1912.04958), appendix B (every n-th step),
[Zhao et al., 2020](https://arxiv.org/abs/2006.10738) (changes),
[Karras et al., 2020](https://arxiv.org/abs/2006.06676) (how many of them),
[Radford et al., 2015](https://arxiv.org/abs/1511.06434) (networks).
"""

import keras
import tensorflow as tf
from keras import initializers, layers

from zoo.common.augmentation import (
    ALL_AUGMENTATIONS,
    AdaptiveProbability,
    augment,
    check_augmentation,
)
from zoo.common.checks import (
    as_integer,
    check_network,
    check_not_negative,
    check_positive_integers,
    check_square,
    refuse_company,
)
from zoo.common.latent_model import LatentModel
from zoo.common.objectives import OUTPUT_LOGS
from zoo.common.optimizers import FusedAdam
from zoo.common.penalties import every_nth_step, zero_centred_gradient_penalty
from zoo.common.priors import Normal

COARSEST_SIDE = 4
SIDES = (32, 64, 128, 256)

# === Networks ===


def num_doublings(side: int) -> int:
    """Returns how often the smallest feature map, of side 4, is doubled.

    Raises:
        ValueError: if the side of the images is not one of `SIDES`.
    """
    if side not in SIDES:
        raise ValueError(
            f"The side of the images must be {', '.join(map(str, SIDES[:-1]))} or {SIDES[-1]}. "
            f"Received: {side}"
        )
    return (side // COARSEST_SIDE).bit_length() - 1


def build_generator(image_shape=(64, 64, 3), latent_dim: int = 128, filters: int = 256):
    """Returns the generator: a projection of z, then transposed convolutions of stride 2.

    Args:
        image_shape: (side, side, channels).
        latent_dim: size of z.
        filters: of the coarsest map; each finer one has half as many.
    """
    options = {"kernel_initializer": initializers.RandomNormal(0.0, 0.02), "use_bias": False}

    def normalized(x):
        # Synchronized: over the global batch, whatever the number of replicas.
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9, synchronized=True)(x))

    latents = keras.Input((latent_dim,), name="latents")
    x = layers.Reshape((1, 1, latent_dim))(latents)
    x = normalized(layers.Conv2DTranspose(filters, COARSEST_SIDE, **options)(x))
    for scale in range(1, num_doublings(image_shape[0])):
        x = layers.Conv2DTranspose(filters // 2**scale, 4, 2, "same", **options)(x)
        x = normalized(x)
    x = layers.Conv2DTranspose(image_shape[-1], 4, 2, "same", **options)(x)
    return keras.Model(latents, layers.Activation("tanh", dtype="float32")(x), name="generator")


def build_discriminator(image_shape=(64, 64, 3), filters: int = 256) -> keras.Model:
    """Returns the discriminator: convolutions of stride 2 and one logit, no normalisation.

    Args:
        image_shape: (side, side, channels).
        filters: of the coarsest map; each finer one has half as many.
    """
    images = keras.Input(image_shape, name="images")
    x = images
    for scale in reversed(range(num_doublings(image_shape[0]))):
        x = layers.Conv2D(filters // 2**scale, 4, 2, "same", kernel_initializer="he_normal")(x)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
    x = layers.Flatten()(x)
    logits = layers.Dense(1, kernel_initializer="he_normal", dtype="float32", name="logits")(x)
    return keras.Model(images, logits, name="discriminator")


# === Model ===


@keras.saving.register_keras_serializable(package="zoo")
class FaceGAN(LatentModel):
    """GAN for small pictures of faces; game and sources are at the top of this file.

    `fit` takes batches of images.

    Args:
        image_shape: (side, side, channels); the side 32, 64, 128 or 256.
        latent_dim: size of z ~ N(0, I). Defaults to 128.
        filters: of the coarsest map, 4×4; each finer one has half as many, so that a step at
            128×128 takes one and a half times as long as at 64×64. Defaults to 256.
        gradient_penalty_weight: γ. Defaults to 1; 0 leaves the penalty out.
        gradient_penalty_interval: steps from one penalty to the next. Defaults to 8.
        augmentation: changes of what D sees, of `colour`, `shift` and `cutout`, with commas
            between; see `zoo.common.augmentation`. Defaults to "", none: thousands of images are
            learnt faster without. Zhao et al. take all three where images are few.
        adaptive_augmentation: images over which the probability of the changes could go from 0,
            where it begins, to 1, as often as D overfits; Karras et al. take 500,000. Defaults to
            `None`: every image is changed.
        average_decay: decay of the average of G with which `generate`, `evaluate` and the export
            answer. Defaults to 0.999, as in Mescheder et al.
        seed: seed of the latents and changes drawn in training.
        generator: a network of your own, latents → images in [-1, 1].
        discriminator: a network of your own, images → one logit, without batch norm.

    Call arguments:
        latents: float32 `(batch, latent_dim)`.

    Returns:
        float32 `(batch, side, side, channels)`, pixels in [-1, 1].

    Raises:
        ValueError: if an argument is out of range, or a network does not fit.

    Differs from the papers: Mescheder et al. have residual networks without any normalisation and
    RMSprop; the penalty is taken at the changed images; shifts bring in mirrored pixels, not grey
    ones; Karras et al. change images in more ways.

    Reference: [Mescheder et al., 2018](https://arxiv.org/abs/1801.04406)
    """

    default_objective = "non_saturating"

    def __init__(
        self,
        image_shape=(64, 64, 3),
        latent_dim: int = 128,
        filters: int = 256,
        *,
        gradient_penalty_weight: float = 1.0,
        gradient_penalty_interval: int = 8,
        augmentation: str = "",
        adaptive_augmentation: int | None = None,
        average_decay: float = 0.999,
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
        check_square(self.image_shape)
        check_positive_integers(gradient_penalty_interval=gradient_penalty_interval)
        check_not_negative(gradient_penalty_weight=gradient_penalty_weight)
        check_augmentation(augmentation)
        _check_filters(filters, self.image_shape[0])
        self.filters = filters
        self.gradient_penalty_weight = gradient_penalty_weight
        self.gradient_penalty_interval = gradient_penalty_interval
        self.augmentation = augmentation
        self.adaptive_augmentation = adaptive_augmentation
        self.adaptive_probability = self._adaptive_probability()
        self.generator = generator or build_generator(self.image_shape, latent_dim, filters)
        self.discriminator = discriminator or build_discriminator(self.image_shape, filters)
        check_network("generator", self.generator, (latent_dim,), self.image_shape)
        check_network("discriminator", self.discriminator, self.image_shape, (1,))
        if gradient_penalty_weight:
            refuse_company("discriminator", self.discriminator)
        self.averaged_generator = self.average_of(self.generator)
        adaptive_logs = ("augmentation_probability",) if self.adaptive_probability else ()
        self.finish_building(
            players={"generator": [self.generator], "discriminator": [self.discriminator]},
            logs=("gradient_penalty", *adaptive_logs, *OUTPUT_LOGS),
        )

    def _adaptive_probability(self) -> AdaptiveProbability | None:
        if self.adaptive_augmentation is None:
            return None
        if not self.augmentation:
            raise ValueError(
                "`adaptive_augmentation` needs to know what to change: set augmentation="
                f"{ALL_AUGMENTATIONS!r}. Received: augmentation={self.augmentation!r}"
            )
        check_positive_integers(adaptive_augmentation=self.adaptive_augmentation)
        return AdaptiveProbability(self.adaptive_augmentation)

    def compile(self, *arguments, **named):
        """Prepares the model for `fit`, as any of the zoo's.

        Raises:
            ValueError: also for a `relativistic` objective or `wasserstein`, if augmentation is to
                be adaptive: then no logit says by itself whether D knows an image.
        """
        super().compile(*arguments, **named)
        if self.adaptive_probability is not None and self.objective.undecided_output is None:
            raise ValueError(
                "Adaptive augmentation follows the sign of D's logits, which means nothing where "
                "they are only compared: take another objective, or adaptive_augmentation=None. "
                f"Received: objective={self.objective.name!r}"
            )

    def default_optimizers(self):
        """Returns Adam at 1e-3 with β₁ 0 and β₂ 0.99 for both players."""
        return {player: FusedAdam(1e-3, beta_1=0.0, beta_2=0.99) for player in self.players}

    def augment(self, images, draw: int = 0) -> tf.Tensor:
        """Changes each image by a draw of its own.

        Args:
            images: `(batch, side, side, channels)`.
            draw: number of the draw within the step.
        """
        probability = 1.0
        if self.adaptive_probability is not None:
            probability = self.adaptive_probability.probability.value
        with tf.name_scope("augmentation/"):
            seed = self.seed_for("augmentation", draw)
            return augment(images, self.augmentation, seed, probability)

    def gradient_penalty(self, real_images) -> tf.Tensor:
        """Returns n · E[‖∇D(x)‖²] at every n-th step and 0 between: over n steps, its mean."""
        if not self.gradient_penalty_weight:
            return tf.zeros(())
        return every_nth_step(
            lambda: zero_centred_gradient_penalty(self.discriminator, real_images),
            self.step,
            self.gradient_penalty_interval,
        )

    def train_step(self, data):
        """Takes one step of the discriminator, then one of the generator, on the same images."""
        real_images = self.augment(data, draw=0)
        latents = self.draw_latents(tf.shape(data)[0])
        with tf.name_scope("generator_player/"), tf.GradientTape() as generator_tape:
            generated_images = self.augment(self.generator(latents, training=True), draw=1)

        with tf.name_scope("discriminator_player/"):
            with tf.GradientTape() as tape:
                real_logits = self.discriminator(real_images, training=True)
                generated_logits = self.discriminator(generated_images, training=True)
                discriminator_loss = self.objective.discriminator_loss(
                    real_logits, generated_logits, seed=self.seed_for("label_noise")
                )
                gradient_penalty = self.gradient_penalty(real_images)
                penalized_loss = (
                    discriminator_loss + self.gradient_penalty_weight / 2 * gradient_penalty
                )
            discriminator_gradient_norm = self.update_player("discriminator", penalized_loss, tape)

        with tf.name_scope("generator_player/"):
            with generator_tape:
                new_generated_logits = self.discriminator(generated_images, training=True)
                new_real_logits = None
                if self.objective.is_relativistic:  # compares them, as D judges now
                    new_real_logits = self.discriminator(real_images, training=True)
                generator_loss = self.objective.generator_loss(
                    new_generated_logits, new_real_logits
                )
            generator_gradient_norm = self.update_player(
                "generator", generator_loss, generator_tape
            )

        adaptive = {}
        if self.adaptive_probability is not None:
            adaptive["augmentation_probability"] = self.adaptive_probability.update(
                real_logits - self.objective.undecided_output
            )

        return self.finish_step(
            generator_loss=generator_loss,
            discriminator_loss=discriminator_loss,
            gradient_penalty=gradient_penalty,
            generator_gradient_norm=generator_gradient_norm,
            discriminator_gradient_norm=discriminator_gradient_norm,
            **self.objective.outputs(real_logits, generated_logits),
            **adaptive,
        )

    def get_config(self):
        """Returns the arguments that rebuild this model, networks included."""
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "filters": self.filters,
            "gradient_penalty_weight": self.gradient_penalty_weight,
            "gradient_penalty_interval": self.gradient_penalty_interval,
            "augmentation": self.augmentation,
            "adaptive_augmentation": self.adaptive_augmentation,
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
        }


def _check_filters(filters, side: int) -> None:
    divisor = 2 ** (num_doublings(side) - 1)
    if as_integer("filters", filters) % divisor:
        raise ValueError(
            f"`filters` must be a positive multiple of {divisor} for images of side {side}, for "
            f"each finer map has half as many. Received: filters={filters!r}"
        )
