"""Recipes and records made by hand, for tests of what is made from records."""

import dataclasses
from typing import Any

import zoo
from benchmarks.records import Record
from recipes import cyclegan, semi_supervised
from recipes.common.generation import Generation
from recipes.common.hyper_parameters import sourced
from recipes.common.recipe import Recipe
from recipes.common.translation_scores import PAIRED_SCORES, TRUTH_SCORES

_RAN_ON = {
    "seconds": 300.5,
    "steps_per_second": 20.25,
    "versions": {"python": "3.11.7", "tensorflow": "2.21.0", "keras": "3.15.1"},
    "devices": ["CPU"],
    "cpus": 2,
    "git_commit": "0123456789abcdef0123456789abcdef01234567",
    "dataset_fingerprint": "ab" * 32,
    "date": "2026-01-31",
}


# === Semi-supervised ===


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
        smoke=smoke,
        **_RAN_ON,
    )


# === Generation ===


@dataclasses.dataclass(frozen=True)
class GeneratingHyperParameters:
    """Those of a recipe that generates."""

    dataset: str = sourced("drawn_house_numbers", "ours")
    test_split: str = sourced("test", "ours")
    epochs: int = sourced(20, "ours")
    batch_size: int = sourced(64, "ours")
    seed: int = sourced(0, "ours")
    objective: str = sourced("non_saturating", "ours")
    learning_rate: float = sourced(2e-4, "ours")
    patience: int | None = sourced(None, "ours")
    precision: str = sourced("float32", "ours")
    smoke: bool = sourced(False, "ours")

    def check(self) -> None:
        """Refuses nothing."""


def generating_preset(name: str, dataset: str) -> GeneratingHyperParameters:
    """The preset of the recipe `made_by_hand`, whatever its name."""
    return GeneratingHyperParameters(dataset=dataset)


GENERATING = Recipe(
    name="made_by_hand",
    title="GAN made by hand",
    model=zoo.DCGAN,
    dataset="drawn_house_numbers",
    preset=generating_preset,
    family=Generation(),
    datasets_help="any",
    positive=("learning_rate",),
)


def generated_record_of(
    frechet_distance: float = 12.0,
    seed: int = 0,
    smoke: bool = False,
    protocol: str = "distances on test",
    class_scores: dict[str, float] | None = None,
    **changes: Any,
) -> Record:
    """A record of the recipe `made_by_hand`; changes are of its hyper-parameters."""
    hyper_parameters = GeneratingHyperParameters(seed=seed, smoke=smoke, **changes)
    classes = {"mean_confidence": 0.75, "class_imbalance": 1.25}
    distances = {"frechet_distance": frechet_distance, "kernel_distance": 0.0035}
    return Record(
        recipe=GENERATING.name,
        preset="quick",
        configuration=dataclasses.asdict(hyper_parameters),
        protocol=protocol,
        scores={
            **distances,
            "real_frechet_distance": 0.5,
            **(classes if class_scores is None else class_scores),
        },
        details={
            "num_images": 2000,
            "weights": "averaged weights",
            "epochs": hyper_parameters.epochs,
            "stop_reason": "all epochs done",
        },
        smoke=smoke,
        **_RAN_ON,
    )


# === Translation ===


def translation_record_of(
    score: float = 0.1, seed: int = 0, paired: float | None = None, **changes: Any
) -> Record:
    """A record of the CycleGAN recipe, all of whose own scores are `score`.

    Args:
        score: of the CycleGAN; doing nothing has 0.5 and a silhouette 0.25.
        seed: of the run.
        paired: of the generators trained on pairs; None if there are none.
        **changes: of the hyper-parameters.
    """
    preset = cyclegan.preset("quick", "drawn_horse2zebra")
    paired_epochs = 0 if paired is None else 10
    values = {"seed": seed, "paired_epochs": paired_epochs, **changes}
    configuration = dataclasses.asdict(preset) | values
    levels = {"untranslated_": 0.5, "silhouette_": 0.25}
    scores = {
        name: next((levels[prefix] for prefix in levels if name.startswith(prefix)), score)
        for name in ("cycle_loss", "identity_loss", *TRUTH_SCORES)
    }
    if paired is not None:
        scores |= dict.fromkeys(PAIRED_SCORES, paired)
    return Record(
        recipe="cyclegan",
        preset="quick",
        configuration=configuration,
        protocol="128 test images",
        scores=scores,
        details={
            "classifier_accuracy": 0.99,
            "weights": "weights of the last step",
            "epochs": configuration["epochs"],
            "stop_reason": "all epochs done",
        },
        smoke=False,
        **_RAN_ON,
    )
