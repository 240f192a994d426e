"""Records made by hand, for tests of what is made from records."""

import dataclasses
from typing import Any

from benchmarks.records import Record
from recipes import semi_supervised


def configuration_of(**changes: Any) -> dict[str, Any]:
    """The preset quick on mnist_small, with changes."""
    preset = semi_supervised.preset("quick", "mnist_small")
    return dataclasses.asdict(preset) | changes


def record_of(
    error: float = 0.02,
    baseline: float = 0.2,
    num_labels: int = 100,
    seed: int = 0,
    smoke: bool = False,
    **changes: Any,
) -> Record:
    """A record of the semi-supervised recipe; changes are of its hyper-parameters."""
    configuration = configuration_of(
        num_labels=num_labels, label_seed=seed, seed=seed, smoke=smoke, **changes
    )
    return Record(
        recipe="semi_supervised",
        preset="quick",
        configuration=configuration,
        protocol="test error on mnist_small test (500 images), averaged weights of the last step",
        scores={"test_error": error, "baseline_test_error": baseline},
        details={
            "num_test_images": 500,
            "epochs": configuration["epochs"],
            "stop_reason": "all epochs done",
        },
        seconds=300.5,
        steps_per_second=20.25,
        versions={"python": "3.11.7", "tensorflow": "2.21.0", "keras": "3.15.1"},
        devices=["CPU"],
        cpus=2,
        git_commit="0123456789abcdef0123456789abcdef01234567",
        dataset_fingerprint="ab" * 32,
        date="2026-01-31",
        smoke=smoke,
    )
