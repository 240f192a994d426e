"""What a score was taken on. Scores of different stamps are never compared.

scores = {"one": metrics.evaluate(...), "another": metrics.evaluate(...)}
metrics.compare(scores)["frechet_distance"]  # {"one": 12.3, "another": 14.5}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from zoo.common.measure_logs import directions_of
from zoo.metrics.classifier_training import digest_of

_DIGITS = 12


@dataclasses.dataclass(frozen=True)
class Stamp:
    """What two scores must have in common to be compared.

    Attributes:
        extractor: digest of the weights of the network that images went through, 12 digits;
            "none" where there are no weights.
        resizing: how images are resized for it; "none" if they are not.
        num_real: real images that the score looks at.
        num_generated: generated ones.
        split: the real images' data set and split; "" if that was not told.
        seed: which latents; None where each model draws its own, as in `model.evaluate`.
        settings: of the measure, such as "k=3"; "" if it has none.
    """

    extractor: str
    resizing: str
    num_real: int
    num_generated: int
    split: str
    seed: int | None
    settings: str = ""


@dataclasses.dataclass(frozen=True)
class Scores(Mapping[str, float]):
    """The values of measures by their logs, each with what it is worth and was taken on.

    Attributes:
        values_by_log: the values; `scores["recall"]` is one of them.
        standard_errors: of those values that have a cheap estimate, by log: over images, for one
            trained generator. Another training differs by more.
        stamps: by log.
    """

    values_by_log: Mapping[str, float]
    standard_errors: Mapping[str, float]
    stamps: Mapping[str, Stamp]

    def __getitem__(self, log: str) -> float:
        return self.values_by_log[log]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_log)

    def __len__(self) -> int:
        return len(self.values_by_log)


def stamps_of(
    measure: keras.metrics.Metric,
    *,
    num_real: int,
    num_generated: int,
    split: str,
    seed: int | None,
) -> dict[str, Stamp]:
    """Returns the stamp of each log of a measure.

    Args:
        measure: one of `zoo.metrics`; of other metrics nothing is known but what is told here.
        num_real: real images that it was given; if it keeps fewer, those are stamped.
        num_generated: generated images that it was given.
        split: see `Stamp`.
        seed: see `Stamp`.
    """
    held_network = getattr(measure, "held_network", None)
    network = held_network() if held_network else None
    most = getattr(measure, "capacity", max(num_real, num_generated))
    stamp = Stamp(
        extractor=digest_of_extractor(network),
        resizing=getattr(network, "resizing", "none"),
        num_real=min(num_real, most),
        num_generated=min(num_generated, most),
        split=split,
        seed=seed,
        settings=", ".join(f"{name}={getattr(measure, name)}" for name in _settings(measure)),
    )
    return dict.fromkeys(directions_of(measure), stamp)


def _settings(measure: keras.metrics.Metric) -> tuple[str, ...]:
    return getattr(measure, "settings", ())


def digest_of_extractor(network: keras.Model | None) -> str:
    """Returns what a `Stamp` calls a network by; "none" if there is none."""
    if network is None:
        return "none"
    # A network whose weights Keras does not see brings its own.
    own = getattr(network, "digest", None) or (digest_of(network) if network.weights else "none")
    return own[:_DIGITS]


# === Comparing ===


def refuse_different(stamps: Mapping[str, Stamp]) -> None:
    """Refuses to have scores compared that were not taken on the same.

    Args:
        stamps: of one log, by what the scores are called.

    Raises:
        ValueError: naming what differs, and between which two.
    """
    names = iter(stamps)
    first = next(names, None)
    for name in names:
        pairs = [
            f"{field.name} is {_shown(stamps, first, field.name)} in {first} and "
            f"{_shown(stamps, name, field.name)} in {name}"
            for field in dataclasses.fields(Stamp)
            if getattr(stamps[first], field.name) != getattr(stamps[name], field.name)
        ]
        if pairs:
            raise ValueError(
                f"Scores are compared only if all they were taken on is the same. Received: "
                f"{'; '.join(pairs)}."
            )


def _shown(stamps: Mapping[str, Stamp], name: str, field: str) -> Any:
    value = getattr(stamps[name], field)
    return f"{value:,}" if field.startswith("num_") else repr(value)


def compare(scores: Mapping[str, Scores]) -> dict[str, dict[str, float]]:
    """Puts scores side by side.

    Args:
        scores: of `evaluate`, by what they are called.

    Returns:
        For each log that all have, its values by these names.

    Raises:
        ValueError: if the stamps of a log differ, naming the difference.
    """
    logs = [list(each) for each in scores.values()]
    common = [log for log in (logs[0] if logs else []) if all(log in each for each in logs)]
    for log in common:
        refuse_different({f"{log} of {name}": each.stamps[log] for name, each in scores.items()})
    return {log: {name: each[log] for name, each in scores.items()} for log in common}
