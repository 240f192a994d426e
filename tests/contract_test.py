"""What every variant must do, whatever its paper: each test runs on each case of `zoo_cases`."""

import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import export
from tests import zoo_cases
from zoo.common.adversarial import AdversarialModel

SEED = 11


@pytest.fixture(params=zoo_cases.CASES, ids=lambda case: case.name, scope="module")
def case(request) -> zoo_cases.Case:
    return request.param


def optimizers(generator_rate: float, discriminator_rate: float) -> dict:
    return {
        "generator_optimizer": keras.optimizers.SGD(generator_rate),
        "discriminator_optimizer": keras.optimizers.SGD(discriminator_rate),
    }


def build(case: zoo_cases.Case, **compile_arguments) -> AdversarialModel:
    keras.utils.set_random_seed(SEED)
    model = case.build()
    model.compile(quality_measures=case.quality_measures(), **compile_arguments)
    return model


@pytest.fixture(scope="module")
def model(case) -> AdversarialModel:
    """One model for the tests that care neither where training stands nor at what rates.

    To trace a train step takes seconds, to run it milliseconds.
    """
    return build(case, **optimizers(0.01, 0.01))


def repeated(batch, times: int) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(batch).repeat(times)


def train(model: AdversarialModel, case: zoo_cases.Case, steps: int, epochs: int = 1) -> dict:
    return model.fit(repeated(case.batch(4), steps), epochs=epochs, verbose=0).history


def weights_of(networks) -> list[np.ndarray]:
    return [v.numpy() for network in networks for v in network.trainable_variables]


def same(first, second) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


# === 1. Shapes, ranges, sizes ===


def test_generates_images_in_range_whatever_the_batch_size(model, case):
    if not case.generates:
        pytest.skip("makes images of images")
    for num_images in (1, 3):
        images = model.generate(num_images, seed=5)
        assert images.shape[0] == num_images
        assert images.dtype == np.float32
        assert np.abs(images).max() <= 1
        np.testing.assert_allclose(
            images, model.generate(num_images, seed=5, batch_size=1), atol=1e-6
        )
    assert not np.array_equal(model.generate(3, seed=5), model.generate(3, seed=6))
    assert not np.array_equal(model.generate(3), model.generate(3))


@pytest.mark.parametrize("num_images", [0, -1, 2.5, "3"])
def test_refuses_to_generate_a_number_that_is_none(model, case, num_images):
    if not case.generates:
        pytest.skip("makes images of images")
    with pytest.raises(ValueError, match=f"num_images={num_images!r}"):
        model.generate(num_images)


def test_predicts_at_batch_sizes_1_and_3(model, case):
    three = model.predict(case.inputs(3), verbose=0)
    one = model.predict(case.inputs(3)[:1], verbose=0)
    assert three.shape == (3, *one.shape[1:])
    np.testing.assert_allclose(one, three[:1], atol=1e-6)


def test_full_size_networks_have_the_papers_number_of_parameters(case):
    for build_full_size, parameters in case.full_sizes:
        model = build_full_size()
        counted = {name: getattr(model, name).count_params() for name in parameters}
        assert counted == parameters


# === 2. Saving ===


def test_is_rebuilt_from_its_config(model):
    config = json.dumps(keras.saving.serialize_keras_object(model))
    again = keras.saving.deserialize_keras_object(json.loads(config))
    assert json.dumps(keras.saving.serialize_keras_object(again)) == config
    assert [v.shape for v in again.variables] == [v.shape for v in model.variables]


def test_an_interrupted_run_continues_bit_for_bit_from_either_file(case, tmp_path):
    unbroken = build(case)
    train(unbroken, case, steps=2)
    when_saved = zoo_cases.state_of(unbroken)
    unbroken.save(tmp_path / "run.keras")
    unbroken.save_weights(tmp_path / "run.weights.h5")
    assert same(when_saved, zoo_cases.state_of(unbroken))
    train(unbroken, case, steps=2)

    keras.utils.set_random_seed(SEED + 1)
    from_weights = case.build()
    from_weights.compile()
    assert not same(from_weights.get_weights(), build(case).get_weights())
    from_weights.load_weights(tmp_path / "run.weights.h5")
    from_keras = keras.saving.load_model(tmp_path / "run.keras")
    for restored in (from_weights, from_keras):
        assert int(restored.step) == 2
        assert same(when_saved, zoo_cases.state_of(restored))
        train(restored, case, steps=2)
        assert same(zoo_cases.state_of(unbroken), zoo_cases.state_of(restored))


# === 3. Players ===


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_an_update_of_one_player_changes_no_weight_of_the_other(model, case, player):
    networks = {
        "generator": model.generator_networks,
        "discriminator": model.discriminator_networks,
    }
    before = {name: weights_of(group) for name, group in networks.items()}
    for name in networks:
        getattr(model, f"{name}_optimizer").learning_rate = 0.1 if name == player else 0.0
    train(model, case, steps=1)
    for name, group in networks.items():
        assert same(before[name], weights_of(group)) == (name != player)


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_the_graph_shows_each_player_s_update_in_its_scope(model, case, player):
    spec = tf.nest.map_structure(tf.type_spec_from_value, case.batch(4))
    graph = tf.function(model.train_step).get_concrete_function(spec).graph
    outside = {id(inner): id(outer) for outer, inner in graph.captures}
    written = {
        outside.get(id(operation.inputs[0]))
        for operation in graph.get_operations()
        if operation.name.startswith(f"{player}_player") and operation.type.startswith("Assign")
    }
    networks = {
        "generator": model.generator_networks,
        "discriminator": model.discriminator_networks,
    }
    for name, group in networks.items():
        handles = {id(v.value.handle) for network in group for v in network.trainable_variables}
        assert (handles <= written) if name == player else not (handles & written)


def test_players_take_the_configured_number_of_steps(model, case):
    counters = [
        model.step,
        model.generator_optimizer.iterations,
        model.discriminator_optimizer.iterations,
    ]
    before = [int(counter) for counter in counters]
    train(model, case, steps=3)
    taken = [int(counter) - value for counter, value in zip(counters, before, strict=True)]
    assert taken == [3, 3, 3 * case.discriminator_steps]


def test_refuses_one_optimizer_for_both_players(case):
    adam = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="optimizer of its own"):
        build(case, generator_optimizer=adam, discriminator_optimizer=adam)


# === 4. Training ===


def test_logs_have_exactly_the_promised_keys_and_are_finite(model, case):
    history = train(model, case, steps=2)
    assert set(history) == case.training_logs
    assert np.isfinite(list(history.values())).all()
    for key in ("real_score", "generated_score"):
        assert 0 <= history[key][0] <= 1
    if case.evaluation_batch is not None:
        logs = model.evaluate(repeated(case.evaluation_batch(4), 1), verbose=0, return_dict=True)
        assert set(logs) == case.evaluation_logs


def test_logs_start_anew_each_epoch(model, case):
    for running_mean in model.running_means.values():
        running_mean.update_state(1e9)
    history = train(model, case, steps=1, epochs=2)
    assert max(max(values) for values in history.values()) < 1e6


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_trains_in_mixed_precision(case, policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = build(case)
    finally:
        keras.config.set_dtype_policy("float32")
    before = weights_of(model.generator_networks + model.discriminator_networks)
    history = train(model, case, steps=3)
    after = weights_of(model.generator_networks + model.discriminator_networks)
    if policy == "mixed_float16":  # a gradient that overflows is skipped, and its norm is infinite
        history = {name: logs for name, logs in history.items() if "gradient_norm" not in name}
    assert np.isfinite(list(history.values())).all()
    assert not same(before, after)
    assert all(weight.dtype == np.float32 for weight in after)
    scales = [
        isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        for optimizer in (model.generator_optimizer, model.discriminator_optimizer)
    ]
    assert scales == [policy == "mixed_float16"] * 2


def test_two_replicas_equal_one(case, two_replicas):
    def trained(strategy) -> AdversarialModel:
        with strategy.scope():
            keras.utils.set_random_seed(SEED)
            model = case.build_without_noise()
            # SGD: Adam hides a gradient that is twice too large.
            model.compile(**optimizers(0.05, 0.05))
        rows = tf.data.Dataset.from_tensor_slices(case.batch(8))
        model.fit(rows.repeat(case.steps_on_replicas).batch(8), verbose=0)
        return model

    one, two = trained(tf.distribute.get_strategy()), trained(two_replicas)
    for a, b in zip(one.weights, two.weights, strict=True):
        # What a pool holds are no weights but images, sums of many products that round otherwise.
        tolerance = 1e-5 if "image_pool" in a.path else 2e-6
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=tolerance, err_msg=a.path)


def test_refuses_images_that_nobody_scaled(model, case):
    step = int(model.step)
    for wrong in (lambda leaf: leaf * 127.5 + 127.5, lambda leaf: leaf * 0.5 + 0.5):
        batch = tf.nest.map_structure(
            lambda leaf, wrong=wrong: wrong(leaf) if leaf.ndim == 4 else leaf, case.batch(4)
        )
        with pytest.raises(ValueError, match=r"scaled to \[-1, 1\].*Received: pixels from"):
            model.fit(repeated(batch, 1), verbose=0)
    assert int(model.step) == step


# === 5. Export ===

ALONE = """
import json, pathlib, sys
sys.modules["zoo"] = None  # any import of it now fails
import numpy as np
import tensorflow as tf
import keras
import tensorflow_hub as hub

for folder in map(pathlib.Path, sys.argv[1:]):
    expected = np.load(folder / "expected.npz")
    for load in (tf.saved_model.load, hub.load):
        loaded = load(str(folder / "1"))
        for name in json.loads((folder / "signatures.json").read_text()):
            for size in (1, 3):
                prefix = f"{name}/{size}/"
                arguments = {
                    key.removeprefix(prefix + "in/"): tf.constant(expected[key])
                    for key in expected if key.startswith(prefix + "in/")
                }
                outputs = loaded.signatures[name](**arguments)
                for key, value in outputs.items():
                    wanted = expected[prefix + "out/" + key]
                    if value.dtype == tf.string:
                        assert [v.decode() for v in value.numpy()] == wanted.tolist(), (name, key)
                    else:
                        np.testing.assert_allclose(value, wanted, atol=1e-6, err_msg=name + key)
                if name == "serving_default" and len(arguments) == 1:
                    layer = keras.layers.TFSMLayer(str(folder / "1"), call_endpoint=name)
                    for key, value in layer(*arguments.values()).items():
                        if value.dtype != tf.string:
                            wanted = expected[prefix + "out/" + key]
                            np.testing.assert_allclose(value, wanted, atol=1e-6)
    print(folder.name, "stands alone")
"""


def arguments_of(signature, size: int, case: zoo_cases.Case) -> dict[str, np.ndarray]:
    """Inputs for an exported function: images in [0, 1], or how many to generate."""
    known = {
        "num": np.int32(size),
        "seed": np.int64(7),
        "truncation": np.float32(0.5),
        "images": (case.inputs(size) + 1) / 2,
    }
    return {spec.name: known[spec.name] for spec in signature.input_signature}


def test_exports_stand_alone(tmp_path):
    folders = []
    for case in zoo_cases.CASES:
        model = build(case)
        folder = tmp_path / case.name
        export.save(model, folder)
        expected = {}
        signatures = model.export_signatures()
        for name, function in signatures.items():
            for size in (1, 3):
                arguments = arguments_of(function, size, case)
                for key, value in arguments.items():
                    expected[f"{name}/{size}/in/{key}"] = value
                for key, value in function(**arguments).items():
                    value = value.numpy()
                    expected[f"{name}/{size}/out/{key}"] = (
                        value.astype(str) if value.dtype == object else value
                    )
        np.savez(folder / "expected.npz", **expected)
        (folder / "signatures.json").write_text(json.dumps(list(signatures)))
        folders.append(str(folder))
    script = tmp_path / "alone.py"
    script.write_text(ALONE)
    result = subprocess.run(
        [sys.executable, "-I", str(script), *folders],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.split("\n")[:-1] == [
        f"{pathlib.Path(folder).name} stands alone" for folder in folders
    ]


# === 6. Bad arguments ===


def test_bad_arguments_are_named(case):
    for arguments, message in case.bad_arguments:
        with pytest.raises(ValueError, match=message):
            type(case.build()).from_config(arguments)
