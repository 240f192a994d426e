"""Semi-supervised GAN: a classifier that also learns from images without labels.

The discriminator D gives K logits l(x), one a class; the logit of a further class, "generated", is
fixed at 0, which costs no generality since softmax ignores a common shift. So

    p(class k | x, real) = softmax(l(x))_k        p(real | x) = Z(x) / (Z(x) + 1),  Z = Σ exp l_k

and with lse = log Z the discriminator minimises, over labelled, unlabelled and generated images,

    L_labelled   = −E log p(label | x, real)
    L_unlabelled = −½ E log p(real | x) − ½ E log(1 − p(real | G(z)))
                 = −½ E lse(x) + ½ E softplus(lse(x)) + ½ E softplus(lse(G(z)))

The generator matches features f, the last hidden layer of D: it minimises the mean over features
of (E f(x) − E f(G(z)))², or of its absolute value. Fine samples are not its goal: they lie near the
data but not on it, and push the borders between classes out of the crowd and into the gaps.

Reference: [Salimans et al., 2016](https://arxiv.org/abs/1606.03498), section 5, and the authors'
code, which tests with a moving average of D.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from zoo.common import batches
from zoo.common.checks import (
    as_integer,
    check_choice,
    check_image_shape,
    check_labels,
    check_network,
    check_not_negative,
    require_labels,
)
from zoo.common.exported_functions import (
    ReusableCall,
    from_unit_range,
    require_images,
    reusable,
)
from zoo.common.latent_model import LatentModel
from zoo.common.layers import (
    WeightNormalizedConv2D,
    WeightNormalizedConv2DTranspose,
    WeightNormalizedDense,
    initialize_from_data,
)
from zoo.common.optimizers import RootEpsilonAdam
from zoo.common.priors import Uniform
from zoo.common.semi_supervised_losses import (
    feature_matching,
    labelled_loss,
    real_probability,
    unlabelled_loss,
)

ARCHITECTURES = ("multilayer", "convolutional")


# === Networks ===


def build_multilayer_generator(image_shape, latent_dim: int = 100) -> keras.Model:
    """Returns the paper's generator for MNIST: z → 500 → 500 → pixels, softplus and batch norm."""
    latents = keras.Input((latent_dim,), name="latents")
    x = latents
    for _ in range(2):
        x = layers.Dense(500, use_bias=False, kernel_initializer="glorot_uniform")(x)
        x = layers.BatchNormalization(scale=False, synchronized=True)(x)
        x = layers.Activation("softplus")(x)
    num_pixels = image_shape[0] * image_shape[1] * image_shape[2]
    # Adam moves every weight by about the same length: from short vectors, such as Glorot's, their
    # direction would turn so fast that the discriminator wins in the end.
    initializer = keras.initializers.RandomNormal(stddev=0.1)
    x = WeightNormalizedDense(num_pixels, train_scale=True, kernel_initializer=initializer)(x)
    # A sigmoid over [0, 1] is (1 + tanh) / 2 over [-1, 1]: tanh(x/2) = 2·sigmoid(x) − 1.
    x = layers.Rescaling(0.5)(x)
    x = layers.Activation("tanh", dtype="float32")(x)
    images = layers.Reshape(image_shape, name="images", dtype="float32")(x)
    return keras.Model(latents, images, name="generator")


def build_multilayer_discriminator(image_shape, num_classes: int) -> keras.Model:
    """Returns the paper's discriminator for MNIST: 1000 → 500 → 250 → 250 → 250 → K logits.

    Gaussian noise goes before every layer: σ 0.3 on images in [0, 1], hence 0.6 on ours in
    [-1, 1], and 0.5 on hidden layers.
    """
    images = keras.Input(image_shape, name="images")
    x = layers.Flatten()(images)
    x = layers.GaussianNoise(0.6)(x)
    widths = (1000, 500, 250, 250, 250)
    for number, width in enumerate(widths, start=1):
        name = "features" if number == len(widths) else None
        x = WeightNormalizedDense(
            width,
            activation="relu",
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.1),
            name=name,
        )(x)
        x = layers.GaussianNoise(0.5)(x)
    logits = WeightNormalizedDense(
        num_classes,
        train_scale=True,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.1),
        name="logits",
        dtype="float32",
    )(x)
    return keras.Model(images, logits, name="discriminator")


def build_convolutional_generator(
    image_shape, latent_dim: int = 100, base_filters: int = 64
) -> keras.Model:
    """Returns the paper's generator for SVHN and CIFAR-10, 5x5 kernels, stride 2 three times."""
    height, width, channels = image_shape
    initializer = keras.initializers.RandomNormal(stddev=0.05)
    latents = keras.Input((latent_dim,), name="latents")
    x = layers.Dense(
        height // 8 * (width // 8) * base_filters * 8,
        use_bias=False,
        kernel_initializer=initializer,
    )(latents)
    x = layers.BatchNormalization(scale=False, synchronized=True)(x)
    x = layers.ReLU()(x)
    x = layers.Reshape((height // 8, width // 8, base_filters * 8))(x)
    for filters in (base_filters * 4, base_filters * 2):
        x = layers.Conv2DTranspose(
            filters, 5, 2, "same", use_bias=False, kernel_initializer=initializer
        )(x)
        x = layers.BatchNormalization(scale=False, synchronized=True)(x)
        x = layers.ReLU()(x)
    x = WeightNormalizedConv2DTranspose(
        channels,
        5,
        2,
        "same",
        train_scale=True,
        initial_stddev=0.1,
        kernel_initializer=initializer,
    )(x)
    images = layers.Activation("tanh", name="images", dtype="float32")(x)
    return keras.Model(latents, images, name="generator")


def build_convolutional_discriminator(
    image_shape, num_classes: int, base_filters: int = 64
) -> keras.Model:
    """Returns the paper's nine-layer discriminator: 3 x 64 → 3 x 128 → NIN → pool → K logits.

    `base_filters` is 64 for SVHN and 96 for CIFAR-10 in the paper.
    """
    initializer = keras.initializers.RandomNormal(stddev=0.05)

    def convolution(x, filters, kernel_size=3, strides=1, padding="same"):
        x = WeightNormalizedConv2D(
            filters, kernel_size, strides, padding, kernel_initializer=initializer
        )(x)
        return layers.LeakyReLU(negative_slope=0.2)(x)

    images = keras.Input(image_shape, name="images")
    x = layers.Dropout(0.2)(images)
    for strides in (1, 1, 2):
        x = convolution(x, base_filters, strides=strides)
    x = layers.Dropout(0.5)(x)
    for strides in (1, 1, 2):
        x = convolution(x, 2 * base_filters, strides=strides)
    x = layers.Dropout(0.5)(x)
    x = convolution(x, 2 * base_filters, padding="valid")
    for _ in range(2):
        x = convolution(x, 2 * base_filters, kernel_size=1)
    x = layers.GlobalAveragePooling2D(name="features")(x)
    logits = WeightNormalizedDense(
        num_classes,
        train_scale=True,
        initial_stddev=0.1,
        kernel_initializer=initializer,
        name="logits",
        dtype="float32",
    )(x)
    return keras.Model(images, logits, name="discriminator")


def _check_arguments(
    image_shape, num_classes, architecture, base_filters, feature_matching_order
) -> None:
    order = feature_matching_order
    if order is not None and as_integer("feature_matching_order", order, None) not in (1, 2):
        raise ValueError(
            "`feature_matching_order` must be 1 or 2. "
            f"Received: feature_matching_order={feature_matching_order!r}"
        )
    check_choice("architecture", architecture, ARCHITECTURES)
    check_image_shape(image_shape)
    as_integer("num_classes", num_classes, least=2)
    as_integer("base_filters", base_filters)
    sides = image_shape[:2]
    if architecture == "convolutional" and any(side % 8 or side < 16 for side in sides):
        raise ValueError(
            "The convolutional networks need sides that are multiples of 8, 16 or more; for other "
            f"sizes use architecture='multilayer'. Received: image_shape={image_shape}"
        )


def _feature_extractor(discriminator: keras.Model) -> keras.Model:
    names = [layer.name for layer in discriminator.layers]
    if "features" not in names:
        raise ValueError(
            'A layer of `discriminator` must have the name "features": the one whose outputs the '
            f"generator matches, usually the last hidden one. Received: layers {', '.join(names)}"
        )
    return keras.Model(discriminator.input, discriminator.get_layer("features").output)


# === Model ===


@keras.saving.register_keras_serializable(package="zoo")
class SemiSupervisedGAN(LatentModel):
    """Semi-supervised GAN with feature matching; the game is at the top of this file.

    `fit` takes batches `((labelled_images, labels), unlabelled_images)`, such as those of
    `zoo.datasets.load_few_labels`; `evaluate` takes `(images, labels)` and gives the share of
    wrong answers, `error`. Call `adapt` on a few hundred images before the first `fit`.

    Args:
        image_shape: (height, width, channels) of the images.
        num_classes: K, how many classes the labels 0 … K−1 name.
        latent_dim: size of z ~ U[0, 1]. Defaults to 100, as in the paper.
        architecture: `"multilayer"`, the paper's networks for MNIST (any image size), or
            `"convolutional"`, those for SVHN and CIFAR-10 (sides multiples of 8).
        base_filters: filters of the first convolution; 64 for SVHN, 96 for CIFAR-10.
        feature_matching_order: 2 for the squared or 1 for the absolute distance of mean features.
            Defaults to the paper's: 2 for the multilayer network, 1 for the convolutional one.
        unlabelled_weight: weight of L_unlabelled. Defaults to 1, as in the paper.
        average_decay: decay of the average of D with which `predict`, `evaluate` and the export
            answer. Defaults to 0.9999, as in the authors' code.
        class_names: K names for the export. Defaults to "0" … "K−1".
        seed: seed of the latents drawn in training.
        generator: a network of your own, latents → images in [-1, 1].
        discriminator: a network of your own, images → K logits; a layer of it must be named
            "features".

    Call arguments:
        images: float32 `(batch, height, width, channels)`, pixels in [-1, 1].

    Returns:
        float32 `(batch, num_classes)`: probabilities of the classes, given that x is real.

    Raises:
        ValueError: if the architecture can't take `image_shape`, or an argument is out of range.

    Differs from the authors' code: the average of D is corrected for its start; the weights before
    the pixels of the multilayer generator start at N(0, 0.1), not at Glorot's; the generator
    matches the features of the batch that D has just seen, not of another; the unlabelled images of
    `zoo.datasets.load_few_labels` are all but the labelled ones, not all.

    Reference: [Salimans et al., 2016](https://arxiv.org/abs/1606.03498)
    """

    takes_quality_measures = False

    def __init__(
        self,
        image_shape=(28, 28, 1),
        num_classes: int = 10,
        *,
        latent_dim: int = 100,
        architecture: str = "multilayer",
        base_filters: int = 64,
        feature_matching_order: int | None = None,
        unlabelled_weight: float = 1.0,
        average_decay: float = 0.9999,
        class_names=None,
        seed: int = 0,
        generator: keras.Model | None = None,
        discriminator: keras.Model | None = None,
        **kwargs,
    ):
        _check_arguments(
            image_shape, num_classes, architecture, base_filters, feature_matching_order
        )
        super().__init__(
            image_shape=image_shape,
            prior=Uniform(latent_dim, 0.0, 1.0),
            average_decay=average_decay,
            seed=seed,
            **kwargs,
        )
        self.num_classes = num_classes
        self.architecture = architecture
        self.base_filters = base_filters
        default_order = 2 if architecture == "multilayer" else 1
        self.feature_matching_order = (
            default_order if feature_matching_order is None else feature_matching_order
        )
        check_not_negative(unlabelled_weight=unlabelled_weight)
        self.unlabelled_weight = unlabelled_weight
        self.class_names = list(class_names or map(str, range(num_classes)))
        if len(self.class_names) != num_classes:
            raise ValueError(
                f"`class_names` must hold {num_classes} names. Received: {self.class_names}"
            )
        self.generator = generator or self._build_generator()
        self.discriminator = discriminator or self._build_discriminator()
        check_network("generator", self.generator, (latent_dim,), self.image_shape)
        check_network("discriminator", self.discriminator, self.image_shape, (num_classes,))
        self.averaged_generator = self.generator  # The paper averages the classifier alone.
        self.averaged_discriminator = self.average_of(self.discriminator)
        self.feature_extractor = _feature_extractor(self.discriminator)
        self.finish_building(
            players={"generator": [self.generator], "discriminator": [self.discriminator]},
            logs=("real_score", "generated_score", "labelled_loss", "unlabelled_loss", "error"),
        )

    def _build_generator(self):
        if self.architecture == "multilayer":
            return build_multilayer_generator(self.image_shape, self.latent_dim)
        return build_convolutional_generator(self.image_shape, self.latent_dim, self.base_filters)

    def _build_discriminator(self):
        if self.architecture == "multilayer":
            return build_multilayer_discriminator(self.image_shape, self.num_classes)
        return build_convolutional_discriminator(
            self.image_shape, self.num_classes, self.base_filters
        )

    def default_optimizers(self):
        """Returns the authors' Adam for both players: 3e-3 for the MNIST networks, else 3e-4.

        Its ε stands inside the root. With Keras's Adam, whose ε is a thousand times smaller in
        effect, the generator's steps don't shrink with the gradient of feature matching, a mean
        over hundreds of features, and the discriminator wins within some thousand steps.
        """
        learning_rate = 3e-3 if self.architecture == "multilayer" else 3e-4
        return {player: RootEpsilonAdam(learning_rate, beta_1=0.5) for player in self.players}

    def adapt(self, images) -> None:
        """Initialises the weight-normalised layers from data.

        As in the authors' code, that is the discriminator and, of the generators, only the
        convolutional one: the multilayer generator, initialised so, never catches up with D.

        Args:
            images: float32 `(batch, height, width, channels)` in [-1, 1], or a dataset of such
                batches, of which 500 images are taken, as in the paper.

        Raises:
            ValueError: if the images are not such, or the model has trained already, for its
                weights would be lost.
        """
        steps_done = int(self.step.numpy())
        if steps_done > 0:
            raise ValueError(
                "adapt() sets the initial weights, so call it before fit(). Received: a model "
                f"trained for {steps_done} steps."
            )
        images = self.images_to_adapt_to(images)
        initialize_from_data(self.discriminator, images)
        if self.architecture == "convolutional":
            initialize_from_data(self.generator, self.latents_for(len(images), 0))
        self.averaged_discriminator.set_weights(self.discriminator.get_weights())

    def call(self, images, training=False):
        """Returns the probabilities of the classes, by the averaged discriminator."""
        return tf.nn.softmax(self.averaged_discriminator(images, training=False))

    @property
    def batch_spec(self):
        """`((labelled_images, labels), unlabelled_images)`."""
        return self._labelled_spec("labelled_images"), batches.images_spec(
            self.image_shape, "unlabelled_images"
        )

    @property
    def evaluation_spec(self):
        """`(images, labels)`."""
        return self._labelled_spec("images")

    def _labelled_spec(self, name: str):
        labels = tf.TensorSpec((None,), tf.int32, "labels")
        return batches.images_spec(self.image_shape, name), labels

    def check_rows(self, rows) -> None:
        """Refuses rows out of range, labels among them."""
        super().check_rows(rows)
        _, labels, *_ = tf.nest.flatten(rows)
        check_labels(labels, self.num_classes)

    def rows_of_epoch(self, lengths):
        """Returns how many unlabelled images there are: of arrays an epoch is a pass over them."""
        return lengths[1]

    def train_step(self, data):
        """Takes one step of the discriminator, then one of the generator."""
        (labelled_images, labels), unlabelled_images = data
        batch_size = tf.shape(unlabelled_images)[0]

        latents = self.draw_latents(batch_size, draw=0)
        with tf.name_scope("generator_player/"):
            generated_images = self.generator(latents, training=True)
        with tf.name_scope("discriminator_player/"):
            with tf.GradientTape() as tape:
                labelled_logits = self.discriminator(labelled_images, training=True)
                unlabelled_logits = self.discriminator(unlabelled_images, training=True)
                generated_logits = self.discriminator(generated_images, training=True)
                loss_of_labelled = labelled_loss(labelled_logits, labels)
                loss_of_unlabelled = unlabelled_loss(unlabelled_logits, generated_logits)
                discriminator_loss = loss_of_labelled + self.unlabelled_weight * loss_of_unlabelled
            discriminator_gradient_norm = self.update_player(
                "discriminator", discriminator_loss, tape
            )

        latents = self.draw_latents(batch_size, draw=1)
        with tf.name_scope("generator_player/"):
            with tf.GradientTape() as tape:
                generated_images = self.generator(latents, training=True)
                real_features = self.feature_extractor(unlabelled_images, training=True)
                generated_features = self.feature_extractor(generated_images, training=True)
                generator_loss = feature_matching(
                    real_features, generated_features, order=self.feature_matching_order
                )
            generator_gradient_norm = self.update_player("generator", generator_loss, tape)

        return self.finish_step(
            generator_loss=generator_loss,
            discriminator_loss=discriminator_loss,
            labelled_loss=loss_of_labelled,
            unlabelled_loss=loss_of_unlabelled,
            real_score=real_probability(unlabelled_logits),
            generated_score=real_probability(generated_logits),
            generator_gradient_norm=generator_gradient_norm,
            discriminator_gradient_norm=discriminator_gradient_norm,
        )

    def test_step(self, data):
        """Returns the share of images that the averaged discriminator names wrongly.

        It is NaN where an image or an answer is.

        Raises:
            InvalidArgumentError: when the step runs, if a label names no class.
        """
        images, labels = data
        labels = require_labels(labels, self.num_classes)
        probabilities = self(images, training=False)
        answers = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
        # Fused layers may take the largest of 0 and a NaN for 0, so that the answer tells nothing.
        is_finite = tf.reduce_all(tf.math.is_finite(probabilities), axis=-1)
        is_finite &= tf.reduce_all(tf.math.is_finite(images), axis=(1, 2, 3))
        wrong = tf.where(is_finite, tf.cast(answers != labels, tf.float32), np.nan)
        self.running_means["error"].update_state(wrong)
        return {"error": self.running_means["error"].result()}

    # === Export and config ===

    @property
    def call_spec(self):
        """Images."""
        return batches.images_spec(self.image_shape)

    def export_signatures(
        self, checks: bool = True
    ) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """Returns the functions that `export.save` packs; images go in and out in [0, 1].

        `classify(images)` gives `probabilities` and `labels`, beside a `LatentModel`'s functions.

        Args:
            checks: as for `AdversarialModel.export_signatures`.
        """

        @tf.function(input_signature=[batches.images_spec(self.image_shape)], autograph=False)
        def classify(images):
            if checks:
                images = require_images(images)
            probabilities = self(from_unit_range(images))
            names = tf.gather(tf.constant(self.class_names), tf.argmax(probabilities, axis=-1))
            return {"probabilities": probabilities, "labels": names}

        generated = super().export_signatures(checks)
        return {**generated, "classify": classify, "serving_default": classify}

    def export_call(self, checks: bool = True) -> ReusableCall:
        """Returns what the export's root does when called: images in [0, 1] to logits.

        Args:
            checks: as for `AdversarialModel.export_signatures`.
        """

        def call(images, training):
            if checks:
                images = require_images(images)
            return self.averaged_discriminator(from_unit_range(images), training=training)

        return reusable(call, batches.images_spec(self.image_shape))

    def get_config(self):
        """Returns the arguments that rebuild this model, networks included."""
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "num_classes": self.num_classes,
            "architecture": self.architecture,
            "base_filters": self.base_filters,
            "feature_matching_order": self.feature_matching_order,
            "unlabelled_weight": self.unlabelled_weight,
            "class_names": self.class_names,
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
        }
