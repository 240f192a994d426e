"""Energy-based GAN: an autoencoder as discriminator, which judges an image by rebuilding it.

The energy of an image is the error of its reconstruction, low for what the autoencoder knows:

    E(x) = ‖Dec(Enc(x)) − x‖

    min_D  E(x) + max(0, m − E(G(z)))        min_G  E(G(z)) + λ·PT        z ~ N(0, I)

in the mean over x and z. D learns to rebuild real images, and to fail at generated ones until their
energy reaches the margin m; beyond it D asks for no more, so it can't win without end. An energy is
no probability, and the game not zero-sum: G's loss still has a slope where the hinge is flat. At an
equilibrium G(z) is distributed as the data, D loses m, and the energy is the same nearly everywhere
(theorems 1 and 2).

The pulling-away term keeps G from making one image over and over. It is the mean squared cosine
between the codes S = Enc(G(z)) of two images of a batch, over all pairs:

    PT = 1/(N(N − 1)) Σ_{i≠j} (S_iᵀS_j / (‖S_i‖ ‖S_j‖))²

Reference: [Zhao et al., 2016](https://arxiv.org/abs/1609.03126); the fully connected networks are
those of its search on MNIST.
"""

import math

import keras
import tensorflow as tf
from keras import layers

from zoo.common.checks import (
    check_known,
    check_network,
    check_not_negative,
    check_positive_integers,
)
from zoo.common.latent_model import LatentModel
from zoo.common.optimizers import FusedAdam
from zoo.common.priors import Normal

# === Networks ===


def build_generator(
    image_shape=(28, 28, 1), latent_dim: int = 100, num_layers: int = 5, units: int = 1600
) -> keras.Model:
    """Returns a fully connected generator: hidden layers with batch norm and ReLU, then pixels.

    Args:
        image_shape: (height, width, channels).
        latent_dim: size of z.
        num_layers: that of the pixels among them.
        units: of each hidden layer.
    """
    latents = keras.Input((latent_dim,), name="latents")
    x = latents
    for _ in range(num_layers - 1):
        x = layers.Dense(units, use_bias=False)(x)
        # Synchronized: over the global batch, whatever the number of replicas.
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, synchronized=True)(x))
    x = layers.Dense(math.prod(image_shape))(x)
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(latents, layers.Reshape(image_shape, dtype="float32")(x), name="generator")


def build_encoder(image_shape=(28, 28, 1), num_layers: int = 1, units: int = 1024) -> keras.Model:
    """Returns a fully connected encoder, whose every layer has ReLU.

    Args:
        image_shape: (height, width, channels).
        num_layers: how many.
        units: of each, and so the size of a code.
    """
    images = keras.Input(image_shape, name="images")
    x = layers.Flatten()(images)
    for _ in range(num_layers):
        x = layers.Dense(units, activation="relu")(x)
    return keras.Model(images, x, name="encoder")


def build_decoder(image_shape=(28, 28, 1), code_dim: int = 1024) -> keras.Model:
    """Returns the decoder of the paper's search, one layer whatever the encoder.

    Args:
        image_shape: (height, width, channels).
        code_dim: size of a code.
    """
    codes = keras.Input((code_dim,), name="codes")
    x = layers.Dense(math.prod(image_shape))(codes)
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(codes, layers.Reshape(image_shape, dtype="float32")(x), name="decoder")


# === The game ===


def pulling_away_term(codes: tf.Tensor) -> tf.Tensor:
    """Returns the mean squared cosine between the codes of different images.

    Under several replicas the images are those of all of them; the value is then the same on every
    replica.

    Args:
        codes: `(batch, code_dim)`.

    Returns:
        A float32 scalar: 0 for codes at right angles to each other, 1 for codes on one line. A
        single image has no other, and gives 0.
    """
    directions = tf.math.l2_normalize(tf.cast(codes, tf.float32), axis=-1)
    replica_context = tf.distribute.get_replica_context()
    if replica_context is not None and replica_context.num_replicas_in_sync > 1:
        directions = replica_context.all_gather(directions, axis=0)
    cosines = tf.matmul(directions, directions, transpose_b=True)
    is_pair = 1.0 - tf.eye(tf.shape(directions)[0])
    return tf.math.divide_no_nan(
        tf.reduce_sum(is_pair * tf.square(cosines)), tf.reduce_sum(is_pair)
    )


def largest_energy(image_shape) -> float:
    """Returns the energy of an image whose reconstruction is wrong by 1 in every pixel."""
    return math.sqrt(math.prod(image_shape))


# === Model ===


@keras.saving.register_keras_serializable(package="zoo")
class EnergyBasedGAN(LatentModel):
    """Energy-based GAN with an autoencoder; the game is at the top of this file.

    `fit` takes batches of images. The networks of the player `discriminator` are an encoder and a
    decoder. The logs `real_output` and `generated_output` are energies: real images have the lower
    ones. Pixels count as in [0, 1], so that an energy is at most √(number of pixels): 28 of 28×28.

    Args:
        image_shape: (height, width, channels) of the images.
        latent_dim: size of z ~ N(0, I). Defaults to 100.
        generator_layers: that of the pixels among them. Defaults to 5, which the paper's figure 9
            has.
        generator_units: of each hidden layer of G. Defaults to 1,600, as there.
        encoder_layers: Defaults to 1, as there; the decoder has one always.
        encoder_units: of each layer of the encoder, and so the size of a code. Defaults to 1,024,
            as there.
        margin: m, in units of the energy. Defaults to 10, as in the paper's search on MNIST; 20
            and 80 for its faces and bedrooms at 64×64×3.
        pulling_away_weight: λ. Defaults to 0.1, as in the paper's EBGAN-PT; 0 leaves the term out.
        average_decay: decay of an average of G with which `generate`, `evaluate` and the export
            answer. Defaults to 0, no average, as in the paper.
        seed: seed of the latents drawn in training.
        generator: a network of your own, latents → images in [-1, 1].
        encoder: a network of your own, images → codes `(batch, code_dim)`.
        decoder: a network of your own, codes → images in [-1, 1].

    Call arguments:
        latents: float32 `(batch, latent_dim)`.

    Returns:
        float32 `(batch, height, width, channels)`, pixels in [-1, 1].

    Raises:
        ValueError: if an argument is out of range, no energy can reach the margin, or a network
            does not fit.

    Differs from the paper: its digits are padded to 32×32 pixels; ours, where it leaves them open,
    are batch norm in G, the range in which pixels count, and the initial weights.

    Reference: [Zhao et al., 2016](https://arxiv.org/abs/1609.03126)
    """

    def __init__(
        self,
        image_shape=(28, 28, 1),
        latent_dim: int = 100,
        *,
        generator_layers: int = 5,
        generator_units: int = 1600,
        encoder_layers: int = 1,
        encoder_units: int = 1024,
        margin: float = 10.0,
        pulling_away_weight: float = 0.1,
        average_decay: float = 0.0,
        seed: int = 0,
        generator: keras.Model | None = None,
        encoder: keras.Model | None = None,
        decoder: keras.Model | None = None,
        **kwargs,
    ):
        super().__init__(
            image_shape=image_shape,
            prior=Normal(latent_dim),
            average_decay=average_decay,
            seed=seed,
            **kwargs,
        )
        check_positive_integers(
            generator_layers=generator_layers,
            generator_units=generator_units,
            encoder_layers=encoder_layers,
            encoder_units=encoder_units,
        )
        check_not_negative(pulling_away_weight=pulling_away_weight)
        _check_margin(margin, self.image_shape)
        self.generator_layers = generator_layers
        self.generator_units = generator_units
        self.encoder_layers = encoder_layers
        self.encoder_units = encoder_units
        self.margin = margin
        self.pulling_away_weight = pulling_away_weight
        self.generator = generator or build_generator(
            self.image_shape, latent_dim, generator_layers, generator_units
        )
        self.encoder = encoder or build_encoder(self.image_shape, encoder_layers, encoder_units)
        code_dim = _code_dim(self.encoder, self.image_shape)
        self.decoder = decoder or build_decoder(self.image_shape, code_dim)
        check_network("generator", self.generator, (latent_dim,), self.image_shape)
        check_network("decoder", self.decoder, (code_dim,), self.image_shape)
        self.averaged_generator = self.average_of(self.generator)
        self.finish_building(
            players={
                "generator": [self.generator],
                "discriminator": [self.encoder, self.decoder],
            },
            logs=("pulling_away", "real_output", "generated_output"),
        )

    def default_optimizers(self):
        """Returns Adam at 1e-3 for both players, as in the paper's search on MNIST."""
        return {player: FusedAdam(1e-3) for player in self.players}

    def judgement(self, judge, images):
        """Returns the energy of each image, in place of a logit: the higher, the less real."""
        del judge  # half of what judges
        return self.energies(images)[0]

    def energies(self, images, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns how badly the autoencoder rebuilds images, and their codes.

        Args:
            images: float32 `(batch, height, width, channels)`, pixels in [-1, 1].
            training: of both networks.

        Returns:
            Energies, float32 `(batch,)`, and codes `(batch, code_dim)`.
        """
        codes = self.encoder(images, training=training)
        reconstructions = tf.cast(self.decoder(codes, training=training), tf.float32)
        errors = (reconstructions - tf.cast(images, tf.float32)) / 2.0  # of pixels in [0, 1]
        squares = tf.reduce_sum(tf.square(errors), axis=range(1, errors.shape.rank))
        # A root of 0 has an infinite derivative, and 0 times that is not a number.
        return tf.sqrt(squares + 1e-12), codes

    def train_step(self, data):
        """Takes one step of the discriminator, then one of the generator, on the same images."""
        real_images = data
        latents = self.draw_latents(tf.shape(real_images)[0])
        with tf.name_scope("generator_player/"), tf.GradientTape() as generator_tape:
            generated_images = self.generator(latents, training=True)

        with tf.name_scope("discriminator_player/"):
            with tf.GradientTape() as tape:
                real_energies, _ = self.energies(real_images, training=True)
                generated_energies, _ = self.energies(generated_images, training=True)
                # Each image has a margin of its own: some beyond it make up for none before it.
                hinges = tf.nn.relu(self.margin - generated_energies)
                discriminator_loss = tf.reduce_mean(real_energies) + tf.reduce_mean(hinges)
            discriminator_gradient_norm = self.update_player(
                "discriminator", discriminator_loss, tape
            )

        with tf.name_scope("generator_player/"):
            with generator_tape:
                # The image is both what is rebuilt and what the reconstruction is held against: G
                # learns by way of both.
                energies, codes = self.energies(generated_images, training=True)
                pulling_away = pulling_away_term(codes)
                generator_loss = tf.reduce_mean(energies) + self.pulling_away_weight * pulling_away
            generator_gradient_norm = self.update_player(
                "generator", generator_loss, generator_tape
            )

        return self.finish_step(
            generator_loss=generator_loss,
            discriminator_loss=discriminator_loss,
            pulling_away=pulling_away,
            generator_gradient_norm=generator_gradient_norm,
            discriminator_gradient_norm=discriminator_gradient_norm,
            real_output=real_energies,
            generated_output=generated_energies,
        )

    def get_config(self):
        """Returns the arguments that rebuild this model, networks included."""
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "generator_layers": self.generator_layers,
            "generator_units": self.generator_units,
            "encoder_layers": self.encoder_layers,
            "encoder_units": self.encoder_units,
            "margin": self.margin,
            "pulling_away_weight": self.pulling_away_weight,
            "generator": keras.saving.serialize_keras_object(self.generator),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
        }


def _check_margin(margin, image_shape) -> None:
    largest = largest_energy(image_shape)
    if not 0 < margin < largest:
        raise ValueError(
            f"`margin` must be above 0 and below {largest:.4g}, the largest energy of an image of "
            f"shape {image_shape}: D would push generated images to a margin that none can reach. "
            f"Received: margin={margin!r}"
        )


def _code_dim(encoder: keras.Model, image_shape) -> int:
    """Returns the size of a code, of an encoder that takes images and gives one code for each."""
    check_known("encoder", encoder)
    takes, gives = encoder.input_shape[1:], encoder.output_shape[1:]
    if takes != image_shape or len(gives) != 1:
        raise ValueError(
            f"`encoder` must take shape {image_shape} and give codes (code_dim,), batch left out. "
            f"Received: a network that takes {takes} and gives {gives}"
        )
    return gives[0]
