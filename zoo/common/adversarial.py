"""What is the same for every game of several players: `AdversarialModel`. It plays none itself."""

import math
import types
import zlib
from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf

from zoo.common import batches, distribution, objectives, training_data
from zoo.common.callbacks import prepared_callbacks
from zoo.common.checks import as_integer, check_image_range
from zoo.common.constructors import with_python_numbers
from zoo.common.exported_functions import ReusableCall
from zoo.common.keras_saving import remember_skipped_attributes
from zoo.common.layers import ReplicaSeedGenerator
from zoo.common.learning_rates import JointOptimizer, refuse_foreign_optimizer
from zoo.common.noise import DecayingGaussianNoise
from zoo.common.precision import computes_in_float16, finite_together, under_policy
from zoo.common.probes import Probe


def _average_rate(decay: float, completed_steps) -> tf.Tensor:
    """Returns (1 − decay) / (1 − decay^t): how far the bias-corrected average moves at step t."""
    # expm1, for 1 − decay^t loses most of its digits in float32 while t is small.
    return (decay - 1.0) / tf.math.expm1(completed_steps * math.log(decay))


def _copy_of(network: keras.Model) -> keras.Model:
    """Returns an untrainable copy of `network` with equal weights."""
    copy = keras.models.clone_model(network)
    copy.name = f"averaged_{network.name}"  # by which `summary` tells it from the other
    copy.set_weights(network.get_weights())  # clone_model draws new ones
    copy.trainable = False
    return copy


COMPILE_ARGUMENTS = ("run_eagerly", "steps_per_execution", "jit_compile")


class AdversarialModel(keras.Model):
    """The plumbing of a Keras model in which several players each minimise a loss of their own.

    A player is a name and a group of networks: `"generator"`, `"discriminator"`, `"critic"`,
    `"encoder"`. Each has an optimizer of its own, `<player>_optimizer`, and the logs
    `<player>_loss` and `<player>_gradient_norm`. A variant builds its networks, then calls
    `finish_building`, and writes its own `train_step` with the help of `update_player`, `seed_for`
    and `finish_step`. A model that makes images of latents is a `LatentModel`.

    What a run does is a function of `seed` and of the saved state alone: what is drawn is drawn
    from (seed, step), noise and dropout layers continue from a saved state, so that an interrupted
    run resumed from `save_weights` equals an unbroken one bit for bit.

    Args:
        average_decay: decay of the moving average of the weights with which the paper tests, see
            `average_of`. Defaults to 0, no average. The average is corrected for bias, as Adam's
            moments are: after one step it equals the weights, and the initial weights never count.
        seed: seed of all that is drawn in training.

    Attributes:
        players: the networks of each player, by its name.

    Raises:
        ValueError: for an `average_decay` outside [0, 1), or a `seed` that is no integer.
    """

    # Name of the objective that `compile` takes if it is given none; `None` where the paper's
    # losses are no adversarial objective, or are part of the variant itself.
    default_objective: str | None = None

    def __init_subclass__(cls, **kwargs):
        """Has the constructor of each variant take numbers of NumPy's as it does Python's."""
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = with_python_numbers(cls.__init__)

    def __init__(self, *, average_decay: float = 0.0, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= average_decay < 1:
            raise ValueError(
                f"`average_decay` must be at least 0 and below 1. "
                f"Received: average_decay={average_decay}"
            )
        self.average_decay = average_decay
        self.seed = as_integer("seed", seed, least=None)
        self.averages: list[tuple[keras.Model, keras.Model]] = []

    # === Players ===

    def average_of(self, network: keras.Model) -> keras.Model:
        """Returns a copy of `network` that `finish_step` keeps at the average of its weights.

        With an `average_decay` of 0 there is none, and it returns the network itself. Either way
        it is what generates, translates or classifies outside of training.
        """
        if not self.average_decay:
            return network
        average = _copy_of(network)
        self.averages.append((average, network))
        return average

    def finish_building(
        self, players: Mapping[str, Sequence[keras.Model]], logs: Sequence[str] = ()
    ) -> None:
        """Names the players and adds what training counts; call it last in `__init__`.

        Args:
            players: the networks that each player's optimizer trains, by the player's name.
            logs: names of what `train_step` and `test_step` log beside each player's loss and
                gradient norm.

        Raises:
            ValueError: if two players share a weight, of which both would have optimizer state.
        """
        # Read-only, and neither list nor dict: Keras saves the networks under their own names.
        self.players = types.MappingProxyType(
            {player: tuple(networks) for player, networks in players.items()}
        )
        self._refuse_shared_weights()
        self._refuse_unused_policy()
        self.step = self.add_weight(
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            name="step",
            aggregation="only_first_replica",
        )
        names = [
            f"{player}_{what}" for player in self.players for what in ("loss", "gradient_norm")
        ]
        self.running_means = {name: keras.metrics.Mean(name=name) for name in (*names, *logs)}
        for layer in self._flatten_layers():
            for name in ("seed_generator", "generator"):  # of noise layers, and of augmenting ones
                generator = getattr(layer, name, None)
                if isinstance(generator, keras.random.SeedGenerator):
                    ReplicaSeedGenerator.adopt(generator)
            if isinstance(layer, DecayingGaussianNoise):
                layer.follow(self.step)
        self.built = True

    def _refuse_shared_weights(self) -> None:
        owners: dict[int, str] = {}
        for player in self.players:
            for variable in self.trainable_variables_of(player):
                owner = owners.setdefault(id(variable), player)
                if owner != player:
                    raise ValueError(
                        "A weight can be one player's alone. Received: "
                        f"{variable.path}, which both {owner} and {player} would train."
                    )

    def _refuse_unused_policy(self) -> None:
        networks = [network for group in self.players.values() for network in group]
        policies = {keras.config.dtype_policy().name, *(n.dtype_policy.name for n in networks)}
        if self.dtype_policy.name not in policies:
            raise ValueError(
                "The networks take their precision from keras.config.set_dtype_policy("
                f"{self.dtype_policy.name!r}), called before they are built. Received: "
                f"dtype={self.dtype_policy.name!r}"
            )

    def trainable_variables_of(self, player: str) -> list[keras.Variable]:
        """Returns the weights that a player's optimizer trains, each once."""
        variables = [v for network in self.players[player] for v in network.trainable_variables]
        return list({id(variable): variable for variable in variables}.values())

    @property
    def optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Each player's optimizer, by the player's name; of a model that is compiled."""
        return {player: getattr(self, f"{player}_optimizer") for player in self.players}

    @property
    def optimizer(self) -> JointOptimizer:
        """What callbacks that know one optimizer are given: its rate scales those of all."""
        return self._joint_optimizer

    @optimizer.setter
    def optimizer(self, optimizer) -> None:
        """Keras sets the one that it was compiled with; `compile` then sets them all."""

    # === Compiling ===

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Returns each player's optimizer, new and with the paper's constants."""
        raise NotImplementedError(f"{type(self).__name__} names no default optimizers.")

    def compile(
        self, *optimizers, objective: str | objectives.Objective | None = None, **arguments
    ):
        """Prepares the model for `fit`.

        Args:
            objective: what the players minimise, an `Objective` or the name of one. Defaults to
                the paper's.
            **arguments: `<player>_optimizer` for each player, a Keras optimizer, its name or its
                config, by default the paper's; not one object for two players, for each keeps its
                own slots. Beside these `run_eagerly`, `steps_per_execution` and `jit_compile` of
                `keras.Model.compile`.

        Raises:
            ValueError: if there is no such player, two players were given one optimizer object,
                what was given is no optimizer, all weights of a player are frozen, an objective
                was given to a variant that takes none, an argument is none of these, several
                replicas are to train by XLA or several steps in a call, or an optimizer was made,
                or this is called, in the scope of another strategy than the model's.
        """
        if optimizers:
            self._refuse_optimizer(f"{optimizers[0]!r} without a player's name")
        strategy = self.distribute_strategy
        if not strategy.extended.variable_created_in_scope(self.step.value):
            raise ValueError(
                "compile() was called in the scope of a strategy in which the model was not made; "
                f"make it there, too. Received: {type(strategy).__name__}"
            )
        with strategy.scope():  # wherever it is called
            self._compile(objective, arguments)

    def _compile(self, objective, arguments: dict) -> None:
        self.objective = self._objective(objective)
        optimizers = self._optimizers_of(arguments)
        self._refuse_other_arguments(arguments)
        self._refuse_for_replicas(arguments)
        # Of those that Keras takes it alone decides what random numbers a step draws.
        self._given_jit_compile = arguments.get("jit_compile", "auto")
        # Keras wants one optimizer to call its own, and would otherwise make an unused RMSprop.
        super().compile(
            optimizer=next(iter(optimizers.values())), auto_scale_loss=False, **arguments
        )
        for player, optimizer in optimizers.items():
            setattr(self, f"{player}_optimizer", optimizer)
        self._joint_optimizer = JointOptimizer(types.MappingProxyType(optimizers))

    def _objective(self, objective):
        """Returns the objective; None for a variant whose losses are its own."""
        if self.default_objective is not None:
            return objectives.get(objective or self.default_objective)
        if objective is not None:
            raise ValueError(
                f"{type(self).__name__} has losses of its own and takes no objective. "
                f"Received: objective={objective!r}"
            )
        return None

    def _optimizers_of(self, arguments: dict) -> dict[str, keras.optimizers.Optimizer]:
        """Takes the players' optimizers out of the arguments of `compile`, and prepares them."""
        given = {player: arguments.pop(f"{player}_optimizer", None) for player in self.players}
        for name in arguments:
            if name.endswith("optimizer"):
                self._refuse_optimizer(f"{name}={arguments[name]!r}")
        objects = [o for o in given.values() if isinstance(o, keras.optimizers.Optimizer)]
        if len({id(optimizer) for optimizer in objects}) < len(objects):
            raise ValueError(
                "Each player needs an optimizer of its own. Received one object for two players: "
                f"{', '.join(f'{player}_optimizer={given[player]}' for player in given)}"
            )
        if None in given.values():
            defaults = self.default_optimizers()
            given = {p: defaults[p] if o is None else o for p, o in given.items()}
        return {player: self._prepared(player, given[player]) for player in given}

    def _refuse_optimizer(self, received: str) -> None:
        wanted = ", ".join(f"{player}_optimizer" for player in self.players)
        raise ValueError(
            f"{type(self).__name__} has an optimizer for each player: {wanted}. "
            f"Received: {received}"
        )

    def _refuse_other_arguments(self, arguments: dict) -> None:
        unknown = [name for name in arguments if name not in COMPILE_ARGUMENTS]
        if unknown:
            has_measures = getattr(self, "takes_quality_measures", False)
            measures = "; measures are quality_measures=[...]" if has_measures else ""
            raise ValueError(
                f"{type(self).__name__} has losses of its own; beside optimizers and objective "
                f"compile() takes {', '.join(COMPILE_ARGUMENTS)}{measures}. Received: "
                f"{unknown[0]}={arguments[unknown[0]]!r}"
            )

    def _refuse_for_replicas(self, arguments: Mapping) -> None:
        replicas = self.distribute_strategy.num_replicas_in_sync
        if replicas == 1:
            return
        if arguments.get("jit_compile", "auto") not in ("auto", False):
            raise ValueError(
                "XLA compiles a step for one device, and leaves no room for what replicas tell "
                f"each other. Received: jit_compile=True for {replicas} replicas"
            )
        if arguments.get("steps_per_execution", 1) != 1:
            raise ValueError(
                "Replicas take one step in each call, for TensorFlow can't repeat what they tell "
                f"each other. Received: steps_per_execution={arguments['steps_per_execution']} for "
                f"{replicas} replicas"
            )

    def _prepared(self, player: str, optimizer) -> keras.optimizers.Optimizer:
        """Wraps an optimizer for float16 and builds its slots, without which none are restored."""
        if not isinstance(optimizer, (keras.optimizers.Optimizer, str, dict)):
            raise ValueError(
                f"`{player}_optimizer` must be a Keras optimizer, with a rate or a schedule in it, "
                f"such as keras.optimizers.Adam(1e-4). Received: {optimizer!r}"
            )
        optimizer = keras.optimizers.get(optimizer)
        counter = optimizer.iterations.value
        if not self.distribute_strategy.extended.variable_created_in_scope(counter):
            raise ValueError(
                f"`{player}_optimizer` must be made where the model was, within `with "
                "strategy.scope():` of its strategy or of none. Received: "
                f"{type(optimizer).__name__} of another scope"
            )
        is_scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        # Of whichever player: a generator's gradient comes through its opponent's layers.
        networks = (network for group in self.players.values() for network in group)
        if computes_in_float16(networks) and not is_scaled:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        self._refuse_frozen(player)
        optimizer.build(self.trainable_variables_of(player))
        refuse_foreign_optimizer(player, optimizer, self.trainable_variables_of(player))
        return optimizer

    def _refuse_frozen(self, player: str) -> None:
        if not self.trainable_variables_of(player):
            raise ValueError(
                f"All weights of {player} are frozen, so it can't play; to hold it still, give it "
                "a learning rate of 0. Received: trainable=False"
            )

    def _assert_compile_called(self, method_name=None):
        """Says what to call; Keras asks before it trains, evaluates or takes a batch."""
        if not self.compiled:
            wanted = ", ".join(f"{player}_optimizer=..." for player in self.players)
            before = f" before {method_name}()" if method_name else ""
            raise ValueError(
                f"Call compile(){before}: `model.compile()` for the paper's optimizers, or "
                f"`model.compile({wanted})`. Received: a model that is not compiled."
            )

    def get_compile_config(self):
        """Returns what `compile` was given, for the `.keras` format; nothing before `compile`.

        Objective and optimizers, with the paper's in place of those that were not given, and
        `jit_compile` if it was said.
        """
        if not self.compiled:
            return {}
        config = {
            f"{player}_optimizer": keras.optimizers.serialize(optimizer)
            for player, optimizer in self.optimizers.items()
        }
        if self._given_jit_compile != "auto":
            config["jit_compile"] = self._given_jit_compile
        if self.objective is not None:
            config["objective"] = keras.saving.serialize_keras_object(self.objective)
        return config

    def compile_from_config(self, config):
        """Compiles as `get_compile_config` says."""
        self.compile(
            **{name: keras.saving.deserialize_keras_object(v) for name, v in config.items()}
        )

    # === Batches ===

    @property
    def batch_spec(self):
        """The form of the batch that `train_step` takes, a structure of `tf.TensorSpec`."""
        raise NotImplementedError(f"{type(self).__name__} does not say what batches it takes.")

    @property
    def evaluation_spec(self):
        """The form of the batch that `test_step` takes. Defaults to that of `train_step`."""
        return self.batch_spec

    @property
    def evaluation_logs(self) -> tuple[str, ...]:
        """The names of what `test_step` may log. Defaults to those of `train_step`."""
        return tuple(self.running_means)

    def rows_of_epoch(self, lengths: tuple[int, ...]) -> int | None:
        """Returns after how many rows an epoch ends, of arrays that go through their own passes.

        Args:
            lengths: rows of each part of what `fit` was given.

        Returns:
            The number, or `None` where the rows of all parts belong together, the default.
        """
        return None

    def check_batch(self, batch, method: str = "fit") -> None:
        """Refuses a batch that `train_step` can't take; a variant adds what it expects.

        Args:
            batch: of arrays or tensors, unpacked.
            method: what was called, for the message.

        Raises:
            ValueError: if structure, size or kind are another, or images not in [-1, 1].
        """
        training_data.check_batch(self, self.batch_spec, batch, method)

    def check_rows(self, rows) -> None:
        """Refuses rows out of range: of a batch, or of all that arrays hold.

        Args:
            rows: arrays or tensors of the form of a batch, of any number of rows.

        Raises:
            ValueError: if a pixel is not in [-1, 1], or not finite.
        """
        check_image_range(rows)

    def check_evaluation_batch(self, batch, method: str = "evaluate") -> None:
        """Refuses a batch that `test_step` can't take, as `check_batch` does for `train_step`."""
        training_data.check_batch(self, self.evaluation_spec, batch, method)

    def check_num_images(self, num_images: int) -> None:
        """Refuses to evaluate on fewer images than that takes; a variant says how many."""

    def _step_on_batch(self, step: Callable, spec, method: str) -> Callable:
        def step_on_batch(data):
            batch = batches.unpacked(data)
            batches.check_form(batch, spec, method)  # no look was possible at some data
            batch = batches.conformed(batch, spec)
            if self.distribute_strategy.num_replicas_in_sync > 1:
                batch = batches.require_rows(batch)
            return distribution.with_an_axis(step(batch), self.distribute_strategy)

        return step_on_batch

    def make_train_function(self, force=False):
        """Has `train_step` take the same batch whatever Keras makes of the data."""
        if self.train_function is None or force:
            step = self._step_on_batch(self.train_step, self.batch_spec, "fit")
            self.train_function = self._make_function(step)

    def make_test_function(self, force=False):
        """Has `test_step` take the same batch whatever Keras makes of the data, without XLA."""
        if self.test_function is None or force:
            step = self._step_on_batch(self.test_step, self.evaluation_spec, "evaluate")
            # Without XLA: it takes minutes to find the eigenvalues of which distances are made.
            trains_with_xla, self.jit_compile = self.jit_compile, False
            self.test_function = self._make_function(step)
            self.jit_compile = trains_with_xla

    # === Training ===

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        **arguments,
    ):
        """Trains the model: `keras.Model.fit`, after a look at the first batch, or all of arrays.

        Args:
            x: what the variant's docstring names: arrays, a `tf.data.Dataset` of batches, a
                `keras.utils.PyDataset`, or a generator of batches.
            y: the second part of it, if that comes apart, as in `fit(images_a, images_b)`.
            batch_size: of arrays. Defaults to 32, as in Keras.
            epochs, verbose, validation_split, shuffle: as in Keras.
            callbacks: as in Keras. Those that set the learning rate of `model.optimizer` scale that
                of each player by the same factor, and the logs then have each by name,
                `<player>_learning_rate`.
            validation_data: as `x`, for `evaluate`.
            class_weight, sample_weight: refused, for no loss takes them.
            **arguments: the others of `keras.Model.fit`.

        Raises:
            ValueError: if the first batch, or a row of arrays, is not what `train_step` takes, or
                of `validation_data` not what `test_step` does, either never ends and no number of
                steps is given, or a callback sets learning rates that follow a schedule, waits
                for what is not logged, or is `SwapEMAWeights`.
        """
        self._assert_compile_called("fit")
        self._discarded_epoch = None  # of an earlier call that broke; see zoo.runs.training_state
        training_data.refuse_weights(self, class_weight=class_weight, sample_weight=sample_weight)
        for player, optimizer in self.optimizers.items():
            self._refuse_frozen(player)
            refuse_foreign_optimizer(player, optimizer, self.trainable_variables_of(player))
        batches.refuse_endless(x, arguments.get("steps_per_epoch"), "fit", "steps_per_epoch")
        data = training_data.for_training(self, x, y, batch_size, shuffle, validation_split)
        if validation_data is not None:
            validation_data = training_data.for_validation(
                self, validation_data, batch_size, arguments
            )
        validates = validation_data is not None or bool(validation_split)
        callbacks = prepared_callbacks(self, callbacks, validates)
        # Keras warns of its own default where it can't shuffle.
        can_shuffle = isinstance(data, keras.utils.PyDataset) or batches.are_arrays(data)
        shuffle = bool(shuffle and can_shuffle)
        if not validation_split:  # of which Keras must see the arrays
            data = training_data.shared_out(self, data, batch_size, shuffle, equally=True)
        history = super().fit(
            data,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_split=validation_split,
            validation_data=validation_data,
            shuffle=shuffle,
            **arguments,
        )
        for player, optimizer in self.optimizers.items():  # as Keras does to its one
            optimizer.finalize_variable_values(self.trainable_variables_of(player))
        return history

    def evaluate(
        self, x=None, y=None, batch_size=None, verbose="auto", sample_weight=None, **arguments
    ):
        """Evaluates the model: `keras.Model.evaluate`, after a look as that of `fit`.

        A last batch with fewer rows than replicas is filled up by its own, which count twice.

        Raises:
            ValueError: if the first batch, or a row of arrays, is not what `test_step` takes, or
                the data never end and `steps` is missing.
        """
        self._assert_compile_called("evaluate")
        training_data.refuse_weights(self, sample_weight=sample_weight)
        if not arguments.get("_use_cached_eval_dataset"):  # within `fit`, which has looked
            batches.refuse_endless(x, arguments.get("steps"), "evaluate", "steps")
            x = training_data.for_evaluation(self, x, y, batch_size)
        return super().evaluate(x, batch_size=batch_size, verbose=verbose, **arguments)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """Takes one step on a batch, after a look at it; see `fit`."""
        self._assert_compile_called("train_on_batch")
        training_data.refuse_weights(self, class_weight=class_weight, sample_weight=sample_weight)
        batch = batches.unpacked((x, y))
        self.check_batch(batch, "train_on_batch")
        batch = training_data.shares_of(self, batch, equally=True)
        return super().train_on_batch(batch, return_dict=return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Evaluates a batch, after a look at it; see `evaluate`."""
        self._assert_compile_called("test_on_batch")
        training_data.refuse_weights(self, sample_weight=sample_weight)
        batch = batches.unpacked((x, y))
        self.check_evaluation_batch(batch, "test_on_batch")
        batch = training_data.shares_of(self, batch)
        return super().test_on_batch(batch, return_dict=return_dict)

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """Answers for many inputs: `keras.Model.predict`, after a look as that of `fit`.

        Raises:
            ValueError: if images are not in [-1, 1], latents have another size, or the data never
                end and `steps` is missing.
        """
        batches.check_source(x, "predict")
        batches.refuse_endless(x, steps, "predict", "steps")
        if batch_size is not None:
            as_integer("batch_size", batch_size)
        first_batch, x = batches.with_first_batch(x, batch_size)
        batches.refuse_empty(first_batch, x, "predict")
        self._check_inputs(x if batches.are_in_memory(x) else first_batch, "predict")
        x = batches.untuned(x, batch_size)
        return super().predict(x, batch_size, verbose, steps, callbacks)

    def predict_on_batch(self, x):
        """Answers for a batch, after a look at it; see `predict`."""
        self._check_inputs(x, "predict_on_batch")
        return super().predict_on_batch(x)

    def _check_inputs(self, batch, method: str) -> None:
        if batch is None:
            return
        batch = batches.unpacked(batch)
        if isinstance(self.call_spec, tf.TensorSpec):
            batch = batch[0] if isinstance(batch, tuple) else batch  # Keras leaves targets out too
            batches.refuse_empty(batch, batch, method)
            self.check_inputs(batch, method)
        check_image_range(batch)

    def check_inputs(self, batch, method: str = "predict") -> None:
        """Refuses what `call` can't take, where that is one array; pixels are looked at elsewhere.

        Args:
            batch: of arrays or tensors.
            method: what was called, for the message.

        Raises:
            ValueError: if it has another form.
        """
        batches.check_form(batch, self.call_spec, method)

    def _maybe_symbolic_build(self, *args, **kwargs):
        # Keras would build what is built already, with a made-up batch that drops its structure.
        return

    def probe(self, batch, training: bool = False) -> dict[str, Probe]:
        """Returns what each generator makes, beside real images of a batch, to look at it.

        Args:
            batch: as `train_step` takes it.
            training: False for images as outside of training, by the averages if there are any;
                True for those that the players see, and then batch norm and noise layers count it
                as a call in training.

        Returns:
            One entry a generator, by what tells it from the others, "" if there is one. Empty, the
            default, for a variant that shows nothing.
        """
        return {}

    def seed_for(self, stream: str, draw: int = 0) -> tf.Tensor:
        """Returns the seed of one draw of this step, the same on every replica.

        Args:
            stream: what is drawn, such as `"latents"`, `"label_noise"` or `"shifts"`: streams of
                different names are independent.
            draw: number of the draw within the step, where a `train_step` draws more than once.

        Returns:
            An int64 tensor of shape `(2,)`, for `tf.random.stateless_normal` and its kind.
        """
        return self.stream_seed(stream, self.step, draw)

    def stream_seed(self, stream: str, *numbers) -> tf.Tensor:
        """Returns the seed of a stream at these numbers, whatever the step; see `seed_for`."""
        with tf.name_scope("seeds/"):
            seed = tf.constant([self.seed, zlib.crc32(stream.encode())], tf.int64)
            for number in numbers:
                number = tf.cast(tf.convert_to_tensor(number), tf.int64)
                seed = tf.random.experimental.stateless_fold_in(seed, number)
        return seed

    def update_player(self, player: str, loss: tf.Tensor, tape: tf.GradientTape) -> tf.Tensor:
        """Takes one optimizer step on the networks of one player, and on no other.

        The gradient is divided by the number of replicas, over which optimizers take the sum.

        Args:
            player: its name.
            loss: float32 scalar, this replica's loss.
            tape: the tape that recorded it.

        Returns:
            The Euclidean norm of this replica's own gradient, a float32 scalar; under several
            replicas a log of it is the mean of theirs, not the norm of their mean.
        """
        optimizer = self.optimizers[player]
        variables = self.trainable_variables_of(player)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        with tf.name_scope("update"):
            scale = tf.cast(optimizer.scale_loss(1.0 / replicas), tf.float32)
            gradients = tape.gradient(loss, variables, output_gradients=scale)
            if replicas > 1 and isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
                gradients = finite_together(gradients)
            # Where data of unknown length end, TensorFlow runs all that does not wait for the data.
            with tf.control_dependencies([g for g in gradients if g is not None]):
                optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return tf.linalg.global_norm(gradients) / scale

    def finish_step(self, **logs) -> dict[str, tf.Tensor]:
        """Updates the averages, counts the step and returns the running means of the logs.

        Raises:
            ValueError: if a log was not named when `finish_building` was called.
        """
        unknown = sorted(logs.keys() - self.running_means.keys())
        if unknown:
            raise ValueError(
                f"Every log must be named in finish_building(logs=...). Received: {unknown[0]}, "
                f"beside {', '.join(self.running_means)}"
            )
        with tf.name_scope("averages/"):
            self._update_averages()
        with tf.name_scope("logs/"):
            with tf.control_dependencies(list(logs.values())):
                self.step.assign_add(1)
            for name, value in logs.items():
                self.running_means[name].update_state(value)
            return {name: self.running_means[name].result() for name in logs}

    def _update_averages(self) -> None:
        if self.averages:
            rate = _average_rate(self.average_decay, tf.cast(self.step + 1, tf.float32))
            for average, network in self.averages:
                for mean, weight in zip(average.weights, network.weights, strict=True):
                    mean.assign_add(tf.cast(rate, mean.dtype) * (weight - mean))

    # === Judging ===

    @property
    def judges(self) -> dict[str, keras.Model]:
        """The networks that judge images, averages where there are, by a suffix that tells them.

        Of several one after the other the first, by the empty suffix; none of a game without.
        """
        opponents = [networks for player, networks in self.players.items() if player != "generator"]
        return {"": self._average_or_own(opponents[0][0])} if opponents else {}

    def _average_or_own(self, network: keras.Model) -> keras.Model:
        averages = [average for average, original in self.averages if original is network]
        return averages[0] if averages else network

    def judgement(self, judge: keras.Model, images: tf.Tensor) -> tf.Tensor:
        """Returns what one of `judges` says of images in [-1, 1], outside of training."""
        return judge(images, training=False)

    # === Saving ===

    @property
    def call_spec(self):
        """The form of what `call` takes, a `tf.TensorSpec` or a list of them."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it is called on.")

    def export(self, filepath, *arguments, input_signature=None, **options):
        """Exports `call` as `predict` has it: `keras.Model.export`; images are in [-1, 1].

        `export.save` packs more, and has images in [0, 1].
        """
        if input_signature is None:
            input_signature = [self.call_spec]
        # Keras exports no model that was never called.
        self(tf.nest.map_structure(lambda s: tf.zeros((1, *s.shape[1:]), s.dtype), self.call_spec))
        return super().export(filepath, *arguments, input_signature=input_signature, **options)

    def save(self, filepath, *arguments, **options):
        """Saves the model: `keras.Model.save`, in the format `.keras`.

        Raises:
            ValueError: for the old format `.h5`, which knows one optimizer.
        """
        if str(filepath).endswith((".h5", ".hdf5")):
            raise ValueError(
                "The old .h5 format knows one optimizer; save as .keras, or the weights by "
                f"save_weights('....weights.h5'). Received: filepath={str(filepath)!r}"
            )
        remember_skipped_attributes()
        return super().save(filepath, *arguments, **options)

    def save_weights(self, filepath, *arguments, **options):
        """Saves the weights and all random states: `keras.Model.save_weights`.

        Raises:
            ValueError: for a name that does not end in `.weights.h5`.
        """
        name = str(filepath)
        if not name.endswith((".weights.h5", ".weights.json")):
            stem = name.removesuffix(".h5").removesuffix(".hdf5").removesuffix(".keras")
            raise ValueError(
                "The name of saved weights must end in .weights.h5, such as "
                f"save_weights({stem + '.weights.h5'!r}); save(...) saves optimizers too. "
                f"Received: filepath={name!r}"
            )
        remember_skipped_attributes()
        return super().save_weights(filepath, *arguments, **options)

    def export_signatures(
        self, checks: bool = True
    ) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """Returns the functions that `export.save` packs; images go in and out in [0, 1].

        Args:
            checks: whether the functions refuse values out of range by assertions, which not every
                runtime knows. Defaults to True.
        """
        raise NotImplementedError(f"{type(self).__name__} names no functions to export.")

    def export_call(self, checks: bool = True) -> ReusableCall:
        """Returns what the export's root does when called, `(inputs, training=False)`.

        Args:
            checks: as for `export_signatures`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what its export does.")

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
        return {**super().get_config(), "average_decay": self.average_decay, "seed": self.seed}

    @classmethod
    def from_config(cls, config):
        """Rebuilds a model, with the networks of the user's own that its config holds.

        They are made under the model's own policy, whatever Keras's is now.
        """
        with under_policy(config.get("dtype")):
            return cls(
                **{key: keras.saving.deserialize_keras_object(v) for key, v in config.items()}
            )
