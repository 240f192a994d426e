"""Each ill is named in trainings that are led into it, and none in healthy ones."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from benchmarks.health import HEALTHY, ILL, PAGE, REPOSITORY, spots, state_of, step_of, train
from tests.cases import CASES
from tests.dense_gan import IMAGE_SHAPE, dense_gan
from tests.three_players import CASE as THREE_PLAYERS
from zoo.runs.health import STATES, HealthMonitor
from zoo.runs.probing import gradient_halves, measure, probe_batch
from zoo.runs.training_state import discard_epoch, state_variables

# All trainings take minutes; of these, each of another kind, it is always asked.
EVERY_DAY = ("generator_constant", "collapse", "spots")
LOOKED_AT_EVERY_DAY = ("cyclegan", "semi_supervised_gan", "three_players", "vanilla_gan")


def at_seeds(*names: str) -> list:
    """Each name with three seeds; but for those of every day, and their first, only if asked."""
    return [
        pytest.param(
            name, seed, marks=[] if name in EVERY_DAY and seed == 0 else [pytest.mark.slow]
        )
        for name in names
        for seed in (0, 1, 2)
    ]


# === Trainings ===


@pytest.mark.parametrize(("name", "seed"), at_seeds(*ILL))
def test_an_ill_is_named_once_and_when_the_page_says(name, seed, capsys):
    state = state_of(name)
    monitor = train(ILL[name], seed, until=state)
    (finding,) = [finding for finding in monitor.findings if finding["state"] == state]
    assert finding["remedy"] == STATES[state].remedy
    page = (REPOSITORY / PAGE).read_text(encoding="utf-8")
    row = re.escape(f"| {STATES[state].title} | {ILL[name].how} | ")
    steps = [int(step) for step in re.search(rf"{row}(.*) \|", page)[1].split(", ")]
    # Sums round otherwise on other machines, and then a training goes a way of its own.
    assert abs(finding["step"] - steps[seed]) <= 150
    assert state != "breakdown" or finding["step"] > 150  # healthy until then
    lines = [line for line in capsys.readouterr().err.splitlines() if STATES[state].title in line]
    (line,) = lines
    assert line.startswith(f"Step {finding['step']}, epoch {finding['epoch']}: ")
    assert line.endswith(f"{finding['seen']}. {finding['remedy']}")


@pytest.mark.parametrize(("name", "seed"), at_seeds(*HEALTHY))
def test_nothing_is_named_in_a_healthy_training(name, seed, capsys):
    assert train(HEALTHY[name], seed).findings == []
    assert capsys.readouterr().err == ""


def looks_of(*norms: tuple[float, float], **others: float) -> list[dict[str, float]]:
    """Looks at a game of two players, by the gradient norms of both."""
    names = ("generator_gradient_norm", "critic_gradient_norm")
    losses = {"generator_loss": 0.0, "critic_loss": 0.9}
    return [dict(zip(names, each, strict=True)) | losses | others for each in norms]


def test_a_standstill_is_of_all_players_for_three_looks_on_end():
    sees = STATES["standstill"].sees
    begun, still = (1.0, 5.0), (0.01, 0.09)
    assert "no player learns" in sees(looks_of(begun, still, still, still))
    assert sees(looks_of(begun, still, still)) is None
    assert sees(looks_of(begun, still, still, (0.03, 0.09))) is None
    assert sees(looks_of(begun, still, (0.01, 0.2), still)) is None
    unknown = (float("nan"), float("nan"))
    assert sees(looks_of(begun, unknown, unknown, unknown)) is None
    # One half of a discriminator's loss may have no slope, and the other has: no player's norm.
    half = {"critic_real_gradient_norm": 0.0}
    assert sees(looks_of(begun, begun, begun, begun, **half)) is None


def epochs_of(*norms: float) -> list[dict[str, float]]:
    return [{"critic_gradient_norm": each, "critic_loss": 0.9} for each in norms]


def test_a_breakdown_is_told_by_the_median_of_at_least_four_epochs_after_the_first():
    sees = STATES["breakdown"].sees
    seen = sees(epochs_of(9, 2, 3, 2, 3, 11))
    assert "critic gradient norm is 11 in" in seen and "was 2.5 in the median of the 4" in seen
    assert sees(epochs_of(9, 2, 3, 2, 3, 9)) is None
    assert sees(epochs_of(9, 2, 3, 2, 11)) is None
    assert sees(epochs_of(9, 2, 90, 2, 3, 9)) is None
    assert sees(epochs_of(9)) is None


def test_a_breakdown_is_seen_past_overflows_and_is_none_itself():
    sees = STATES["breakdown"].sees
    nan, infinite = float("nan"), float("inf")
    assert sees(epochs_of(9, 2, nan, 3, infinite, 2, 3, 50))
    assert sees([*epochs_of(9, 2, 3), {}, *epochs_of(2, 3, 50)])
    assert sees(epochs_of(9, 2, nan, 3, infinite, 2, 50)) is None  # three are too few
    assert sees(epochs_of(9, 2, 3, 2, 3, infinite)) is None


def test_a_gradient_that_comes_back_from_almost_nothing_is_no_breakdown():
    sees = STATES["breakdown"].sees
    assert sees(epochs_of(9, 1e-9, 1e-9, 1e-9, 1e-9, 1e-8)) is None
    assert sees(epochs_of(9, 0, 0, 0, 0, 0.7)) is None  # 4 times a fiftieth of 9 is 0.72
    assert sees(epochs_of(9, 0, 0, 0, 0, 0.8))


def played(
    monitor: HealthMonitor, norms: list[float], first_epoch: int = 0, discarded: int | None = None
) -> HealthMonitor:
    """Has the monitor see epochs of so large gradients, of which it looks at the first alone."""
    monitor.every_epochs = 50
    monitor.set_model(dense())
    monitor.set_params({"epochs": 50})
    monitor.on_train_begin()
    discard_epoch(monitor.model, discarded)
    for epoch, logs in enumerate(epochs_of(*norms), first_epoch):
        monitor.on_epoch_end(epoch, logs)
    return monitor


def test_a_breakdown_between_two_looks_is_named_in_its_epoch(tmp_path: Path, capsys):
    file = tmp_path / "health.json"
    monitor = played(HealthMonitor(data(), file, first_verdict=0), [2, 2, 3, 2, 3, 11, 2])
    (finding,) = monitor.findings
    assert (finding["state"], finding["epoch"]) == ("breakdown", 6)
    assert "breaks down" in capsys.readouterr().err
    kept = json.loads(file.read_text())
    assert kept["looks"] == 1 and kept["findings"] == monitor.findings


def test_which_epochs_a_breakdown_is_told_by():
    def named(norms: list[float], first_verdict: int = 0, discarded: int | None = None) -> bool:
        monitor = HealthMonitor(data(), first_verdict=first_verdict)
        return bool(played(monitor, norms, discarded=discarded).findings)

    long_ago, lately = [20.0] * 10, [2.0] * 5
    assert not named([*long_ago, 2, 2, 2, 11])  # of eight epochs five are of long ago
    assert named([*long_ago, *lately, 11])
    assert named([2, 2, 2, 2, 2, 11]) and not named([2, 2, 2, 2, 2, 11], first_verdict=1)
    assert not named([2, 2, 2, 2, 2, 11], discarded=5)
    assert not named([2, 2, 2, 2, 2, 11], discarded=3)  # four are left, and the first


def test_a_breakdown_after_a_resume_is_told_by_the_epochs_before_it(tmp_path: Path):
    before = played(HealthMonitor(data()), [2, 2, 3, 2, 3])
    state = json.loads(json.dumps(before.save_state(tmp_path)))
    older = {name: value for name, value in state.items() if name != "epochs"}
    for kept, named in ((state, ["breakdown"]), (older, [])):
        again = HealthMonitor(data(), first_verdict=0)
        again.restore_state(tmp_path, kept)
        played(again, [11], first_epoch=5)
        assert [finding["state"] for finding in again.findings] == named


def test_every_state_is_provoked():
    assert {state_of(name) for name in ILL} == set(STATES)


# === Looks ===


def dense(**arguments) -> zoo.DCGAN:
    keras.utils.set_random_seed(3)
    model = dense_gan(layers.Dropout(0.5), **arguments)
    model.compile(run_eagerly=True)
    return model


def images(number: int = 12) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (number, *IMAGE_SHAPE)).astype("float32")


def data(number: int = 12) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(images(number)).batch(4)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case,
            id=case.name,
            marks=[] if case.name in LOOKED_AT_EVERY_DAY else [pytest.mark.slow],
        )
        for case in (*CASES, THREE_PLAYERS)
    ],
)
def test_a_look_at_any_variant_changes_nothing_of_it(case):
    keras.utils.set_random_seed(3)
    model = case.build()
    model.compile()
    before = [variable.numpy() for variable in state_variables(model)]
    batch = tf.nest.map_structure(tf.constant, case.batch(4))
    numbers, centre = measure(model, batch, 4)
    for variable, value in zip(state_variables(model), before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value, err_msg=variable.path)
    assert any(name.startswith("variety") for name in numbers)
    assert np.isfinite([*numbers.values(), *centre]).all()
    halves = {name for name in numbers if name.endswith("_gradient_norm")}
    has_condition = getattr(model, "condition", None) is not None
    assert bool(halves) == (model.objective is not None and not has_condition)


def test_training_is_the_same_with_and_without_looks():
    weights = []
    for callbacks in ([], [HealthMonitor(data())]):
        model = dense()
        model.fit(images(), batch_size=4, epochs=3, shuffle=False, callbacks=callbacks, verbose=0)
        weights.append([variable.numpy() for variable in state_variables(model)])
    for plain, looked_at in zip(*weights, strict=True):
        np.testing.assert_array_equal(plain, looked_at)


def test_epochs_between_looks_are_passed_over_but_not_the_first_and_the_last():
    model, looks, health = dense(), [], HealthMonitor(data(), every_epochs=2)

    class Note(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            looks.append((health.latest_step, "generator_generated_gradient_norm" in logs))

    model.fit(
        images(), batch_size=4, epochs=5, shuffle=False, callbacks=[health, Note()], verbose=0
    )
    assert looks == [(3, True), (6, True), (6, False), (12, True), (15, True)]


def test_a_look_at_two_replicas(two_replicas):
    with two_replicas.scope():
        model = dense_gan()
        model.compile()
    numbers, _ = measure(model, probe_batch(data()), 4)
    assert set(numbers) == {"variety", "nearest", "lightness"}


def test_halves_add_up_to_the_gradient_of_the_discriminator():
    keras.utils.set_random_seed(3)
    model = dense_gan()
    model.compile(**{f"{player}_optimizer": keras.optimizers.SGD(1.0) for player in model.players})
    kernel = model.discriminator.trainable_variables[0]
    kernel.assign(tf.zeros_like(kernel))  # logits of 0: each half is half of a mean image
    batch = tf.constant(images(8))
    halves = gradient_halves(model, batch)
    (probe,) = model.probe(batch, training=True).values()
    for half, shown in (("real", probe.real_images), ("generated", probe.generated_images)):
        mean = np.asarray(shown).reshape(8, -1).mean(axis=0)
        expected = 0.5 * np.sqrt(np.square(mean).sum() + 1.0)  # and of the bias
        assert halves[f"discriminator_{half}_gradient_norm"] == pytest.approx(expected, rel=1e-4)
    # No gradient comes through a discriminator of zeros.
    assert halves["generator_generated_gradient_norm"] == 0


def test_variety_and_nearest_tell_copies_from_images():
    model = dense()
    batch = probe_batch(data())
    model.generator.layers[1].kernel.assign(tf.zeros((4, 784)))
    numbers, _ = measure(model, batch, 4)
    assert numbers["variety"] == 0 and numbers["nearest"] == pytest.approx(0, abs=1e-3)


def test_the_probe_batch_has_the_first_rows_whatever_the_batch_size():
    both = tf.data.Dataset.zip(data(80), data(80))
    first, second = probe_batch(both)
    np.testing.assert_array_equal(first, images(80)[:64])
    np.testing.assert_array_equal(second, first)
    assert len(probe_batch(data(6))) == 6


# === What is kept ===


def test_the_first_look_may_come_when_verdicts_do():
    monitor = HealthMonitor(data(), first_verdict=0)
    dense().fit(data(), epochs=1, verbose=0, callbacks=[monitor])
    assert monitor.findings == []


def test_findings_stand_in_the_file_and_survive_a_resume(tmp_path: Path):
    name = "generator_constant"
    file = tmp_path / "health.json"
    model = ILL[name].build(0)
    batches = tf.data.Dataset.from_tensor_slices(spots()).batch(32).take(10)
    first = HealthMonitor(batches, file)
    model.fit(batches, epochs=4, callbacks=[first], verbose=0)
    assert step_of(first, name) == 40
    again = HealthMonitor(batches, file)
    again.restore_state(tmp_path, json.loads(json.dumps(first.save_state(tmp_path))))
    model.fit(batches, initial_epoch=4, epochs=6, callbacks=[again], verbose=0)
    kept = json.loads(file.read_text())
    assert [f["state"] for f in kept["findings"]] == [name]
    assert kept["looks"] == 6 and kept["latest"] == again.latest


def test_logs_of_an_epoch_have_the_gradients_of_either_half():
    history = dense().fit(data(), epochs=2, callbacks=[HealthMonitor(data())], verbose=0).history
    for name in ("discriminator_real", "discriminator_generated", "generator_generated"):
        assert len(history[f"{name}_gradient_norm"]) == 2
