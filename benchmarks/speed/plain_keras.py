"""Three games as the guides of Keras write them: a `Model` with its own `train_step`.

https://keras.io/guides/custom_train_step_in_tensorflow/ and the examples DCGAN, CycleGAN and
WGAN-GP of keras.io. They take the networks and optimizers of the zoo's models; what differs is the
step: no averages, seeds, gradient norms, replicas or checks.
"""

import keras
import tensorflow as tf

from zoo.common.adversarial import AdversarialModel

_cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
_squared_error = keras.losses.MeanSquaredError()
_absolute_error = keras.losses.MeanAbsoluteError()


class PlainModel(keras.Model):
    """Shares with the others that it trains the networks of a model of the zoo.

    Args:
        model: of the zoo.
    """

    def __init__(self, model: AdversarialModel) -> None:
        super().__init__()
        self.of_the_zoo = model
        self.g_optimizer = model.default_optimizers()["generator"]
        self.d_optimizer = list(model.default_optimizers().values())[1]
        self.built = True

    def apply(self, optimizer, tape, loss, variables) -> None:
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))


class PlainDCGAN(PlainModel):
    """As https://keras.io/examples/generative/dcgan_overriding_train_step/."""

    def train_step(self, real_images):
        generator, discriminator = self.of_the_zoo.generator, self.of_the_zoo.discriminator
        batch_size = tf.shape(real_images)[0]
        shape = (batch_size, self.of_the_zoo.latent_dim)
        generated_images = generator(tf.random.uniform(shape, -1, 1), training=True)
        with tf.GradientTape() as tape:
            real_logits = discriminator(real_images, training=True)
            generated_logits = discriminator(generated_images, training=True)
            d_loss = _cross_entropy(tf.ones_like(real_logits), real_logits)
            d_loss += _cross_entropy(tf.zeros_like(generated_logits), generated_logits)
        self.apply(self.d_optimizer, tape, d_loss, discriminator.trainable_weights)
        with tf.GradientTape() as tape:
            images = generator(tf.random.uniform(shape, -1, 1), training=True)
            logits = discriminator(images, training=True)
            g_loss = _cross_entropy(tf.ones_like(logits), logits)
        self.apply(self.g_optimizer, tape, g_loss, generator.trainable_weights)
        return {"d_loss": d_loss, "g_loss": g_loss}


class PlainWGANGP(PlainModel):
    """As https://keras.io/examples/generative/wgan_gp/; a batch is cut into the critic's parts."""

    def train_step(self, data):
        model = self.of_the_zoo
        for part in tf.split(data, model.critic_steps):
            latents = tf.random.normal((tf.shape(part)[0], model.latent_dim))
            generated = model.generator(latents, training=True)
            with tf.GradientTape() as tape:
                real_output = model.critic(part, training=True)
                generated_output = model.critic(generated, training=True)
                c_loss = tf.reduce_mean(generated_output) - tf.reduce_mean(real_output)
                alpha = tf.random.uniform((tf.shape(part)[0], 1, 1, 1))
                between = part + alpha * (generated - part)
                with tf.GradientTape() as inner:
                    inner.watch(between)
                    output = model.critic(between, training=True)
                slopes = inner.gradient(output, between)
                norm = tf.sqrt(tf.reduce_sum(tf.square(slopes), axis=[1, 2, 3]))
                c_loss += model.gradient_penalty_weight * tf.reduce_mean((norm - 1.0) ** 2)
            self.apply(self.d_optimizer, tape, c_loss, model.critic.trainable_weights)
        latents = tf.random.normal((tf.shape(part)[0], model.latent_dim))
        with tf.GradientTape() as tape:
            images = model.generator(latents, training=True)
            g_loss = -tf.reduce_mean(model.critic(images, training=True))
        self.apply(self.g_optimizer, tape, g_loss, model.generator.trainable_weights)
        return {"c_loss": c_loss, "g_loss": g_loss}


class PlainCycleGAN(PlainModel):
    """As https://keras.io/examples/generative/cyclegan/: four optimizers, a persistent tape."""

    def __init__(self, model: AdversarialModel) -> None:
        super().__init__(model)
        names = ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b")
        self.networks = [getattr(model, name) for name in names]
        self.optimizers = [model.default_optimizers()["generator"] for _ in names]

    def train_step(self, data):
        real_a, real_b = data
        to_b, to_a, judge_a, judge_b = self.networks
        model = self.of_the_zoo
        with tf.GradientTape(persistent=True) as tape:
            generated_b, generated_a = to_b(real_a, training=True), to_a(real_b, training=True)
            returned_a = to_a(generated_b, training=True)
            returned_b = to_b(generated_a, training=True)
            same_a, same_b = to_a(real_a, training=True), to_b(real_b, training=True)
            logits_a, fake_a = judge_a(real_a, training=True), judge_a(generated_a, training=True)
            logits_b, fake_b = judge_b(real_b, training=True), judge_b(generated_b, training=True)
            cycle = _absolute_error(real_a, returned_a) + _absolute_error(real_b, returned_b)
            cycle *= model.cycle_weight
            identity = model.cycle_weight * model.identity_weight
            ab_loss = _squared_error(tf.ones_like(fake_b), fake_b) + cycle
            ab_loss += identity * _absolute_error(real_b, same_b)
            ba_loss = _squared_error(tf.ones_like(fake_a), fake_a) + cycle
            ba_loss += identity * _absolute_error(real_a, same_a)
            a_loss = self._judged(logits_a, fake_a)
            b_loss = self._judged(logits_b, fake_b)
        losses = (ab_loss, ba_loss, a_loss, b_loss)
        for optimizer, loss, network in zip(self.optimizers, losses, self.networks, strict=True):
            self.apply(optimizer, tape, loss, network.trainable_weights)
        return {"ab_loss": ab_loss, "ba_loss": ba_loss, "a_loss": a_loss, "b_loss": b_loss}

    @staticmethod
    def _judged(real_logits, generated_logits):
        return 0.5 * (
            _squared_error(tf.ones_like(real_logits), real_logits)
            + _squared_error(tf.zeros_like(generated_logits), generated_logits)
        )


PLAIN = {"DCGAN": PlainDCGAN, "WGANGP": PlainWGANGP, "CycleGAN": PlainCycleGAN}
