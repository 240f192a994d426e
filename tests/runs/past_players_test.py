"""Past players: when they play, that the present one rests meanwhile, and is what is saved."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.case import ramp_images, state_of
from tests.dense_gan import dense_gan
from zoo.runs import PastPlayers, RunCheckpoint, StopOnNonFinite, StopOnQuality

# Kept at steps 2, 4, 6, …; in steps 5 and 6, 10 and 11, 15 and 16, … a past one plays.
NUMBERS = {"keep_every": 2, "play_every": 5, "play_for": 2}


def build(player="generator", **arguments):
    keras.utils.set_random_seed(8)
    model = dense_gan(keras.layers.BatchNormalization(), average_decay=0.9)
    model.compile(run_eagerly=True)
    return model, PastPlayers(player, **(NUMBERS | arguments))


def train(model, steps: int, *callbacks, epochs=1) -> None:
    data = tf.data.Dataset.from_tensors(ramp_images(4)).repeat(steps)
    model.fit(data, epochs=epochs, callbacks=list(callbacks), verbose=0)


def weights_of(model, player: str) -> list[np.ndarray]:
    return [np.array(w) for network in model.players[player] for w in network.weights]


def same(first, second) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


class Watch(keras.callbacks.Callback):
    """Collects the whole state after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[dict[str, list[np.ndarray]]] = []

    def on_train_begin(self, logs=None):
        self.on_train_batch_end(0)

    def on_train_batch_end(self, batch, logs=None):
        state = {player: weights_of(self.model, player) for player in self.model.players}
        for player, optimizer in self.model.optimizers.items():
            state[f"{player}_optimizer"] = [np.array(v) for v in optimizer.variables]
        state["average"] = [np.array(w) for w in self.model.averaged_generator.weights]
        self.states.append(state)


def test_keeps_the_weights_of_every_so_many_steps():
    model, past = build(play_every=100, max_kept=3)
    watch = Watch()
    train(model, 9, watch, past)
    assert list(past.kept) == [4, 6, 8]
    for step, weights in past.kept.items():
        assert same(weights, watch.states[step]["generator"])


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_the_player_rests_while_a_past_one_plays(player):
    model, past = build(player)
    watch = Watch()
    train(model, 12, watch, past)
    (other,) = set(model.players) - {player}
    own = [player, f"{player}_optimizer", *(["average"] if player == "generator" else [])]
    for step in range(12):
        before, after = watch.states[step], watch.states[step + 1]
        is_past = step in (5, 6, 10, 11)
        for name in own:
            assert same(before[name], after[name]) == is_past, (step, name)
        assert not same(before[other], after[other])
    assert int(model.step) == 12


def test_the_other_player_meets_the_past_one():
    model, past = build(max_kept=1)
    watch = Watch()
    train(model, 6, watch, past)
    assert list(past.kept) == [6]
    # By hand: at step 5 the generator of step 4, the only one that was kept.
    by_hand, _ = build()
    before = Watch()
    train(by_hand, 5, before)
    assert same(before.states[5]["discriminator"], watch.states[5]["discriminator"])
    present = weights_of(by_hand, "generator")
    for weight, value in zip(by_hand.generator.weights, watch.states[4]["generator"], strict=True):
        weight.assign(value)
    train(by_hand, 1)
    assert same(weights_of(by_hand, "discriminator"), watch.states[6]["discriminator"])
    # And else it would have met the present one.
    plain, _ = build()
    train(plain, 6)
    assert not same(weights_of(plain, "discriminator"), watch.states[6]["discriminator"])
    assert not same(present, watch.states[4]["generator"])


def test_an_interrupted_step_leaves_the_present_player(monkeypatch):
    model, past = build()
    watch, calls = Watch(), []
    finish_step = model.finish_step

    def interrupted(**logs):
        calls.append(weights_of(model, "generator"))
        if len(calls) == 6:
            raise KeyboardInterrupt
        return finish_step(**logs)

    monkeypatch.setattr(model, "finish_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(model, 9, watch, past)
    assert not same(calls[5], watch.states[5]["generator"]), "a past one must have played"
    assert same(weights_of(model, "generator"), watch.states[5]["generator"])

    # A later training without the callback has none.
    monkeypatch.undo()
    later = Watch()
    model.step.assign(5)
    train(model, 1, later)
    assert not same(*(state["generator"] for state in later.states))


def test_two_players_of_the_past_take_turns_in_one_run():
    model, past = build()
    watch, other = Watch(), PastPlayers("discriminator", keep_every=2, play_every=5, play_for=1)
    train(model, 7, past, watch, other)
    for step, generator_rests, discriminator_rests in ((4, 0, 0), (5, 1, 1), (6, 1, 0)):
        before, after = watch.states[step], watch.states[step + 1]
        assert same(before["generator"], after["generator"]) == generator_rests
        assert same(before["discriminator"], after["discriminator"]) == discriminator_rests


# === Runs ===


def test_a_run_is_resumed_with_its_past_players(tmp_path):
    unbroken, past = build()
    train(unbroken, 4, past, epochs=4)

    first, past_of_first = build()
    save = RunCheckpoint(tmp_path, states={"past": past_of_first})
    # In the middle of a play; whatever the order of the callbacks.
    train(first, 4, StopOnNonFinite(), save, past_of_first, epochs=4 - 1)
    resumed, past_of_resumed = build()
    RunCheckpoint.restore(resumed, tmp_path, {"past": past_of_resumed})
    assert int(resumed.step) == 12
    assert list(past_of_resumed.kept) == [2, 4, 6, 8, 10, 12]
    train(resumed, 4, past_of_resumed)
    assert same(state_of(unbroken), state_of(resumed))

    forgetful, past_of_forgetful = build()
    RunCheckpoint.restore(forgetful, tmp_path, {})
    train(forgetful, 4, past_of_forgetful)
    assert not same(state_of(unbroken), state_of(forgetful))


def test_what_is_saved_and_kept_as_best_is_the_present_player(tmp_path):
    model, past = build()
    watch = Watch()
    saved = keras.callbacks.ModelCheckpoint(
        tmp_path / "{batch}.weights.h5", save_weights_only=True, save_freq=1
    )
    best = StopOnQuality("generator_loss", patience=1, mode="max", min_delta=1e9)
    data = tf.data.Dataset.from_tensors(ramp_images(4)).repeat(6)
    model.fit(data, epochs=2, callbacks=[best, saved, watch, past], verbose=0)
    assert best.stop_reason is not None
    # The best weights are those of the first epoch, which ended while a past one played.
    assert same(weights_of(model, "generator"), watch.states[6]["generator"])
    assert same(weights_of(model, "discriminator"), watch.states[6]["discriminator"])
    again, _ = build()
    again.load_weights(tmp_path / "6.weights.h5")
    assert same(weights_of(again, "generator"), watch.states[12]["generator"])


def test_nothing_is_left_of_a_run_without_a_past(tmp_path):
    model, past = build(keep_every=100)
    train(model, 2, past, RunCheckpoint(tmp_path, states={"past": past}))
    _, restored = build()
    RunCheckpoint.restore(model, tmp_path, {"past": restored})
    assert restored.kept == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keep_every": 0}, "`keep_every` .* Received: keep_every=0"),
        ({"max_kept": 1.5}, "`max_kept` .* Received: max_kept=1.5"),
        ({"play_for": 6}, "at most play_every=5. Received: play_for=6"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        PastPlayers("generator", **(NUMBERS | arguments))


def test_an_unknown_player_is_named():
    model, past = build("critic")
    with pytest.raises(ValueError, match="generator, discriminator. Received: player='critic'"):
        train(model, 1, past)
