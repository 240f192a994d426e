"""Deep convolutional GAN: the guidelines that made convolutional GANs train.

    min_D  −E[log σ(D(x))] − E[log(1 − σ(D(G(z))))]        min_G  −E[log σ(D(G(z)))]

with z ~ U[−1, 1]^100, D(x) a logit, and in both networks

- strided convolutions in D and transposed ones in G in place of any pooling;
- batch norm, but not on G's output nor on D's input: on every layer the samples oscillate;
- no hidden dense layers: G begins with a projection of z, D ends with one logit of all its last
  activations; averaging these first (global average pooling) is stabler but slower;
- ReLU and at the end tanh in G, LeakyReLU of slope 0.2 in D;
- weights from N(0, 0.02), Adam at 2e-4 with β₁ 0.5, images scaled to [−1, 1] and nothing else.

Both warnings can be tried: `batch_norm_on_every_layer`, `global_average_pooling`.

Reference: [Radford et al., 2015](https://arxiv.org/abs/1511.06434), section 3 and 4. With 64
filters and kernels of 4 at 64×64×3 the networks have the layers of PyTorch's official example.
"""

import keras
import tensorflow as tf
from keras import initializers, layers

from zoo.common.checks import (
    check_network,
    check_not_negative_integers,
    check_positive_integers,
    check_square,
)
from zoo.common.latent_model import LatentModel
from zoo.common.objectives import OUTPUT_LOGS
from zoo.common.optimizers import FusedAdam
from zoo.common.packing import check_packs, packed
from zoo.common.priors import Uniform
from zoo.common.replay import ImagePool

# === Networks ===


def coarsest_side(side: int) -> tuple[int, int]:
    """Returns the side of the smallest feature map, 4 to 7, and how often it is doubled.

    Raises:
        ValueError: if the side of the images is not in 28 … 128, or not 4, 5, 6 or 7 times a power
            of two.
    """
    doublings = 0
    while side % 2**doublings == 0 and side // 2**doublings > 7:
        doublings += 1
    if not 28 <= side <= 128 or side % 2**doublings or side // 2**doublings < 4:
        raise ValueError(
            "The side of the images must be 4, 5, 6 or 7 times a power of two from 28 to 128: 28, "
            f"32, 40, 48, 56, 64, 80, 96, 112 or 128. Received: {side}"
        )
    return side // 2**doublings, doublings


def _batch_norm(x):
    # Synchronized: over the global batch, whatever the number of replicas.
    return layers.BatchNormalization(
        momentum=0.9,
        gamma_initializer=initializers.RandomNormal(1.0, 0.02),
        synchronized=True,
    )(x)


def build_generator(
    image_shape=(32, 32, 3),
    latent_dim: int = 100,
    base_filters: int = 64,
    kernel_size: int = 4,
    batch_norm_on_every_layer: bool = False,
) -> keras.Model:
    """Returns the paper's generator: a projection, then transposed convolutions of stride 2.

    Args:
        image_shape: (side, side, channels).
        latent_dim: size of z.
        base_filters: filters before the image; twice as many at each coarser scale.
        kernel_size: of the transposed convolutions.
        batch_norm_on_every_layer: adds one before tanh, which the paper warns of.
    """
    side, doublings = coarsest_side(image_shape[0])
    options = {"kernel_initializer": initializers.RandomNormal(0.0, 0.02), "use_bias": False}
    latents = keras.Input((latent_dim,), name="latents")
    x = layers.Reshape((1, 1, latent_dim))(latents)
    x = layers.Conv2DTranspose(base_filters * 2 ** (doublings - 1), side, **options)(x)
    x = layers.ReLU()(_batch_norm(x))
    for scale in reversed(range(doublings - 1)):
        x = layers.Conv2DTranspose(base_filters * 2**scale, kernel_size, 2, "same", **options)(x)
        x = layers.ReLU()(_batch_norm(x))
    x = layers.Conv2DTranspose(image_shape[-1], kernel_size, 2, "same", **options)(x)
    if batch_norm_on_every_layer:
        x = _batch_norm(x)
    return keras.Model(latents, layers.Activation("tanh", dtype="float32")(x), name="generator")


def build_discriminator(
    image_shape=(32, 32, 3),
    base_filters: int = 64,
    kernel_size: int = 4,
    batch_norm_on_every_layer: bool = False,
    global_average_pooling: bool = False,
    before_logit: keras.Layer | None = None,
) -> keras.Model:
    """Returns the paper's discriminator: convolutions of stride 2, then one logit.

    Args:
        image_shape: (side, side, channels).
        base_filters: filters of the first convolution; twice as many at each coarser scale.
        kernel_size: of the convolutions.
        batch_norm_on_every_layer: adds one after the first convolution, which the paper warns of.
        global_average_pooling: averages the last feature map before the logit.
        before_logit: a layer for the last activations, flattened, such as one of
            `zoo.common.batch_layers`. Defaults to none, as in the paper.
    """
    side, doublings = coarsest_side(image_shape[0])
    options = {"kernel_initializer": initializers.RandomNormal(0.0, 0.02), "use_bias": False}
    images = keras.Input(image_shape, name="images")
    x = images
    for scale in range(doublings):
        x = layers.Conv2D(base_filters * 2**scale, kernel_size, 2, "same", **options)(x)
        if scale > 0 or batch_norm_on_every_layer:
            x = _batch_norm(x)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
    if global_average_pooling:
        x = layers.GlobalAveragePooling2D(keepdims=True)(x)
        side = 1
    if before_logit is not None:
        x = before_logit(layers.Flatten()(x))
        x = layers.Reshape((1, 1, x.shape[-1]))(x)
        side = 1
    x = layers.Conv2D(1, side, **options)(x)
    logits = layers.Flatten(name="logits", dtype="float32")(x)
    return keras.Model(images, logits, name="discriminator")


# === Model ===


@keras.saving.register_keras_serializable(package="zoo")
class DCGAN(LatentModel):
    """Deep convolutional GAN; game and guidelines are at the top of this file.

    `fit` takes batches of images.

    Args:
        image_shape: (side, side, channels); the side 4, 5, 6 or 7 times a power of two, from 28 to
            128.
        latent_dim: size of z ~ U[-1, 1]. Defaults to 100, as in the paper.
        base_filters: filters at the finest scale. Defaults to 64; the paper's face model has 128.
        kernel_size: of all strided convolutions. Defaults to 4, a multiple of the stride, which
            leaves no checkerboard; the paper has 5.
        batch_norm_on_every_layer: G's output and D's input included. Defaults to False: the paper
            saw samples oscillate.
        global_average_pooling: before D's logit. Defaults to False: the paper saw it slow down
            convergence, though stabler.
        packing: images that D judges at once, all real or all generated, stacked in channels, so
            that it sees a generator repeat itself (Lin et al., 2018). Batches must fill packs.
            Defaults to 1, as in the paper.
        pool_size: generated images of the past from which half of those that D is shown are drawn
            (Shrivastava et al., 2016), so that it forgets less of them. Defaults to 0, none, as in
            the paper.
        average_decay: decay of an average of G with which `generate`, `evaluate` and the export
            answer. Defaults to 0, no average, as in the paper.
        seed: seed of the latents drawn in training.
        generator: a network of your own, latents → images in [-1, 1].
        discriminator: a network of your own, images → one logit; with packing, of `packing` times
            the channels.

    Call arguments:
        latents: float32 `(batch, latent_dim)`.

    Returns:
        float32 `(batch, side, side, channels)`, pixels in [-1, 1].

    Raises:
        ValueError: if an argument is out of range, or a network does not fit.

    Differs from the paper: kernels of 4, not 5. From the authors' code: no weight decay.

    Reference: [Radford et al., 2015](https://arxiv.org/abs/1511.06434)
    """

    default_objective = "non_saturating"

    def __init__(
        self,
        image_shape=(32, 32, 3),
        latent_dim: int = 100,
        base_filters: int = 64,
        kernel_size: int = 4,
        *,
        batch_norm_on_every_layer: bool = False,
        global_average_pooling: bool = False,
        packing: int = 1,
        pool_size: int = 0,
        average_decay: float = 0.0,
        seed: int = 0,
        generator: keras.Model | None = None,
        discriminator: keras.Model | None = None,
        **kwargs,
    ):
        super().__init__(
            image_shape=image_shape,
            prior=Uniform(latent_dim),
            average_decay=average_decay,
            seed=seed,
            **kwargs,
        )
        check_positive_integers(base_filters=base_filters, kernel_size=kernel_size, packing=packing)
        check_not_negative_integers(pool_size=pool_size)
        check_square(self.image_shape)
        self.base_filters = base_filters
        self.kernel_size = kernel_size
        self.batch_norm_on_every_layer = batch_norm_on_every_layer
        self.global_average_pooling = global_average_pooling
        self.packing = packing
        self.pool_size = pool_size
        self.generator = generator or build_generator(
            self.image_shape, latent_dim, base_filters, kernel_size, batch_norm_on_every_layer
        )
        pack_shape = (*self.image_shape[:2], packing * self.image_shape[2])
        self.discriminator = discriminator or build_discriminator(
            pack_shape,
            base_filters,
            kernel_size,
            batch_norm_on_every_layer,
            global_average_pooling,
        )
        check_network("generator", self.generator, (latent_dim,), self.image_shape)
        check_network("discriminator", self.discriminator, pack_shape, (1,))
        self.averaged_generator = self.average_of(self.generator)
        self.pool = ImagePool(self.image_shape, pool_size)
        self.finish_building(
            players={"generator": [self.generator], "discriminator": [self.discriminator]},
            logs=OUTPUT_LOGS,
        )

    def default_optimizers(self):
        """Returns Adam at 2e-4 with β₁ 0.5 for both players, as in the paper."""
        return {player: FusedAdam(2e-4, beta_1=0.5) for player in self.players}

    def check_batch(self, batch, method: str = "fit") -> None:
        """Refuses batches of another structure, image size or range, or that don't fill packs."""
        super().check_batch(batch, method)
        check_packs(batch, self.packing)

    def train_step(self, data):
        """Takes one step of the discriminator, then one of the generator, on the same images."""
        real_images = data
        latents = self.draw_latents(tf.shape(real_images)[0])
        with tf.name_scope("generator_player/"), tf.GradientTape() as generator_tape:
            generated_images = self.generator(latents, training=True)

        shown_images = self.pool(generated_images, seed=self.seed_for("pool"))
        with tf.name_scope("discriminator_player/"):
            with tf.GradientTape() as tape:
                # Apart: batch norm must not tell D from the company which images are real.
                real_packs = packed(real_images, self.packing)
                shown_packs = packed(shown_images, self.packing)
                real_logits = self.discriminator(real_packs, training=True)
                generated_logits = self.discriminator(shown_packs, training=True)
                discriminator_loss = self.objective.discriminator_loss(
                    real_logits, generated_logits, seed=self.seed_for("label_noise")
                )
            discriminator_gradient_norm = self.update_player(
                "discriminator", discriminator_loss, tape
            )

        with tf.name_scope("generator_player/"):
            with generator_tape:
                generated_packs = packed(generated_images, self.packing)
                new_generated_logits = self.discriminator(generated_packs, training=True)
                new_real_logits = None
                if self.objective.is_relativistic:  # compares them, as D judges now
                    new_real_logits = self.discriminator(real_packs, training=True)
                generator_loss = self.objective.generator_loss(
                    new_generated_logits, new_real_logits
                )
            generator_gradient_norm = self.update_player(
                "generator", generator_loss, generator_tape
            )

        return self.finish_step(
            generator_loss=generator_loss,
            discriminator_loss=discriminator_loss,
            generator_gradient_norm=generator_gradient_norm,
            discriminator_gradient_norm=discriminator_gradient_norm,
            **self.objective.outputs(real_logits, generated_logits),
        )

    def get_config(self):
        """Returns the arguments that rebuild this model, networks included."""
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "base_filters": self.base_filters,
            "kernel_size": self.kernel_size,
            "batch_norm_on_every_layer": self.batch_norm_on_every_layer,
            "global_average_pooling": self.global_average_pooling,
            "packing": self.packing,
            "pool_size": self.pool_size,
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
        }
