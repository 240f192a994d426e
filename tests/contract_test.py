"""What every variant must do, whatever its paper: each test runs on each case of `tests/cases`.

A game of three players with a condition is held to it too, for what no variant has yet.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import export
from tests import three_players
from tests.case import SCORES, Case, ramp_images, ramp_latents, state_of
from tests.cases import CASES
from tests.habits import bytes_of, of_images
from zoo.common.adversarial import AdversarialModel
from zoo.common.latent_model import LatentModel
from zoo.runs.tensorboard import graph_of_step, readable_graph

SEED = 11
RATE = 0.01
PLAYER_LOGS = ("loss", "gradient_norm")


ALL_CASES = (*CASES, three_players.CASE)


# What takes long is asked of these in every run, of the others by `pytest -m slow`: a run must not
# grow with each variant.
EVERY_DAY = ("three_players", "vanilla_gan")


def cases_of(
    kind: type = AdversarialModel, every_day: tuple[str, ...] | None = None
) -> pytest.MarkDecorator:
    """Runs a test on the cases of that kind alone; but for those of every day, only if asked."""

    def marks(case: Case) -> list[pytest.MarkDecorator]:
        return [] if every_day is None or case.name in every_day else [pytest.mark.slow]

    chosen = [
        pytest.param(case, id=case.name, marks=marks(case))
        for case in ALL_CASES
        if issubclass(case.variant, kind)
    ]
    return pytest.mark.parametrize("case", chosen, indirect=True, scope="module")


@pytest.fixture(params=ALL_CASES, ids=lambda case: case.name, scope="module")
def case(request) -> Case:
    return request.param


def sgd(model: AdversarialModel, rate: float) -> dict[str, keras.optimizers.Optimizer]:
    """An optimizer for each player, which unlike Adam shows how large a gradient is."""
    return {f"{player}_optimizer": keras.optimizers.SGD(rate) for player in model.players}


def compiled(model: AdversarialModel, case: Case, **arguments) -> AdversarialModel:
    if case.quality_measures is not None:
        arguments["quality_measures"] = case.quality_measures()
    model.compile(**arguments)
    return model


def build(case: Case, rate: float | None = None, **arguments) -> AdversarialModel:
    """A small model, compiled with the paper's optimizers, or with gradient descent at a rate."""
    keras.utils.set_random_seed(SEED)
    model = case.build()
    return compiled(model, case, **arguments, **({} if rate is None else sgd(model, rate)))


@pytest.fixture(scope="module")
def model(case) -> AdversarialModel:
    """One model for the tests that care neither where training stands nor at what rates.

    To trace a train step takes seconds, to run it milliseconds. Tests that need models of their
    own, but no graph, train them step by step without one.
    """
    return build(case, rate=RATE)


def repeated(batch, times: int) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(batch).repeat(times)


def train(model: AdversarialModel, case: Case, steps: int, epochs: int = 1) -> dict:
    return model.fit(repeated(case.batch(4), steps), epochs=epochs, verbose=0).history


def seconds_of(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def weights_of(model: AdversarialModel, player: str) -> list[np.ndarray]:
    return [variable.numpy() for variable in model.trainable_variables_of(player)]


def generate(model: LatentModel, case: Case, num_images: int, **arguments) -> np.ndarray:
    if case.condition is not None:
        arguments["condition"] = case.condition(num_images)
    return model.generate(num_images, **arguments)


def same(first, second) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


# === 1. Shapes, ranges, sizes ===


@cases_of(LatentModel)
def test_generates_images_in_range_whatever_the_batch_size(model, case):
    for num_images in (1, 3):
        images = generate(model, case, num_images, seed=5)
        assert images.shape == (num_images, *model.image_shape)
        assert images.dtype == np.float32
        assert np.abs(images).max() <= 1
        np.testing.assert_allclose(
            images, generate(model, case, num_images, seed=5, batch_size=1), atol=1e-6
        )
    first = generate(model, case, 3, seed=5)
    assert not np.array_equal(first, generate(model, case, 3, seed=6))
    assert not np.array_equal(generate(model, case, 3), generate(model, case, 3))


@cases_of(LatentModel)
def test_refuses_to_generate_a_number_that_is_none(model, case):
    for num_images in (0, -1, 2.5, "3"):
        with pytest.raises(ValueError, match=f"num_images={num_images!r}"):
            model.generate(num_images)


@cases_of(LatentModel)
def test_refuses_a_condition_that_it_does_not_take(model, case):
    condition = np.ones((2, 5), np.float32)
    with pytest.raises(ValueError, match="condition"):
        model.generate(2, condition=condition)


def test_predicts_at_batch_sizes_1_and_3(model, case):
    inputs = case.inputs(3)
    three = model.predict(inputs, verbose=0)
    one = model.predict(tf.nest.map_structure(lambda rows: rows[:1], inputs), verbose=0)
    assert three.shape == (3, *one.shape[1:])
    np.testing.assert_allclose(one, three[:1], atol=1e-6)


def test_full_size_networks_have_the_papers_number_of_parameters(case):
    for build_full_size, parameters in case.full_sizes:
        model = build_full_size()
        counted = {name: getattr(model, name).count_params() for name in parameters}
        assert counted == parameters


# === 2. Saving ===


def test_every_variable_may_lie_on_a_gpu(model):
    # TensorFlow keeps int32 variables with the processor, where XLA's code for a GPU can't reach.
    variables = [
        *model.variables,
        *(v for each in model.optimizers.values() for v in each.variables),
    ]
    assert variables and not [v.path for v in variables if v.dtype == "int32"]


def test_is_rebuilt_from_its_config(model):
    config = json.dumps(keras.saving.serialize_keras_object(model))
    again = keras.saving.deserialize_keras_object(json.loads(config))
    assert json.dumps(keras.saving.serialize_keras_object(again)) == config
    assert [v.shape for v in again.variables] == [v.shape for v in model.variables]


@cases_of(every_day=EVERY_DAY)
def test_an_interrupted_run_continues_bit_for_bit_from_either_file(case, tmp_path):
    unbroken = build(case, run_eagerly=True)
    train(unbroken, case, steps=2)
    when_saved = state_of(unbroken)
    unbroken.save(tmp_path / "run.keras")
    unbroken.save_weights(tmp_path / "run.weights.h5")
    assert same(when_saved, state_of(unbroken))
    train(unbroken, case, steps=2)

    keras.utils.set_random_seed(SEED + 1)
    from_weights = case.build()
    from_weights.compile(run_eagerly=True)
    assert not same(from_weights.get_weights(), build(case).get_weights())
    from_weights.load_weights(tmp_path / "run.weights.h5")
    from_keras = keras.saving.load_model(tmp_path / "run.keras")
    from_keras.run_eagerly = True
    for restored in (from_weights, from_keras):
        assert int(restored.step) == 2
        assert same(when_saved, state_of(restored))
        train(restored, case, steps=2)
        assert same(state_of(unbroken), state_of(restored))


# === 3. Players ===


def test_an_update_of_one_player_changes_no_weight_of_the_others(model, case):
    for moved in model.players:
        before = {player: weights_of(model, player) for player in model.players}
        for player, optimizer in model.optimizers.items():
            optimizer.learning_rate = 0.1 if player == moved else 0.0
        train(model, case, steps=1)
        for player, weights in before.items():
            assert same(weights, weights_of(model, player)) == (player != moved)
    for optimizer in model.optimizers.values():
        optimizer.learning_rate = RATE  # that of the tests to come


@cases_of(every_day=EVERY_DAY)
def test_the_graph_shows_each_player_s_update_in_its_scope(model, case):
    spec = tf.nest.map_structure(tf.type_spec_from_value, case.batch(4))
    graph = graph_of_step(model, spec)
    outside = {id(inner): id(outer) for outer, inner in graph.captures}
    for player in model.players:
        written = {
            outside.get(id(operation.inputs[0]))
            for operation in graph.get_operations()
            if operation.name.startswith(f"{player}_player")
            and operation.type.startswith(("Assign", "ResourceScatter"))
        }
        for other in model.players:
            handles = {id(v.value.handle) for v in model.trainable_variables_of(other)}
            assert (handles <= written) if other == player else not (handles & written)
    boxes = {node.name.partition("/")[0] for node in readable_graph(graph).node}
    batch = {spec.name for spec in tf.nest.flatten(model.batch_spec)}
    boxes -= batch | {f"{player}_player" for player in model.players}
    assert boxes <= {"latents", "augmentation", "seeds", "averages", "logs", "rest"}


def test_players_take_the_configured_number_of_steps(model, case):
    counters = {
        "step": model.step,
        **{player: optimizer.iterations for player, optimizer in model.optimizers.items()},
    }
    before = {name: int(counter) for name, counter in counters.items()}
    train(model, case, steps=3)
    taken = {name: int(counter) - before[name] for name, counter in counters.items()}
    assert taken == {name: 3 * case.updates.get(name, 1) for name in counters}


def test_refuses_one_optimizer_for_two_players(model):
    adam = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="optimizer of its own"):
        model.compile(**{f"{player}_optimizer": adam for player in model.players})


def test_refuses_an_optimizer_of_no_player(model):
    for name in ("optimizer", "referee_optimizer"):
        with pytest.raises(ValueError, match=f"generator_optimizer, .* Received: {name}='adam'"):
            model.compile(**{name: "adam"})


# === 4. Training ===


def test_logs_have_exactly_the_promised_keys_and_are_finite(model, case):
    history = train(model, case, steps=2)
    of_players = {f"{player}_{log}" for player in model.players for log in PLAYER_LOGS}
    assert set(history) == case.training_logs | of_players
    assert np.isfinite(list(history.values())).all()
    for key in SCORES & set(history):
        assert 0 <= history[key][0] <= 1
    logs = model.evaluate(repeated(case.evaluation_batch(4), 1), verbose=0, return_dict=True)
    assert set(logs) == case.evaluation_logs


def test_logs_start_anew_each_epoch(model, case):
    for running_mean in model.running_means.values():
        running_mean.update_state(1e9)
    history = train(model, case, steps=1, epochs=2)
    assert max(max(values) for values in history.values()) < 1e6


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@cases_of(every_day=("three_players",))
def test_trains_in_mixed_precision(case, policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = build(case, run_eagerly=True)
    finally:
        keras.config.set_dtype_policy("float32")
    before = {player: weights_of(model, player) for player in model.players}
    is_scaled = policy == "mixed_float16"
    # The scale of the loss halves with each step that overflows, until one is taken.
    history = train(model, case, steps=8 if is_scaled else 2)
    if is_scaled:  # a gradient that overflows is skipped, and its norm is infinite
        history = {name: logs for name, logs in history.items() if "gradient_norm" not in name}
    assert np.isfinite(list(history.values())).all()
    for player, weights in before.items():
        after = weights_of(model, player)
        assert not same(weights, after)
        assert all(weight.dtype == np.float32 for weight in after)
    scaled = [
        isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        for optimizer in model.optimizers.values()
    ]
    assert scaled == [is_scaled] * len(model.players)


@cases_of(every_day=("vanilla_gan",))
def test_two_replicas_equal_one(case, two_replicas):
    def trained(strategy) -> AdversarialModel:
        with strategy.scope():
            keras.utils.set_random_seed(SEED)
            model = case.build_without_noise()
            model.compile(**sgd(model, 0.05))
        rows = tf.data.Dataset.from_tensor_slices(case.batch(8))
        model.fit(rows.repeat(case.steps_on_replicas).batch(8), verbose=0)
        return model

    one, two = trained(tf.distribute.get_strategy()), trained(two_replicas)
    for a, b in zip(one.weights, two.weights, strict=True):
        # What a pool holds are no weights but images, sums of many products that round otherwise.
        tolerance = 1e-5 if "pool" in a.path else 2e-6
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=tolerance, err_msg=a.path)


def waves(
    shape, seed=None, minval=0.0, maxval=1.0, dtype=tf.float32, *, mean=None, stddev=1.0, name=None
) -> tf.Tensor:
    """Numbers in place of random ones, of which XLA draws others: even or, by a mean, normal."""
    if mean is not None:
        minval, maxval = mean - stddev, mean + stddev
    places = tf.range(tf.reduce_prod(shape))
    shares = 0.5 + 0.49 * tf.sin(0.37 * tf.cast(places, tf.float32))
    low, high = tf.cast(minval, tf.float32), tf.cast(maxval, tf.float32)
    return tf.reshape(tf.cast(low + shares * (high - low), dtype), shape)


@pytest.mark.slow
def test_xla_trains_what_a_plain_graph_does(case, monkeypatch):
    monkeypatch.setattr(tf.random, "stateless_normal", waves)
    monkeypatch.setattr(tf.random, "stateless_uniform", waves)

    def trained(jit_compile: bool) -> AdversarialModel:
        keras.utils.set_random_seed(SEED)
        model = case.build_without_noise()
        # At larger steps what rounds otherwise grows: absolute differences have kinks.
        model.compile(**sgd(model, 0.001), jit_compile=jit_compile)
        model.fit(repeated(case.batch(4), 3), verbose=0)
        return model

    keras.utils.set_random_seed(SEED)
    start = [variable.numpy() for variable in case.build_without_noise().trainable_variables]
    plain, compiled_by_xla = trained(False), trained(True)
    assert compiled_by_xla.jit_compile
    # What rounds otherwise is a share of the steps, which are long in CycleGAN's smallest game.
    trained_variables = zip(plain.trainable_variables, start, strict=True)
    moved = max(np.abs(a.numpy() - b).max() for a, b in trained_variables)
    tolerance = max(1e-5, min(1e-2 * moved, 1e-3))
    for a, b in zip(plain.weights, compiled_by_xla.weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=tolerance, err_msg=a.path)


@pytest.mark.slow
def test_several_steps_a_call_train_what_single_ones_do(case):
    def trained(steps_per_execution: int) -> AdversarialModel:
        model = build(case, rate=RATE, steps_per_execution=steps_per_execution)
        train(model, case, steps=4)
        return model

    assert same(state_of(trained(1)), state_of(trained(2)))


@pytest.mark.slow
def test_xla_trains_with_its_own_noise_and_goes_on_bit_for_bit(case, tmp_path):
    unbroken = build(case, rate=RATE, jit_compile=True)
    start = state_of(unbroken)
    with_compilation = seconds_of(lambda: train(unbroken, case, steps=2))
    assert unbroken.jit_compile and not same(start, state_of(unbroken))
    unbroken.save_weights(tmp_path / "run.weights.h5")
    # XLA compiles anew whenever what it takes for a constant changes: with each step, if careless.
    assert seconds_of(lambda: train(unbroken, case, steps=2)) < with_compilation / 3

    restored = build(case, rate=RATE, jit_compile=True)
    restored.load_weights(tmp_path / "run.weights.h5")
    train(restored, case, steps=2)
    assert same(state_of(unbroken), state_of(restored))


def test_refuses_images_that_nobody_scaled(model, case):
    step = int(model.step)
    unscaled = bytes_of(case.batch(4))
    for batch in (unscaled, of_images(lambda images: images / 255, unscaled)):
        with pytest.raises(ValueError, match=r"scaled to \[-1, 1\].*Received: pixels from"):
            model.fit(repeated(batch, 1), verbose=0)
    assert int(model.step) == step


# === 5. Export ===

ALONE = """
import json, pathlib, sys, traceback
sys.modules["zoo"] = None  # any import of it now fails
import numpy as np
import tensorflow as tf
import keras
import tensorflow_hub as hub

def inputs_of(expected, prefix):
    return {
        key.removeprefix(prefix + "in/"): tf.constant(expected[key])
        for key in expected if key.startswith(prefix + "in/")
    }

def check(folder):
    expected = np.load(folder / "expected.npz")
    loaded = hub.load(str(folder / "1"))
    for name in json.loads((folder / "signatures.json").read_text()):
        for size in (1, 3):
            prefix = f"{name}/{size}/"
            arguments = inputs_of(expected, prefix)
            if name == "__call__":
                compare({"output": loaded(one_or_all(arguments))}, expected, prefix)
            else:
                compare(loaded.signatures[name](**arguments), expected, prefix)
        if name == "serving_default" and len(arguments) == 1:
            layer = keras.layers.TFSMLayer(str(folder / "1"), call_endpoint=name)
            compare(layer(*arguments.values()), expected, prefix)
    fine_tune(loaded, one_or_all(inputs_of(expected, "__call__/3/")))
    return "stands alone"

def compare(outputs, expected, prefix):
    for key, value in outputs.items():
        wanted = expected[prefix + "out/" + key]
        if value.dtype == tf.string:
            assert [v.decode() for v in value.numpy()] == wanted.tolist(), (prefix, key)
        else:
            np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-6, err_msg=prefix + key)

def one_or_all(arguments):
    arguments = list(arguments.values())
    return arguments if len(arguments) > 1 else arguments[0]

def fine_tune(loaded, inputs):
    def loss():
        return tf.reduce_mean(tf.square(loaded(inputs) - 0.3))
    with tf.GradientTape() as tape:
        before = loss()
    assert loaded.trainable_variables and loaded.regularization_losses == []
    gradients = tape.gradient(before, loaded.trainable_variables)
    scale = 1e-3 / tf.linalg.global_norm(gradients)
    for variable, gradient in zip(loaded.trainable_variables, gradients, strict=True):
        variable.assign_sub(scale * gradient)
    assert loss() < before, (loss(), before)
    names = [variable.name for variable in loaded.variables]
    with tf.GradientTape() as tape:
        in_training = loaded(inputs, training=True)
    missing = [g is None for g in tape.gradient(in_training, loaded.trainable_variables)]
    assert not any(missing), (names, missing)

for line in sys.stdin:
    try:
        print(json.dumps(check(pathlib.Path(line.rstrip()))), flush=True)
    except Exception:
        print(json.dumps(traceback.format_exc()), flush=True)
"""


@pytest.fixture(scope="session")
def stands_alone(tmp_path_factory) -> Iterator[Callable[[Path], str]]:
    """What a process without the zoo says of an exported folder; to start it takes seconds."""
    cwd = tmp_path_factory.mktemp("alone")
    (cwd / "alone.py").write_text(ALONE)
    with (
        open(cwd / "stderr.txt", "w") as stderr,
        subprocess.Popen(
            [sys.executable, "-I", str(cwd / "alone.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=cwd,
        ) as process,
    ):

        def ask(folder: Path) -> str:
            print(folder, file=process.stdin, flush=True)
            answer = process.stdout.readline()
            return json.loads(answer) if answer else (cwd / "stderr.txt").read_text()

        yield ask
        process.stdin.close()


def arguments_of(signature, size: int, case: Case, image_shape) -> dict[str, np.ndarray]:
    """Inputs for an exported function: images in [0, 1], or how many to generate and of what."""
    known = {
        "num": lambda: np.int32(size),
        "seed": lambda: np.int64(7),
        "truncation": lambda: np.float32(0.5),
        "images": lambda: (ramp_images(size, image_shape) + 1) / 2,
        "condition": lambda: case.condition(size),
        "latents": lambda: ramp_latents(size),
    }
    return {spec.name: known[spec.name]() for spec in signature.input_signature}


@cases_of(every_day=("three_players", "cyclegan", "semi_supervised_gan"))
def test_export_stands_alone(case, tmp_path, stands_alone):
    model = build(case)
    export.save(model, tmp_path, verify=False)
    expected = {}
    signatures = model.export_signatures()
    for name, function in signatures.items():
        for size in (1, 3):
            arguments = arguments_of(function, size, case, model.image_shape)
            for key, value in arguments.items():
                expected[f"{name}/{size}/in/{key}"] = value
            for key, value in function(**arguments).items():
                value = value.numpy()
                expected[f"{name}/{size}/out/{key}"] = (
                    value.astype(str) if value.dtype == object else value
                )
    call = model.export_call().function
    for size in (1, 3):
        inputs = tf.nest.flatten(case.inputs(size))
        inputs = [(each + 1) / 2 if each.ndim == 4 else each for each in inputs]
        for number, each in enumerate(inputs):
            expected[f"__call__/{size}/in/{number}"] = each
        output = call(inputs if len(inputs) > 1 else inputs[0])
        expected[f"__call__/{size}/out/output"] = output.numpy()
    np.savez(tmp_path / "expected.npz", **expected)
    (tmp_path / "signatures.json").write_text(json.dumps([*signatures, "__call__"]))
    assert stands_alone(tmp_path) == "stands alone"


# === 6. Bad arguments ===


def test_bad_arguments_are_named(case):
    for arguments, message in case.bad_arguments:
        with pytest.raises(ValueError, match=message):
            case.variant(**arguments)
