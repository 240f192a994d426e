"""A two-player model that trains in milliseconds, for tests of what surrounds training."""

import keras
import numpy as np
import tensorflow as tf

IMAGE_SHAPE = (4, 4, 1)
LATENT_DIM = 3


class TwoPlayers(keras.Model):
    """Two dense networks. The log `quiet_log` is NaN at the step that `poison` says."""

    def __init__(self, units: int = 16, poison: int = -1) -> None:
        super().__init__()
        self.generator = keras.Sequential(
            [
                keras.Input((LATENT_DIM,)),
                keras.layers.Dense(units, activation="relu"),
                keras.layers.Dense(16, activation="tanh"),
                keras.layers.Reshape(IMAGE_SHAPE),
            ],
            name="generator",
        )
        self.discriminator = keras.Sequential(
            [keras.Input(IMAGE_SHAPE), keras.layers.Flatten(), keras.layers.Dense(1)],
            name="discriminator",
        )
        self.step = self.add_weight(
            shape=(), dtype="int64", initializer="zeros", trainable=False, name="step"
        )
        self.poison = poison
        self.error = keras.metrics.Mean(name="error")
        self.built = True

    def compile(self, **kwargs) -> None:
        self.generator_optimizer = keras.optimizers.Adam(1e-2)
        super().compile(optimizer=self.generator_optimizer, **kwargs)
        decay = keras.optimizers.schedules.ExponentialDecay(1e-3, 10, 0.5)
        self.discriminator_optimizer = keras.optimizers.Adam(decay)
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    def _maybe_symbolic_build(self, *args, **kwargs) -> None:
        return

    def _latents(self, number, seed) -> tf.Tensor:
        return tf.random.stateless_normal((number, LATENT_DIM), [seed, 0])

    def generate(self, num_images: int, seed: int | None = None) -> np.ndarray:
        return np.asarray(self.generator(self._latents(num_images, seed or 0), training=False))

    def train_step(self, real_images):
        latents = self._latents(tf.shape(real_images)[0], tf.cast(self.step, tf.int32))
        with tf.name_scope("discriminator_player/"):
            with tf.GradientTape() as tape:
                generated = self.generator(latents, training=True)
                real_logits = self.discriminator(real_images, training=True)
                generated_logits = self.discriminator(generated, training=True)
                discriminator_loss = tf.reduce_mean(
                    tf.nn.softplus(-real_logits) + tf.nn.softplus(generated_logits)
                )
            variables = self.discriminator.trainable_variables
            gradients = tape.gradient(discriminator_loss, variables)
            self.discriminator_optimizer.apply_gradients(zip(gradients, variables, strict=True))
        with tf.name_scope("generator_player/"):
            with tf.GradientTape() as tape:
                logits = self.discriminator(self.generator(latents, training=True), training=True)
                generator_loss = tf.reduce_mean(tf.nn.softplus(-logits))
            variables = self.generator.trainable_variables
            gradients = tape.gradient(generator_loss, variables)
            self.generator_optimizer.apply_gradients(zip(gradients, variables, strict=True))
        # A batch that the data no longer has must not count, yet nothing else would hold this back.
        with tf.control_dependencies([discriminator_loss, generator_loss]):
            self.step.assign_add(1)
        quiet_log = tf.where(tf.equal(self.step, self.poison), float("nan"), 0.0)
        return {
            "generator_loss": generator_loss,
            "discriminator_loss": discriminator_loss,
            "generator_gradient_norm": tf.linalg.global_norm(gradients),
            "quiet_log": quiet_log,
        }

    def test_step(self, real_images):
        generated = self.generator(self._latents(8, 1), training=False)
        self.error.update_state(tf.abs(tf.reduce_mean(real_images) - tf.reduce_mean(generated)))
        return {"error": self.error.result()}


def make_model(**kwargs) -> TwoPlayers:
    """A compiled model whose weights are the same at every call."""
    keras.utils.set_random_seed(7)
    compile_options = {"steps_per_execution": kwargs.pop("steps_per_execution", 1)}
    model = TwoPlayers(**kwargs)
    model.compile(**compile_options)
    return model


def make_images(steps: int = 5, batch_size: int = 4) -> tf.data.Dataset:
    """`steps` batches of images in [-1, 1], the same in each epoch."""
    images = np.random.default_rng(3).uniform(-1, 1, (steps * batch_size, *IMAGE_SHAPE))
    return tf.data.Dataset.from_tensor_slices(images.astype("float32")).batch(
        batch_size, drop_remainder=True
    )


def state_of(model: TwoPlayers) -> list[np.ndarray]:
    """Copies of all weights, the step and both optimizers' slots."""
    variables = [
        *model.variables,
        *model.generator_optimizer.variables,
        *model.discriminator_optimizer.variables,
    ]
    return [np.array(variable.numpy()) for variable in variables]
