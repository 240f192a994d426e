"""Names what goes wrong in a game while it is played: `HealthMonitor`."""

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from zoo.common.checks import as_integer
from zoo.common.files import write_atomically
from zoo.runs.epochs import is_due
from zoo.runs.probing import measure, probe_batch
from zoo.runs.training_state import is_discarded, steps_done

# Looks that are kept to judge by, beside the first, and epochs before the newest.
_WINDOW = 8

# === Thresholds ===

# The semi-supervised game stays above 0.05 in balance, and falls to 0.001 when it is lost.
WON_SCORE = 0.01
# A generator that still learns by what D says keeps its gradient within this factor.
RUN_AWAY_FACTOR = 3.0
# Of the data's variance. 8-bit images that differ by one level of grey here and there have 1e-5.
CONSTANT_VARIETY = 1e-4
# Likewise. Default runs of `mode_lab` have 0.5 and more; that of `vanilla_mnist`, whose
# average is slow, has passed 0.06 at step 1,000, and grows.
COLLAPSED_VARIETY = 0.05
# Of the data's nearest distance: images that are made twice. `vanilla_mnist` begins with 0.015.
COLLAPSED_NEAREST = 0.005
# Looks on end, since a generator's first steps may be as poor.
LOOKS_ON_END = 3
# Of the data's spread, from look to look. The default runs above move by less than 0.15, that of
# `semi_supervised`, which matches features and not images, by 0.46; what is ill by 0.9 and more.
SWING = 0.7
# Looks over which a swing must come back: the way gained is less than half of that gone.
SWING_LOOKS = 6
# Of the first look's gradient, or of 1 if that is less; a default run of `mode_lab` goes up to 67.
EXPLOSION_FACTOR = 200.0
# No first look tells it where the first is broken already; that run stays below 250.
EXPLODED_NORM = 1e5
# Of the median of the epochs before. In three games that broke down an epoch's mean gradient was 5,
# 12 and 79 times as large, in default runs 1.9 times at most, or 2.3 within the first five epochs.
BREAKDOWN_FACTOR = 4.0
BREAKDOWN_EPOCHS = 4
# Of the first look's gradients, of every player. A critic that was dead kept 0.01 and less.
STILL_SHARE = 0.02
# Correlation; `vanilla_mnist` has 0.94 and more, unrelated images 0.
INVERTED_LIGHTNESS = -0.5
# At 1 an image hangs on its company alone, and on its latents not at all; batches of 16 have 0.2.
COMPANY_SHARE = 0.4

Looks = Sequence[Mapping[str, Any]]


# === States ===


@dataclasses.dataclass(frozen=True)
class State:
    """What a game may come to.

    Attributes:
        title: in a few words.
        remedy: what to do.
        sees: says in words what it saw in the looks, the newest last, or returns None. Before the
            window stands the first look of all.
        passes: whether the beginning of a good game may look so.
        of_epochs: whether it is given, in place of looks, the logs of each epoch, those between
            looks too. Defaults to False.
    """

    title: str
    remedy: str
    sees: Callable[[Looks], str | None]
    passes: bool = False
    of_epochs: bool = False


def _discriminator_won(looks: Looks) -> str | None:
    scores = [look.get("generated_score") for look in looks[-2:]]
    if len(scores) < 2 or None in scores or max(scores) >= WON_SCORE:
        return None
    balanced = [look for look in looks if look["generated_score"] >= WON_SCORE]
    what = f"it takes {scores[-1]:.1%} of the generated images for real"
    if not balanced:
        return f"{what}, and has from the beginning"
    for log in ("generator_loss", "generator_gradient_norm"):
        before = float(np.mean([abs(look[log]) for look in balanced]))
        now = abs(looks[-1][log])
        if max(now, before) > RUN_AWAY_FACTOR * min(now, before):
            name = log.replace("_", " ")
            return f"{what}, and the {name} went from {before:.3g} to {now:.3g}"
    return None


def _generator_constant(looks: Looks) -> str | None:
    for name, values in _series(looks, "variety"):
        if len(values) >= LOOKS_ON_END and max(values[-LOOKS_ON_END:]) < CONSTANT_VARIETY:
            return f"all latents give one image{_of(name)}: variety {values[-1]:.2g} of the data's"
    return None


def _collapse(looks: Looks) -> str | None:
    for measured, threshold, words in (
        ("variety", COLLAPSED_VARIETY, "the images of a batch vary"),
        ("nearest", COLLAPSED_NEAREST, "the nearest other image of a batch is as far as"),
    ):
        for name, values in _series(looks, measured):
            last = values[-LOOKS_ON_END:]
            if len(last) < LOOKS_ON_END or max(last) >= threshold:
                continue
            is_on_its_way_out = values[-1] > 1.1 * np.median(values)
            if not is_on_its_way_out and not _generator_constant(looks):
                return f"{words} {values[-1]:.2g} of the data's{_of(name)}"
    return None


def _oscillation(looks: Looks) -> str | None:
    centres = [np.asarray(look["centre"]) for look in looks[-SWING_LOOKS:] if "centre" in look]
    if len(centres) < SWING_LOOKS:
        return None
    steps = np.diff(centres, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    gained = np.linalg.norm(centres[-1] - centres[0])
    if np.median(lengths) > SWING and gained < 0.5 * lengths.sum():
        return (
            f"the mean image moves by {np.median(lengths):.2g} of the data's spread from look to "
            "look, and comes back"
        )
    return None


def _exploding_gradients(looks: Looks) -> str | None:
    for log in (name for name in looks[-1] if name.endswith("_gradient_norm")):
        first, now = looks[0].get(log, np.inf), looks[-1][log]
        # Where losses are scaled for float16, an infinite one is a step that was left out.
        if np.isfinite(now) and now > min(EXPLOSION_FACTOR * max(first, 1.0), EXPLODED_NORM):
            return f"the {log.replace('_', ' ')} is {now:.3g}, and was {first:.3g} at first"
    return None


def _norms_of_players(logs: Mapping[str, Any]) -> dict[str, float]:
    """Returns the gradient norms but those of half a loss, which may vanish by right."""
    return {
        name: value
        for name, value in logs.items()
        if name.endswith("_gradient_norm") and f"{name.removesuffix('_gradient_norm')}_loss" in logs
    }


def _breakdown(epochs: Looks) -> str | None:
    if len(epochs) < 2:
        return None
    first, *between, last = epochs
    for log, now in _norms_of_players(last).items():
        # An overflow that loss scaling skips makes the mean of its epoch infinite, or NaN.
        before = [epoch[log] for epoch in between if np.isfinite(epoch.get(log, np.nan))]
        if len(before) < BREAKDOWN_EPOCHS or not np.isfinite(now):
            continue
        usual = float(np.median(before))
        if now > BREAKDOWN_FACTOR * max(usual, STILL_SHARE * first.get(log, 0.0)):
            return (
                f"the {log.replace('_', ' ')} is {now:.3g} in the mean of an epoch, and was "
                f"{usual:.3g} in the median of the {len(before)} before"
            )
    return None


def _standstill(looks: Looks) -> str | None:
    firsts = _norms_of_players(looks[0])
    last = looks[-LOOKS_ON_END:]
    if len(looks) <= LOOKS_ON_END or not firsts or not all(map(np.isfinite, firsts.values())):
        return None
    for look in last:
        # Of NaN nothing is known.
        if not all(look.get(name, np.inf) <= STILL_SHARE * each for name, each in firsts.items()):
            return None
    name, first = next(iter(firsts.items()))
    return (
        f"no player learns any more; the {name.replace('_', ' ')} is {looks[-1][name]:.2g}, and "
        f"was {first:.3g} at first"
    )


def _colour_inversion(looks: Looks) -> str | None:
    for name, values in _series(looks, "lightness"):
        if len(values) >= LOOKS_ON_END and max(values[-LOOKS_ON_END:]) < INVERTED_LIGHTNESS:
            return (
                f"images{_of(name)} are light where they should be dark: correlation "
                f"{values[-1]:.2f}"
            )
    return None


def _batch_correlation(looks: Looks) -> str | None:
    for _, values in _series(looks, "company"):
        if len(values) >= LOOKS_ON_END and min(values[-LOOKS_ON_END:]) > COMPANY_SHARE:
            return (
                "an image hangs on the others of its batch: with other company it moves by "
                f"{values[-1]:.0%} of what lies between two images"
            )
    return None


STATES = {
    "discriminator_won": State(
        "the discriminator has won",
        "Go back to an earlier checkpoint or start anew, with a lower learning rate of the player "
        "that runs ahead, noise on the discriminator's images, or smoothed labels.",
        _discriminator_won,
    ),
    "generator_constant": State(
        "the generator makes one image",
        "Start anew with a lower learning rate of the generator and the non-saturating objective; "
        "have `adapt` set its first image, if the variant has it.",
        _generator_constant,
    ),
    "collapse": State(
        "the generator repeats itself",
        "Lower the generator's learning rate; give the discriminator minibatch discrimination or "
        "packs; or take a penalty on its slope.",
        _collapse,
        passes=True,
    ),
    "oscillation": State(
        "the game goes round in circles",
        "Lower both learning rates and the momentum, average the generator's weights "
        "(average_decay), or take a penalty on the discriminator's slope.",
        _oscillation,
        passes=True,
    ),
    "exploding_gradients": State(
        "gradients explode",
        "Lower that player's learning rate, or bound the discriminator's slope: a penalty, "
        "spectral normalisation or clipped weights.",
        _exploding_gradients,
    ),
    "breakdown": State(
        "a player breaks down",
        "The game may recover by itself. If it does not, start anew with half that player's "
        "learning rate, or with one that falls earlier.",
        _breakdown,
        passes=True,
        of_epochs=True,
    ),
    "standstill": State(
        "the game stands still",
        "Start anew with another seed or a lower learning rate of the discriminator or critic: "
        "what ends in a rectifier may have fallen to 0 everywhere, where it has no slope.",
        _standstill,
    ),
    "colour_inversion": State(
        "light and dark are exchanged",
        "Start anew with another seed; of translations, with a generator that keeps colours "
        "(architecture residual_skip or attention), or a larger identity_weight.",
        _colour_inversion,
        passes=True,
    ),
    "batch_correlation": State(
        "images of a batch are correlated",
        "Take larger batches, or layer or virtual batch normalisation in the generator.",
        _batch_correlation,
    ),
}


def _series(looks: Looks, measured: str) -> list[tuple[str, list[float]]]:
    """Returns the values of a measure over the looks, for each generator by its name."""
    names = [key for key in looks[-1] if key == measured or key.startswith(f"{measured}_")]
    return [
        (
            name.removeprefix(measured).lstrip("_"),
            [look[name] for look in looks[1:] if name in look],
        )
        for name in names
    ]


def _of(name: str) -> str:
    return f" of domain {name}" if name else ""


# === Monitor ===


class HealthMonitor(keras.callbacks.Callback):
    """Looks at the game at ends of epochs, and names each ill that it sees once, in one line.

    It sees `STATES`: a discriminator that has won, a constant generator, collapse, oscillation,
    exploding gradients, a breakdown within a few epochs, a standstill without any gradient,
    exchanged colours, and images that hang on the others of their batch. Each threshold stands with
    its reason at the top of this module; `docs/health.md` shows at which step each was named in
    trainings that were led into it. What a model does not log or show is not judged: no probability
    of D, no verdict on who won.

    The looks are on one batch, `zoo.runs.probing.measure`, whose numbers `latest` holds; those of
    the gradients of either half join the logs of the epoch. A breakdown is seen in the mean
    gradient of every epoch, also between looks. Training goes on as if nobody had looked. The
    findings, in `path` too, are state of this callback: give it to `RunCheckpoint` among its
    `states`, and place it before what writes the logs.

    Args:
        data: batches as for `fit`, of which the first are looked at.
        path: the JSON to keep what is found in. Defaults to `None`, none.
        first_verdict: steps before which nothing is said of variety, movement and breakdowns.
            Defaults to 1,000: until then the generator of a good run of `vanilla_mnist` repeats
            itself, and epochs may be of few steps.
        every_epochs: epochs from one look to the next. Defaults to 1. The first epoch and the last
            are looked at in any case.

    Attributes:
        findings: what was named so far, each with `state`, its `title`, `epoch`, `step`, `seen` and
            `remedy`.
        latest: None, or the numbers of the newest look.
        latest_step: the step it was taken at.

    Raises:
        ValueError: if `every_epochs` is no positive integer.
        OSError: in training, if the file can't be written.
    """

    def __init__(
        self,
        data: tf.data.Dataset,
        path: str | os.PathLike[str] | None = None,
        first_verdict: int = 1000,
        every_epochs: int = 1,
    ) -> None:
        super().__init__()
        self.every_epochs = as_integer("every_epochs", every_epochs)
        self.first_verdict = first_verdict
        self.path = None if path is None else Path(path)
        self.findings: list[dict[str, Any]] = []
        self.latest: dict[str, float] | None = None
        self.latest_step: int | None = None
        self._data = data
        self._batch: Any = None
        self._batch_size = 0
        self._num_looks = 0
        self._looks: list[dict[str, Any]] = []
        self._epochs: list[dict[str, float]] = []

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self._batch = probe_batch(self._data)
        (first_part, *_), players = tf.nest.flatten(self._data.element_spec), self.model.players
        rows = first_part.shape[0] or len(tf.nest.flatten(self._batch)[0])
        # A batch holds a part for each step of the player that takes most.
        parts = max(getattr(self.model, f"{player}_steps", 1) for player in players)
        self._batch_size = rows // parts

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if is_discarded(self.model, epoch):
            return
        done, epochs = epoch + 1, (self.params or {}).get("epochs")
        means = {name: float(value) for name, value in (logs or {}).items()}
        self._epochs = [*self._epochs[:1], *self._epochs[1:][-_WINDOW:], means]
        is_look = is_due(done, self.every_epochs, epochs)
        if is_look:
            self._look(done, logs)
        num_named = len(self.findings)
        self._judge(done, is_look)
        if is_look or len(self.findings) > num_named:
            self._write()

    def _look(self, epoch: int, logs: dict[str, float] | None) -> None:
        numbers, centre = measure(self.model, self._batch, self._batch_size)
        if logs is not None:
            logs.update({n: v for n, v in numbers.items() if n.endswith("_gradient_norm")})
        self.latest, self.latest_step = numbers, steps_done(self.model)
        look = {"epoch": epoch, "step": self.latest_step, "centre": centre}
        look |= {name: float(value) for name, value in (logs or {}).items()} | numbers
        self._num_looks += 1
        self._looks = [*self._looks[:1], *self._looks[1:][-_WINDOW + 1 :], look]

    def _judge(self, epoch: int, is_look: bool) -> None:
        named = {finding["state"] for finding in self.findings}
        step = steps_done(self.model)
        for name, state in STATES.items():
            is_silent = name in named or (step < self.first_verdict and state.passes)
            if is_silent or not (is_look or state.of_epochs):
                continue
            seen = state.sees(self._epochs if state.of_epochs else self._looks)
            if seen:
                self._name(name, seen, epoch, step)

    def _name(self, name: str, seen: str, epoch: int, step: int) -> None:
        state = STATES[name]
        self.findings.append(
            {
                "state": name,
                "title": state.title,
                "epoch": epoch,
                "step": step,
                "seen": seen,
                "remedy": state.remedy,
            }
        )
        tqdm.write(
            f"Step {step}, epoch {epoch}: {state.title}; {seen}. {state.remedy}", file=sys.stderr
        )

    def _write(self) -> None:
        if self.path is not None:
            body = {"looks": self._num_looks, "findings": self.findings, "latest": self.latest}
            write_atomically(self.path, json.dumps(body, indent=1) + "\n")

    def save_state(self, folder: Path) -> dict[str, Any]:
        """Returns what was seen so far, ready for JSON; `folder` gets no file."""
        return {
            "findings": self.findings,
            "num_looks": self._num_looks,
            "looks": self._looks,
            "epochs": self._epochs,
        }

    def restore_state(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Takes up what `save_state` returned."""
        self.findings = list(state["findings"])
        self._num_looks = state["num_looks"]
        self._looks = list(state["looks"])
        self._epochs = list(state.get("epochs", ()))  # older checkpoints have none
