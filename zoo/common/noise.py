"""Noise on what a discriminator sees, less and less of it."""

import types

import keras
import tensorflow as tf

from zoo.common.layers import ReplicaSeedGenerator

LearningRateSchedule = keras.optimizers.schedules.LearningRateSchedule


@keras.saving.register_keras_serializable(package="zoo")
class DecayingGaussianNoise(keras.layers.Layer):
    """Adds Gaussian noise in training, whose deviation is a function of the training step.

        y = x + stddev(step) · N(0, I)

    At the input of a discriminator it smears out real and generated images alike, so that they
    overlap and D can't tell them apart at once; as it decays the game becomes that without noise.

    `step` is that of the model in which the layer is, which tells it once it is built. A count of
    calls would run ahead, for a discriminator is called on real images, on generated ones and for
    the generator; the model's is saved already, so that a resumed run continues with the noise of
    an unbroken one, and copies that are averages follow it too. Each replica draws its own noise.

    Args:
        stddev: a schedule of the deviation, of `keras.optimizers.schedules` or
            `zoo.common.schedules`, such as `ConstantThenLinearDecay(0.1, 0, 10_000)`, which takes
            it from 0.1 to none over 10,000 steps.
        seed: of the noise. Defaults to one that Keras draws.

    Call arguments:
        inputs: floating, of any shape.
        training: without noise if False.

    Returns:
        The same shape.

    Raises:
        ValueError: if `stddev` is no schedule; or in training, outside of a model of the zoo.

    Reference: [Arjovsky & Bottou, 2017](https://arxiv.org/abs/1701.04862), section 3
    """

    def __init__(self, stddev: LearningRateSchedule, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(stddev, LearningRateSchedule):
            raise ValueError(
                "`stddev` must be a schedule, such as ConstantThenLinearDecay(0.1, 0, 10_000) of "
                "zoo.common.schedules; for constant noise there is keras.layers.GaussianNoise. "
                f"Received: stddev={stddev!r}"
            )
        self.stddev = stddev
        self.seed = seed
        self.seed_generator = ReplicaSeedGenerator(seed)
        # In a namespace Keras does not take the model's step for a weight of this layer.
        self._clock = types.SimpleNamespace(step=None)

    def follow(self, step: keras.Variable) -> None:
        """Takes the step from this variable; `AdversarialModel` calls it with its own."""
        self._clock.step = step

    def call(self, inputs, training=False):
        if not training:
            return inputs
        if self._clock.step is None:
            raise ValueError(
                f"{self.name} needs the step of a model of the zoo, such as "
                "zoo.DCGAN(discriminator=...). Received: a training call outside of one."
            )
        stddev = self.stddev(tf.convert_to_tensor(self._clock.step))
        noise = keras.random.normal(tf.shape(inputs), dtype=inputs.dtype, seed=self.seed_generator)
        return inputs + tf.cast(stddev, inputs.dtype) * noise

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "stddev": keras.optimizers.schedules.serialize(self.stddev),
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        stddev = keras.optimizers.schedules.deserialize(config["stddev"])
        return cls(**{**config, "stddev": stddev})
