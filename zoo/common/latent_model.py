"""What is the same for every model that makes images of latents: `LatentModel`."""

import types

import keras
import numpy as np
import tensorflow as tf

from zoo.common import batches
from zoo.common.adversarial import AdversarialModel
from zoo.common.checks import as_integer, check_image_range, check_image_shape
from zoo.common.exported_functions import (
    ReusableCall,
    from_unit_range,
    require_finite,
    require_images,
    require_number,
    require_rows,
    require_seed,
    require_truncation,
    reusable,
    to_unit_range,
)
from zoo.common.measure_logs import directions_of, results_of
from zoo.common.priors import Prior
from zoo.common.probes import Probe
from zoo.common.replicas import place_of_share
from zoo.common.shared_outputs import shared_outputs


class LatentModel(AdversarialModel):
    """A game whose generator makes images of latents z, alone or together with a condition.

    A variant sets `generator`, and `averaged_generator = self.average_of(self.generator)`, with
    which `generate`, `evaluate` and the export answer. A generator with a condition takes
    `[latents, condition]`.

    Args:
        image_shape: (height, width, channels) of the images, or (2,) if the variant `makes_points`.
        prior: what z is drawn from.
        condition: shape and type of one image's condition: a scalar integer for a label, a vector,
            or an image. Defaults to `None`, no condition.
        average_decay, seed: see `AdversarialModel`.

    Raises:
        ValueError: if `image_shape` is not three positive integers, or as `AdversarialModel`.
    """

    # Whether `evaluate` takes real images and measures generated ones against them.
    takes_quality_measures = True
    # Whether it may make points in the plane in place of images, of an `image_shape` of (2,).
    makes_points = False

    def __init__(
        self,
        *,
        image_shape: tuple[int, ...],
        prior: Prior,
        condition: tf.TensorSpec | None = None,
        average_decay: float = 0.0,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(average_decay=average_decay, seed=seed, **kwargs)
        self.image_shape = check_image_shape(image_shape, or_points=self.makes_points)
        self.prior = prior
        self.condition = condition

    @property
    def latent_dim(self) -> int:
        """Size of z."""
        return self.prior.latent_dim

    def call(self, latents, training=False):
        """Returns the images that these latents make, or `[latents, condition]`."""
        return tf.cast(self.averaged_generator(latents, training=training), tf.float32)

    def compile(self, *optimizers, quality_measures=(), **arguments):
        """Prepares the model for `fit`.

        Args:
            quality_measures: Keras metrics whose `update_state` takes real and generated images,
                such as those of `zoo.metrics`. `evaluate`, and `fit` with `validation_data`, log
                them by name. They are not saved with the model; see `set_quality_measures`.
                Defaults to none.
            **arguments: as for `AdversarialModel.compile`: optimizers, objective and Keras's own.

        Raises:
            ValueError: if measures were given to a variant that takes none, two of them have one
                name, they take images of another size or are no metrics, or as
                `AdversarialModel.compile`.
        """
        measures = self._checked_measures(quality_measures)
        super().compile(*optimizers, **arguments)
        self._measure_by(measures)

    def set_quality_measures(self, quality_measures) -> None:
        """Replaces the measures of a compiled model, whose optimizers stay as they are.

        So a model that was loaded is evaluated, for measures are not saved with it.

        Args:
            quality_measures: as for `compile`.

        Raises:
            ValueError: as `compile`, or if the model is not compiled.
        """
        self._assert_compile_called("set_quality_measures")
        measures = self._checked_measures(quality_measures)
        self._measure_by(measures)
        self.test_function = None

    def measures_in_use(self) -> tuple[keras.metrics.Metric, ...]:
        """Returns those that the model was compiled with, or was given since.

        No property, for Keras would save with the model what it finds there.
        """
        return self._evaluation.measures if self.compiled else ()

    def _measure_by(self, measures: tuple[keras.metrics.Metric, ...]) -> None:
        with self.distribute_strategy.scope():
            # In a namespace Keras does not see them: an evaluation is no part of the saved state.
            self._evaluation = types.SimpleNamespace(
                measures=measures,
                batch=tf.Variable(
                    0,
                    dtype=tf.int64,
                    trainable=False,
                    aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
                ),
            )

    def _checked_measures(self, measures) -> tuple[keras.metrics.Metric, ...]:
        measures = tuple(keras.tree.flatten(measures))
        for measure in measures:
            if not isinstance(measure, keras.metrics.Metric):
                raise ValueError(
                    "`quality_measures` are Keras metrics of images, such as "
                    "[zoo.metrics.FrechetDistance(extractor)]. Received: "
                    f"quality_measures=[{measure!r}]"
                )
            if hasattr(measure, "check_image_shape"):
                measure.check_image_shape(self.image_shape)
        if measures and not self.takes_quality_measures:
            raise ValueError(
                f"{type(self).__name__} is evaluated in a way of its own and takes no quality "
                f"measures. Received: {', '.join(measure.name for measure in measures)}"
            )
        names = [name for measure in measures for name in directions_of(measure)]
        doubled = [name for name in names if names.count(name) > 1]
        if doubled:
            raise ValueError(
                "Quality measures are logged by name, so no two may have the same; give each a "
                f"name= or prefix=. Received: {doubled[0]!r} twice."
            )
        return measures

    def _require_measures(self) -> None:
        if self.takes_quality_measures and not self._evaluation.measures:
            raise ValueError(
                "To evaluate generated images takes measures, such as those of zoo.metrics: "
                "compile(quality_measures=[...]), or once compiled set_quality_measures([...]). "
                "Received: none."
            )

    # === Training ===

    @property
    def batch_spec(self):
        """Images, and with a condition `(images, condition)`."""
        images = self._images_spec
        if self.condition is None:
            return images
        shape, name = (None, *self.condition.shape), self.condition.name or "condition"
        return images, tf.TensorSpec(shape, self.condition.dtype, name)

    @property
    def _images_spec(self) -> tf.TensorSpec:
        kind = "images" if len(self.image_shape) == 3 else "points"
        return batches.images_spec(self.image_shape, kind)

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
        with tf.name_scope("latents/"):
            replica_context = tf.distribute.get_replica_context()
            seed = self.seed_for("latents", draw)
            latents = self.prior.draw(batch_size * replica_context.num_replicas_in_sync, seed)
            first = replica_context.replica_id_in_sync_group * batch_size
            return latents[first : first + batch_size]

    @property
    def evaluation_logs(self) -> tuple[str, ...]:
        """The names of the logs of the quality measures."""
        if not self.takes_quality_measures:
            return super().evaluation_logs
        return tuple(name for each in self._evaluation.measures for name in directions_of(each))

    def check_evaluation_batch(self, batch, method: str = "evaluate") -> None:
        """Refuses what `test_step` can't take, and to evaluate without measures."""
        self._require_measures()
        super().check_evaluation_batch(batch, method)

    def check_num_images(self, num_images: int) -> None:
        """Refuses to evaluate without measures, or on too few images for one to be a number."""
        self._require_measures()
        for measure in self._evaluation.measures:
            least = getattr(measure, "least_images", 1)
            if num_images < least:
                raise ValueError(
                    f"{measure.name} is no number of fewer than {least} images; evaluate on more. "
                    f"Received: {num_images}."
                )

    def images_to_adapt_to(self, data, num_images: int = 500) -> tf.Tensor:
        """Returns what `adapt` was given as a batch of images.

        Args:
            data: a batch of images, or a dataset of batches.
            num_images: how many to take from a dataset, or all if there are fewer.

        Raises:
            ValueError: if they are not images of the model's size in [-1, 1].
        """
        if isinstance(data, tf.data.Dataset):
            data = next(iter(data.unbatch().batch(num_images)), None)
        spec, images = self._images_spec, batches.unpacked(data)
        batches.check_form(images, spec, "adapt")
        check_image_range(images)
        return batches.conformed(images, spec)

    def probe(self, batch, training: bool = False) -> dict[str, Probe]:
        """Returns real images, and as many generated ones, of the same latents each time."""
        *_, images = tf.nest.flatten(batch)
        real_images, condition = (images, None) if self.condition is None else batch
        latents = self.prior.draw(tf.shape(real_images)[0], self.stream_seed("probe"))
        inputs = latents if condition is None else [latents, condition]
        generator = self.generator if training else self.averaged_generator
        generated_images = tf.cast(generator(inputs, training=training), tf.float32)
        return {"": Probe(real_images, generated_images)}

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
            data: real images; with a condition `(real_images, condition)`.

        Returns:
            The quality measures by their logs, over all batches so far.

        Raises:
            ValueError: if `compile` was given no measures.
        """
        self._require_measures()
        real_images, condition = (data, None) if self.condition is None else data
        seed = self.stream_seed("evaluation", self._evaluation.batch)
        batch_size = tf.shape(real_images)[0]
        first, global_batch_size = place_of_share(batch_size)
        latents = self.prior.draw(global_batch_size, seed)[first : first + batch_size]
        inputs = latents if condition is None else [latents, condition]
        generated_images = self.averaged_generator(inputs, training=False)
        self._evaluation.batch.assign_add(1)
        with shared_outputs():
            for measure in self._evaluation.measures:
                measure.update_state(real_images, generated_images)
        return results_of(self._evaluation.measures)

    # === Generating ===

    def latents_for(self, num_images, seed) -> tf.Tensor:
        """Returns the latents out of which `generate(num_images, seed)` makes its images."""
        return self.prior.draw(num_images, self.stream_seed("generation", seed))

    def generate(
        self,
        num_images: int,
        seed: int | None = None,
        condition=None,
        batch_size: int = 64,
    ) -> np.ndarray:
        """Generates images.

        Args:
            num_images: how many.
            seed: the same seed gives the same images, whatever the batch size. Defaults to
                `None`: other images at each call.
            condition: of a model that takes one: that of all images, or one a row for each.
            batch_size: images made at a time, which bounds the memory taken.

        Returns:
            float32 `(num_images, height, width, channels)`, pixels in [-1, 1]; or points
            `(num_images, 2)`.

        Raises:
            ValueError: if a number is not an integer, positive but for the seed, or the condition
                is missing, not asked for or of another shape or type.
        """
        num_images = as_integer("num_images", num_images)
        batch_size = as_integer("batch_size", batch_size)
        conditions = self._conditions_of(condition, num_images)
        if seed is None:
            seed = np.random.default_rng().integers(2**62)
        seed = as_integer("seed", seed, least=None)
        latents = self.latents_for(num_images, seed)
        images = []
        for first in range(0, num_images, batch_size):
            rows = slice(first, first + batch_size)
            inputs = latents[rows] if conditions is None else [latents[rows], conditions[rows]]
            images.append(np.asarray(self.averaged_generator(inputs, training=False), np.float32))
        return np.concatenate(images)

    def _conditions_of(self, condition, num_images: int) -> tf.Tensor | None:
        """Returns a condition for each image."""
        if self.condition is None:
            if condition is not None:
                raise ValueError(
                    f"{type(self).__name__} generates without a condition. Received: "
                    f"condition={condition!r}"
                )
            return None
        one, dtype = tuple(self.condition.shape), self.condition.dtype.as_numpy_dtype
        given = None if condition is None else np.asarray(condition)
        fits = given is not None and given.shape in (one, (num_images, *one))
        if not fits or not np.can_cast(given.dtype, dtype, "same_kind"):
            received = "none" if given is None else f"{given.dtype} of shape {given.shape}"
            raise ValueError(
                f"`condition` must be {self.condition.dtype.name} of shape {one}, for all images, "
                f"or of shape {(num_images, *one)}, for each its own. Received: {received}"
            )
        return tf.constant(np.broadcast_to(given, (num_images, *one)), self.condition.dtype)

    # === Saving ===

    @property
    def call_spec(self):
        """Latents, and with a condition `[latents, condition]`."""
        latents = tf.TensorSpec((None, self.latent_dim), tf.float32, "latents")
        return latents if self.condition is None else [latents, self.batch_spec[1]]

    def export_signatures(
        self, checks: bool = True
    ) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """Returns the functions that `export.save` packs; images go in and out in [0, 1].

        `generate(num, seed, truncation)` gives `images`: at truncation 1 those of
        `self.generate(num, seed)`; see `Prior.truncate` for less. `from_latents(latents)` gives
        those of latents. With a condition they are `generate(condition, seed, truncation)`, one
        image a row, and `from_latents(latents, condition)`. Points they give as `points`.
        `draw_latents(num, seed)` gives the `latents` of which `generate` makes its images, and
        between which numbers they lie, `lowest` and `highest`; see `Prior.bounds`.

        Args:
            checks: as for `AdversarialModel.export_signatures`.
        """
        num = tf.TensorSpec((), tf.int32, name="num")
        seed = tf.TensorSpec((), tf.int64, name="seed")
        common = [seed, tf.TensorSpec((), tf.float32, name="truncation")]
        images_name = "images" if len(self.image_shape) == 3 else "points"

        def generated(num_images, seed, truncation, *condition):
            if checks:
                seed, truncation = require_seed(seed), require_truncation(truncation)
            latents = self.prior.truncate(self.latents_for(num_images, seed), truncation)
            return {images_name: self._exported_images([latents, *condition])}

        def made(*inputs):
            return {images_name: self._exported_images(self._checked_inputs(inputs, checks))}

        if self.condition is None:

            @tf.function(input_signature=[num, *common], autograph=False)
            def generate(num, seed, truncation):
                return generated(require_number(num) if checks else num, seed, truncation)

            @tf.function(input_signature=self._export_inputs, autograph=False)
            def from_latents(latents):
                return made(latents)

        else:

            @tf.function(input_signature=[self._export_inputs[1], *common], autograph=False)
            def generate(condition, seed, truncation):
                if checks:
                    condition = self._checked_condition(condition)
                return generated(tf.shape(condition)[0], seed, truncation, condition)

            @tf.function(input_signature=self._export_inputs, autograph=False)
            def from_latents(latents, condition):
                return made(latents, condition)

        @tf.function(input_signature=[num, seed], autograph=False)
        def draw_latents(num, seed):
            if checks:
                num, seed = require_number(num), require_seed(seed)
            lowest, highest = map(tf.constant, self.prior.bounds())
            return {"latents": self.latents_for(num, seed), "lowest": lowest, "highest": highest}

        return {
            "generate": generate,
            "from_latents": from_latents,
            "draw_latents": draw_latents,
            "serving_default": generate,
        }

    def export_call(self, checks: bool = True) -> ReusableCall:
        """Returns what the export's root does when called: latents to images in [0, 1].

        Args:
            checks: as for `AdversarialModel.export_signatures`.
        """

        def call(inputs, training):
            inputs = self._checked_inputs(tf.nest.flatten(inputs), checks)
            return self._exported_images(inputs, training)

        inputs = self._export_inputs
        return reusable(call, inputs if len(inputs) > 1 else inputs[0])

    @property
    def _export_inputs(self) -> list[tf.TensorSpec]:
        latents = tf.TensorSpec((None, self.latent_dim), tf.float32, "latents")
        if self.condition is None:
            return [latents]
        shape = (None, *self.condition.shape)
        return [latents, tf.TensorSpec(shape, self.condition.dtype, "condition")]

    def _checked_inputs(self, inputs, checks: bool) -> list[tf.Tensor]:
        if not checks:
            return list(inputs)
        latents, *condition = inputs
        return [require_finite(latents, "latents"), *map(self._checked_condition, condition)]

    def _checked_condition(self, condition: tf.Tensor) -> tf.Tensor:
        is_image = self.condition.shape.rank == 3
        return require_images(condition) if is_image else require_rows(condition, "condition")

    def _exported_images(self, inputs: list[tf.Tensor], training: bool = False) -> tf.Tensor:
        latents, *condition = inputs
        if condition and self.condition.shape.rank == 3:
            condition = [from_unit_range(*condition)]
        inputs = [latents, *condition] if condition else latents
        images = tf.cast(self.averaged_generator(inputs, training=training), tf.float32)
        return to_unit_range(images) if len(self.image_shape) == 3 else images

    def get_config(self):
        """Returns the arguments that rebuild this model; a variant adds those of its prior."""
        return {**super().get_config(), "image_shape": self.image_shape}
