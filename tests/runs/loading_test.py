"""Models out of run folders: equal to the trained ones bit for bit; what has none is refused."""

import functools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.case import Case
from tests.cases import CASES
from tests.runs.two_players import make_model as make_unregistered_model
from zoo.common.layers import Maxout
from zoo.common.schedules import ConstantThenLinearDecay
from zoo.runs import (
    CheckpointError,
    HyperParameter,
    RunCheckpoint,
    RunFolder,
    RunFolderError,
    StopOnQuality,
    load_model,
)
from zoo.runs.training_state import state_variables

REPOSITORY = Path(__file__).resolve().parent.parent.parent


# === Models and runs ===


def make_vanilla_gan(units: int = 6) -> zoo.VanillaGAN:
    """A model whose every step draws: latents, noise for the images, dropout."""
    generator = [keras.Input((3,)), keras.layers.Dense(16, "tanh"), keras.layers.Reshape((4, 4, 1))]
    discriminator = [
        keras.Input((4, 4, 1)),
        keras.layers.Flatten(),
        Maxout(units, 3),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(1, dtype="float32"),
    ]
    model = zoo.VanillaGAN(
        (4, 4, 1),
        latent_dim=3,
        input_noise=0.1,
        average_decay=0.9,
        generator=keras.Sequential(generator),
        discriminator=keras.Sequential(discriminator),
    )
    model.compile()
    return model


def make_dcgan() -> zoo.DCGAN:
    model = zoo.DCGAN((28, 28, 1), latent_dim=3, base_filters=1, average_decay=0.9)
    model.compile(objective="hinge", discriminator_optimizer=keras.optimizers.SGD(0.1, 0.9))
    return model


def make_cyclegan() -> zoo.CycleGAN:
    options = {"base_filters": 1, "num_blocks": 1, "discriminator_scales": 1, "pool_size": 2}
    model = zoo.CycleGAN((16, 16, 3), average_decay=0.9, **options)
    optimizers = {
        f"{player}_optimizer": keras.optimizers.Adam(ConstantThenLinearDecay(rate, 5, 5))
        for player, rate in (("generator", 2e-4), ("discriminator", 1e-4))
    }
    model.compile(**optimizers)
    return model


def begin_run(folder: Path, model: keras.Model) -> RunFolder:
    run = RunFolder.start(folder, "toy", {"epochs": HyperParameter(2)}).begin()
    run.write_model(model)
    return run


def give_every_variable_a_value(model: keras.Model) -> None:
    """What a training does to a model, without one: nothing stays as it was initialised."""
    numbers = np.random.default_rng(1)
    for variable in state_variables(model):
        is_real = np.issubdtype(variable.numpy().dtype, np.floating)
        draw = numbers.normal if is_real else numbers.integers
        variable.assign(draw(*(() if is_real else (1, 100)), size=tuple(variable.shape)))


def saved_run(folder: Path, model: keras.Model) -> RunFolder:
    """A run with one checkpoint, in which no variable has its initial value."""
    run = begin_run(folder, model)
    give_every_variable_a_value(model)
    checkpoints = RunCheckpoint(run.checkpoints)
    checkpoints.set_model(model)
    checkpoints.on_epoch_end(0)
    return run


def description_of(model: keras.Model) -> str:
    """How a model is built and compiled."""
    return json.dumps(keras.saving.serialize_keras_object(model))


def state_of(model: keras.Model) -> list[np.ndarray]:
    return [np.array(variable.numpy()) for variable in state_variables(model)]


def assert_same_state(actual: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert len(actual) == len(expected)
    for left, right in zip(actual, expected, strict=True):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


# === Every variant ===


def of_case(case: Case) -> keras.Model:
    model = case.build()
    model.compile()
    return model


MAKERS = {case.name: functools.partial(of_case, case) for case in CASES} | {
    "dropout and noise": make_vanilla_gan,
    "another objective and optimizer": make_dcgan,
    "a schedule of our own": make_cyclegan,
}


# What a variant is rebuilt from, the contract asks of each; here it is the same code for all.
EVERY_DAY = ("cyclegan", "semi_supervised_gan", "dropout and noise")


@pytest.mark.parametrize(
    "make_model",
    [
        pytest.param(make, id=name, marks=[] if name in EVERY_DAY else [pytest.mark.slow])
        for name, make in MAKERS.items()
    ],
)
def test_every_variant_comes_back_with_all_its_state(
    tmp_path: Path, make_model: Callable[[], keras.Model]
) -> None:
    model = make_model()
    run = saved_run(tmp_path, model)
    loaded = load_model(run.path)
    assert type(loaded) is type(model) and loaded.compiled
    assert description_of(loaded) == description_of(model)
    assert_same_state(state_of(loaded), state_of(model))


@pytest.mark.slow
def test_in_a_new_process_that_only_imports_the_zoo(tmp_path: Path) -> None:
    model = make_cyclegan()
    run = saved_run(tmp_path / "run", model)
    script = (
        "import sys, zoo, numpy as np\n"
        "folder, output = sys.argv[1:]\n"
        "model = zoo.runs.load_model(folder)\n"
        "assert not any(name.split('.')[0] in ('recipes', 'tests') for name in sys.modules)\n"
        "from zoo.runs.training_state import state_variables\n"
        "np.savez(output, *[variable.numpy() for variable in state_variables(model)])\n"
    )
    subprocess.run(
        [sys.executable, "-c", script, run.path, tmp_path / "state.npz"],
        check=True,
        timeout=300,
        cwd=REPOSITORY,
    )
    with np.load(tmp_path / "state.npz") as arrays:
        assert_same_state(list(arrays.values()), state_of(model))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_precision_comes_back(tmp_path: Path, policy: str) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        model = make_dcgan()
    finally:
        keras.config.set_dtype_policy("float32")
    loaded = load_model(saved_run(tmp_path, model).path)
    policies = [layer.dtype_policy.name for layer in model._flatten_layers()]
    assert {policy, "float32"} <= set(policies)
    assert [layer.dtype_policy.name for layer in loaded._flatten_layers()] == policies
    assert isinstance(loaded.generator_optimizer, keras.optimizers.LossScaleOptimizer) == (
        policy == "mixed_float16"
    )
    assert keras.config.dtype_policy().name == "float32"
    np.testing.assert_array_equal(loaded.generate(2, seed=1), model.generate(2, seed=1))
    assert_same_state(state_of(loaded), state_of(model))


def test_onto_two_replicas(tmp_path: Path, two_replicas: tf.distribute.MirroredStrategy) -> None:
    model = make_vanilla_gan()
    run = saved_run(tmp_path, model)
    with two_replicas.scope():
        loaded = load_model(run.path)
    assert_same_state(state_of(loaded), state_of(model))
    step = int(loaded.step.numpy())
    loaded.fit(make_images(), verbose=0)
    assert int(loaded.step.numpy()) == step + 2


# === Which checkpoint ===


def make_images() -> tf.data.Dataset:
    """Two batches, the same in each epoch."""
    images = np.random.default_rng(3).uniform(-1, 1, (16, 4, 4, 1)).astype("float32")
    return tf.data.Dataset.from_tensor_slices(images).batch(8, drop_remainder=True)


class Measured(keras.callbacks.Callback):
    """Reports a quality of the test's choice at each epoch, and keeps the state at its end."""

    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.values = values
        self.states: list[list[np.ndarray]] = []

    def on_epoch_end(self, epoch, logs=None) -> None:
        logs["val_error"] = self.values[epoch]
        self.states.append(state_of(self.model))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory):
    """A run of three epochs, of which the second was the best; its model and its states."""
    model = make_vanilla_gan()
    run = begin_run(tmp_path_factory.mktemp("runs") / "watched", model)
    measured, quality = Measured([3.0, 1.0, 2.0]), StopOnQuality("val_error", patience=5)
    checkpoints = RunCheckpoint(run.checkpoints, keep=3, states={"quality": quality})
    callbacks = [measured, quality, checkpoints]
    model.fit(make_images(), epochs=3, verbose=0, callbacks=callbacks)
    return run, model, measured.states


def test_best_is_the_state_in_which_training_ends(watched) -> None:
    run, model, states = watched
    best = load_model(run.path)
    assert int(best.step.numpy()) == 4
    assert_same_state(state_of(best), state_of(model))
    best_weights = make_vanilla_gan()
    for variable, value in zip(state_variables(best_weights), states[1], strict=True):
        variable.assign(value)
    assert_same_state(best.get_weights(), best_weights.get_weights())


def test_newest_is_the_last_epoch(watched) -> None:
    run, _, states = watched
    assert_same_state(state_of(load_model(run.path, "newest")), states[2])


def test_training_goes_on_from_one_checkpoint(watched) -> None:
    run, _, states = watched
    loaded = load_model(str(run.path), str(run.checkpoints / "epoch-0002"))
    assert_same_state(state_of(loaded), states[1])
    loaded.fit(make_images(), verbose=0)
    assert_same_state(state_of(loaded), states[2])


# === What can't be loaded ===


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return saved_run(tmp_path / "run", make_vanilla_gan())


def refusal(kind: type[ValueError], *arguments) -> str:
    with pytest.raises(kind) as raised:
        load_model(*arguments)
    message = str(raised.value)
    assert "\n" not in message
    return message


def flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_no_run(tmp_path: Path) -> None:
    message = refusal(RunFolderError, tmp_path / "missing")
    assert message.endswith("cannot be read: No such file or directory. Give the folder of a run.")


@pytest.mark.parametrize("checkpoint", ["best", "newest"])
def test_no_checkpoint_yet(tmp_path: Path, checkpoint: str) -> None:
    begin_run(tmp_path, make_vanilla_gan())
    message = refusal(CheckpointError, tmp_path, checkpoint)
    assert message.startswith(f"{tmp_path} has no checkpoint yet: a run saves the first at the end")


@pytest.mark.parametrize("checkpoint", ["last", "epoch-0009", ""])
def test_unknown_checkpoint(run: RunFolder, checkpoint: str) -> None:
    assert refusal(CheckpointError, run.path, checkpoint) == (
        '`checkpoint` should be "best", "newest" or the folder of one checkpoint, such as '
        f"{run.checkpoints / 'epoch-0001'}. Received: checkpoint={checkpoint!r}"
    )


def test_run_without_a_model(run: RunFolder) -> None:
    run.model_json.unlink()
    assert "has no model.json, as runs of older versions" in refusal(RunFolderError, run.path)


@pytest.mark.parametrize("old_and_new", [("0.1", "0.2"), ("{", ""), ('"checksum"', '"check"')])
def test_damaged_model(run: RunFolder, old_and_new: tuple[str, str]) -> None:
    text = run.model_json.read_text()
    assert old_and_new[0] in text
    run.model_json.write_text(text.replace(*old_and_new))
    assert f"{run.model_json} is damaged: " in refusal(RunFolderError, run.path)


def test_class_that_keras_does_not_know(tmp_path: Path) -> None:
    model = make_unregistered_model()
    run = saved_run(tmp_path, model)
    message = refusal(RunFolderError, run.path)
    assert "can't be made a model again: Could not locate class 'TwoPlayers'" in message
    assert len(message) < 600


@pytest.mark.parametrize("name", ["model.weights.h5", "state.json"])
def test_damaged_checkpoint(run: RunFolder, name: str) -> None:
    flip_byte(run.checkpoints / "epoch-0001" / name)
    message = refusal(CheckpointError, run.path)
    assert f"epoch-0001 is damaged: {name} " in message


def test_damaged_best_weights(tmp_path: Path) -> None:
    model, quality = make_vanilla_gan(), StopOnQuality("val_error", patience=5)
    run = begin_run(tmp_path, model)
    checkpoints = RunCheckpoint(run.checkpoints, states={"quality": quality})
    for callback in (quality, checkpoints):
        callback.set_model(model)
        callback.on_train_begin()
        callback.on_epoch_end(0, {"val_error": 1.0})
    flip_byte(run.checkpoints / "epoch-0001" / "best_weights.npz")
    assert "best_weights.npz differs from what was written" in refusal(CheckpointError, run.path)


def test_checkpoint_of_another_run(run: RunFolder, tmp_path: Path) -> None:
    other = saved_run(tmp_path / "other", make_vanilla_gan(units=7))
    message = refusal(CheckpointError, run.path, other.latest_checkpoint)
    assert "does not fit this model" in message
