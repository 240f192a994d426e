"""What is the same for every model of two players: `AdversarialModel`. It plays no game itself."""

import math
import types

import keras
import numpy as np
import tensorflow as tf

from zoo.common import objectives
from zoo.common.checks import check_choice, check_image_range, first_batch_of
from zoo.common.layers import ReplicaSeedGenerator

# Independent streams of random numbers out of one model seed.
TRAINING_STREAM = 0
GENERATION_STREAM = 1
EVALUATION_STREAM = 2
LABEL_NOISE_STREAM = 3
AUGMENTATION_STREAM = 4
POOL_STREAM = 5

# What every variant logs in training.
SHARED_LOGS = (
    "generator_loss",
    "discriminator_loss",
    "real_score",
    "generated_score",
    "generator_gradient_norm",
    "discriminator_gradient_norm",
)

LATENT_DISTRIBUTIONS = ("normal", "uniform", "unit_uniform")


def draw_latents(shape, seed, distribution: str = "normal") -> tf.Tensor:
    """Draws latents without state: the same seed gives the same latents, everywhere.

    Args:
        shape: shape of the result, `(batch, latent_dim)`.
        seed: integer tensor of shape `(2,)`.
        distribution: `"normal"` for N(0, 1), `"uniform"` for U[-1, 1] (Goodfellow et al. 2014,
            Radford et al. 2015) or `"unit_uniform"` for U[0, 1] (Salimans et al. 2016).

    Returns:
        float32 tensor of that shape.
    """
    if distribution == "normal":
        return tf.random.stateless_normal(shape, seed)
    lowest = -1.0 if distribution == "uniform" else 0.0
    return tf.random.stateless_uniform(shape, seed, lowest, 1.0)


def truncate_latents(latents, truncation, distribution: str = "normal") -> tf.Tensor:
    """Pulls latents toward the centre of their distribution: 1 leaves them, 0 gives the centre.

    Samples get more typical and less varied as `truncation` falls.
    """
    centre = 0.5 if distribution == "unit_uniform" else 0.0
    return centre + truncation * (latents - centre)


def _average_rate(decay: float, completed_steps) -> tf.Tensor:
    """Returns (1 − decay) / (1 − decay^t): how far the bias-corrected average moves at step t."""
    if decay == 0:
        return tf.ones(())
    # expm1, for 1 − decay^t loses most of its digits in float32 while t is small.
    return (decay - 1.0) / tf.math.expm1(completed_steps * math.log(decay))


def _copy_of(network: keras.Model) -> keras.Model:
    """Returns an untrainable copy of `network` with equal weights."""
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())  # clone_model draws new ones
    copy.trainable = False
    return copy


class AdversarialModel(keras.Model):
    """The plumbing of a two-player Keras model.

    A variant builds its networks, then calls `finish_building`, and writes its own `train_step`
    with the help of `draw_latents`, `update_player`, `finish_step`. A player is a group of
    networks: `generator_networks` and `discriminator_networks`, one each unless overridden.

    What a run does is a function of `seed` and of the saved state alone: latents are drawn from
    (seed, step), noise and dropout layers continue from a saved state, so that an interrupted run
    resumed from `save_weights` equals an unbroken one bit for bit.

    Args:
        latent_dim: size of z, or `None` for a model without latents.
        latent_distribution: one of `LATENT_DISTRIBUTIONS`.
        average_decay: decay of the moving average of the weights with which the paper tests. The
            average is corrected for bias, as Adam's moments are: after one step it equals the
            weights, and the initial weights never count.
        seed: seed of every latent drawn in training.

    Raises:
        ValueError: for a `latent_distribution` that is unknown, or an `average_decay` outside
            [0, 1).
    """

    # Name of the objective that `compile` takes if it is given none; `None` where the paper's
    # losses are no adversarial objective, or are part of the variant itself.
    default_objective: str | None = None
    # Whether `evaluate` takes real images and measures generated ones against them.
    takes_quality_measures = True

    def __init__(
        self,
        *,
        latent_dim: int | None = None,
        latent_distribution: str = "normal",
        average_decay: float = 0.999,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if latent_dim is not None and (not isinstance(latent_dim, int) or latent_dim < 1):
            raise ValueError(
                f"`latent_dim` must be a positive integer. Received: latent_dim={latent_dim!r}"
            )
        check_choice("latent_distribution", latent_distribution, LATENT_DISTRIBUTIONS)
        if not 0 <= average_decay < 1:
            raise ValueError(
                f"`average_decay` must be at least 0 and below 1. "
                f"Received: average_decay={average_decay}"
            )
        self.latent_dim = latent_dim
        self.latent_distribution = latent_distribution
        self.average_decay = average_decay
        self.seed = seed
        self.averages: list[tuple[keras.Model, keras.Model]] = []
        self.averaged_generator: keras.Model | None = None

    # === Players ===

    @property
    def generator_networks(self) -> list[keras.Model]:
        """The networks that the generator's optimizer trains."""
        return [self.generator]

    @property
    def discriminator_networks(self) -> list[keras.Model]:
        """The networks that the discriminator's optimizer trains."""
        return [self.discriminator]

    @property
    def sampling_generator(self) -> keras.Model:
        """The network that `generate`, `evaluate` and the export use: an average, if there is."""
        return self.generator if self.averaged_generator is None else self.averaged_generator

    def make_average(self, network: keras.Model) -> keras.Model:
        """Returns a copy of `network` that `finish_step` keeps at the average of its weights."""
        average = _copy_of(network)
        self.averages.append((average, network))
        return average

    def finish_building(self, *further_logs: str) -> None:
        """Adds the step counter and one running mean for each log; call it last in `__init__`.

        Args:
            *further_logs: names of the variant's own logs, beside `SHARED_LOGS`.
        """
        self.step = self.add_weight(
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            name="step",
            aggregation="only_first_replica",
        )
        names = (*SHARED_LOGS, *further_logs)
        self.running_means = {name: keras.metrics.Mean(name=name) for name in names}
        for layer in self._flatten_layers():
            generator = getattr(layer, "seed_generator", None)
            if isinstance(generator, keras.random.SeedGenerator):
                ReplicaSeedGenerator.adopt(generator)
        self.built = True

    # === Compiling ===

    def default_optimizers(self) -> tuple[keras.optimizers.Optimizer, keras.optimizers.Optimizer]:
        """Returns the generator's and the discriminator's optimizer with the paper's constants."""
        raise NotImplementedError(f"{type(self).__name__} names no default optimizers.")

    def compile(
        self,
        generator_optimizer=None,
        discriminator_optimizer=None,
        objective: str | objectives.Objective | None = None,
        quality_measures=(),
        **kwargs,
    ):
        """Prepares the model for `fit`.

        Args:
            generator_optimizer: a Keras optimizer, its name or its config. Defaults to the
                paper's.
            discriminator_optimizer: likewise; not the same object, for each keeps its own slots.
            objective: what the players minimise, an `Objective` or the name of one. Defaults to
                the paper's.
            quality_measures: Keras metrics whose `update_state` takes real and generated images,
                such as those of `zoo.metrics`. `evaluate`, and `fit` with `validation_data`, log
                them by name. They are not saved with the model. Defaults to none.
            **kwargs: `run_eagerly`, `steps_per_execution`, `jit_compile` of `keras.Model.compile`.

        Raises:
            ValueError: if both players were given one optimizer object, an objective or measures
                were given to a variant that takes none, or two measures have one name.
        """
        self.objective = self._objective(objective)
        self._check_quality_measures(quality_measures)
        if generator_optimizer is not None and generator_optimizer is discriminator_optimizer:
            raise ValueError(
                "Each player needs an optimizer of its own. Received one object for both: "
                f"{generator_optimizer}"
            )
        if generator_optimizer is None or discriminator_optimizer is None:
            defaults = self.default_optimizers()
            generator_optimizer = (
                defaults[0] if generator_optimizer is None else generator_optimizer
            )
            discriminator_optimizer = (
                defaults[1] if discriminator_optimizer is None else discriminator_optimizer
            )
        generator_optimizer = self._prepare_optimizer(generator_optimizer, self.generator_networks)
        if quality_measures:
            # Keras compiles on one GPU of its own accord; XLA takes minutes to find eigenvalues.
            kwargs.setdefault("jit_compile", False)
        # Keras wants one optimizer to call its own, and would otherwise make an unused RMSprop.
        super().compile(optimizer=generator_optimizer, auto_scale_loss=False, **kwargs)
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = self._prepare_optimizer(
            discriminator_optimizer, self.discriminator_networks
        )
        with self.distribute_strategy.scope():
            # In a namespace Keras does not see them: an evaluation is no part of the saved state.
            self._evaluation = types.SimpleNamespace(
                measures=tuple(quality_measures),
                batch=tf.Variable(
                    0,
                    dtype=tf.int64,
                    trainable=False,
                    aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
                ),
            )

    def _objective(self, objective):
        if self.default_objective is not None:
            return objectives.get(objective or self.default_objective)
        if objective is not None:
            raise ValueError(
                f"{type(self).__name__} has losses of its own and takes no objective. "
                f"Received: objective={objective!r}"
            )
        return None

    def _check_quality_measures(self, measures) -> None:
        if measures and not self.takes_quality_measures:
            raise ValueError(
                f"{type(self).__name__} is evaluated in a way of its own and takes no quality "
                f"measures. Received: {', '.join(measure.name for measure in measures)}"
            )
        names = [measure.name for measure in measures]
        doubled = [name for name in names if names.count(name) > 1]
        if doubled:
            raise ValueError(
                "Quality measures are logged by name, so no two may have the same; give each a "
                f"name=. Received: {doubled[0]!r} twice."
            )

    def _prepare_optimizer(self, optimizer, networks):
        """Wraps an optimizer for float16 and builds its slots, without which none are restored."""
        optimizer = keras.optimizers.get(optimizer)
        half_precision = any(network.dtype_policy.name == "mixed_float16" for network in networks)
        if half_precision and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build([v for network in networks for v in network.trainable_variables])
        return optimizer

    def get_compile_config(self):
        """Returns optimizers and objective, for the `.keras` format; nothing before `compile`."""
        if not self.compiled:
            return {}
        config = {
            "generator_optimizer": keras.optimizers.serialize(self.generator_optimizer),
            "discriminator_optimizer": keras.optimizers.serialize(self.discriminator_optimizer),
        }
        if self.objective is not None:
            config["objective"] = keras.saving.serialize_keras_object(self.objective)
        return config

    def compile_from_config(self, config):
        """Compiles as `get_compile_config` says."""
        self.compile(
            **{name: keras.saving.deserialize_keras_object(v) for name, v in config.items()}
        )

    # === Training ===

    def fit(self, x=None, *args, **kwargs):
        """Trains the model: `keras.Model.fit`, after a look at the first batch.

        Raises:
            ValueError: if `check_batch` refuses that batch.
        """
        first_batch = first_batch_of(x)
        if first_batch is not None:
            self.check_batch(first_batch)
        if isinstance(x, tf.data.Dataset) and len(args) < 8:
            kwargs.setdefault("shuffle", False)  # Keras warns of its own default
        return super().fit(x, *args, **kwargs)

    def check_batch(self, batch) -> None:
        """Refuses a batch that `train_step` can't take; a variant adds what it expects.

        Raises:
            ValueError: if the images are not scaled to [-1, 1].
        """
        check_image_range(batch)

    def _maybe_symbolic_build(self, *args, **kwargs):
        # Keras would build what is built already, with a made-up batch that drops its structure.
        return

    def draw_latents(self, batch_size, draw: int = 0) -> tf.Tensor:
        """Draws this step's latents, of which each replica takes its own slice.

        The draw is over the global batch, so two replicas see together what one would alone.

        Replicas must hold equal shares of the batch.

        Args:
            batch_size: rows for this replica.
            draw: number of the draw within the step, where a `train_step` draws more than once.

        Returns:
            float32 `(batch_size, latent_dim)`.
        """
        return self._slice_of_latents(batch_size, self._seed(TRAINING_STREAM, self.step, draw))

    def label_seed(self, draw: int = 0) -> tf.Tensor:
        """Returns this step's seed for the noise of an objective's labels.

        Args:
            draw: number of the draw within the step, as for `draw_latents`.
        """
        return self._seed(LABEL_NOISE_STREAM, self.step, draw)

    def _slice_of_latents(self, batch_size, seed) -> tf.Tensor:
        replica_context = tf.distribute.get_replica_context()
        replicas = replica_context.num_replicas_in_sync
        latents = draw_latents(
            (batch_size * replicas, self.latent_dim), seed, self.latent_distribution
        )
        first = replica_context.replica_id_in_sync_group * batch_size
        return latents[first : first + batch_size]

    def _seed(self, stream: int, *numbers) -> tf.Tensor:
        seed = tf.constant([self.seed, stream], tf.int64)
        for number in numbers:
            number = tf.cast(tf.convert_to_tensor(number), tf.int64)
            seed = tf.random.experimental.stateless_fold_in(seed, number)
        return seed

    def update_player(self, loss, tape, optimizer, networks) -> tf.Tensor:
        """Takes one optimizer step on the networks of one player, and on no other.

        The gradient is divided by the number of replicas, over which optimizers take the sum.

        Args:
            loss: float32 scalar, this replica's loss.
            tape: the tape that recorded it.
            optimizer: the player's optimizer.
            networks: the player's networks.

        Returns:
            The Euclidean norm of this replica's own gradient, a float32 scalar; under several
            replicas a log of it is the mean of theirs, not the norm of their mean.
        """
        variables = [v for network in networks for v in network.trainable_variables]
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        scale = tf.cast(optimizer.scale_loss(1.0 / replicas), tf.float32)
        gradients = tape.gradient(loss, variables, output_gradients=scale)
        # Where data of unknown length end, TensorFlow runs all that does not wait for the data.
        with tf.control_dependencies([g for g in gradients if g is not None]):
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return tf.linalg.global_norm(gradients) / scale

    def finish_step(self, **logs) -> dict[str, tf.Tensor]:
        """Updates the averages, counts the step and returns the running means of the logs."""
        completed = tf.cast(self.step + 1, tf.float32)
        rate = _average_rate(self.average_decay, completed)
        for average, network in self.averages:
            for mean, weight in zip(average.weights, network.weights, strict=True):
                mean.assign_add(tf.cast(rate, mean.dtype) * (weight - mean))
        with tf.control_dependencies(list(logs.values())):
            self.step.assign_add(1)
        for name, value in logs.items():
            self.running_means[name].update_state(value)
        return {name: self.running_means[name].result() for name in logs}

    # === Evaluating ===

    def reset_metrics(self):
        """Resets all metrics, and begins the latents of an evaluation anew."""
        super().reset_metrics()
        if self.compiled:
            self._evaluation.batch.assign(0)
            for measure in self._evaluation.measures:
                measure.reset_state()

    def test_step(self, data):
        """Generates as many images as the batch has, and measures them against it.

        The latents are the same at each evaluation, so that scores differ by the weights alone.

        Args:
            data: real images, or a tuple that begins with them.

        Returns:
            The quality measures by name, over all batches so far.

        Raises:
            ValueError: if `compile` was given no measures.
        """
        if not self._evaluation.measures:
            raise ValueError(
                "To evaluate generated images takes measures; compile with quality_measures=[...], "
                "such as those of zoo.metrics. Received: none."
            )
        real_images = data[0] if isinstance(data, (tuple, list)) else data
        seed = self._seed(EVALUATION_STREAM, self._evaluation.batch)
        latents = self._slice_of_latents(tf.shape(real_images)[0], seed)
        generated_images = self.sampling_generator(latents, training=False)
        self._evaluation.batch.assign_add(1)
        for measure in self._evaluation.measures:
            measure.update_state(real_images, generated_images)
        return {measure.name: measure.result() for measure in self._evaluation.measures}

    # === Generating ===

    def latents_for(self, num_images, seed) -> tf.Tensor:
        """Returns the latents out of which `generate(num_images, seed)` makes its images."""
        seed = self._seed(GENERATION_STREAM, seed)
        return draw_latents((num_images, self.latent_dim), seed, self.latent_distribution)

    def generate(
        self, num_images: int, seed: int | None = None, batch_size: int = 64
    ) -> np.ndarray:
        """Generates images.

        Args:
            num_images: how many.
            seed: the same seed gives the same images, whatever the batch size. Defaults to
                `None`: other images at each call.
            batch_size: images made at a time, which bounds the memory taken.

        Returns:
            float32 `(num_images, height, width, channels)`, pixels in [-1, 1].

        Raises:
            ValueError: if `num_images` is not a positive integer.
        """
        if not isinstance(num_images, (int, np.integer)) or num_images < 1:
            raise ValueError(
                f"`num_images` must be a positive integer. Received: num_images={num_images!r}"
            )
        if seed is None:
            seed = int(np.random.default_rng().integers(2**62))
        latents = self.latents_for(num_images, seed)
        batches = [
            self.sampling_generator(latents[first : first + batch_size], training=False)
            for first in range(0, num_images, batch_size)
        ]
        return np.concatenate([np.asarray(batch, np.float32) for batch in batches])

    # === Saving ===

    def export_signatures(self) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """Returns the functions that `export.save` packs; images go in and out in [0, 1].

        `generate(num, seed, truncation)` gives `images`: at truncation 1 those of
        `self.generate(num, seed)`; see `truncate_latents` for less.
        """

        @tf.function(
            input_signature=[
                tf.TensorSpec((), tf.int32, name="num"),
                tf.TensorSpec((), tf.int64, name="seed"),
                tf.TensorSpec((), tf.float32, name="truncation"),
            ]
        )
        def generate(num, seed, truncation):
            latents = self.latents_for(num, seed)
            latents = truncate_latents(latents, truncation, self.latent_distribution)
            images = self.sampling_generator(latents, training=False)
            return {"images": (tf.cast(images, tf.float32) + 1.0) / 2.0}

        return {"generate": generate, "serving_default": generate}

    def _random_states(self) -> list[keras.Variable]:
        return [v for v in self.variables if v.path.endswith("seed_generator_state")]

    def save_own_variables(self, store):
        """Saves the step, and the random states of noise layers, which Keras leaves out."""
        super().save_own_variables(store)
        for number, state in enumerate(self._random_states()):
            store[f"random_state_{number}"] = state.numpy()

    def load_own_variables(self, store):
        """Restores what `save_own_variables` saved."""
        names = [name for name in store.keys() if not name.startswith("random_state_")]  # noqa: SIM118
        super().load_own_variables({name: store[name] for name in names})
        for number, state in enumerate(self._random_states()):
            state.assign(store[f"random_state_{number}"])

    def get_config(self):
        """Returns the arguments that rebuild this model."""
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "average_decay": self.average_decay,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        """Rebuilds a model, with the networks of the user's own that its config holds."""
        return cls(**{key: keras.saving.deserialize_keras_object(v) for key, v in config.items()})
