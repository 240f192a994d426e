"""What is measured of a recipe's runs, and how tables show it: one value a family of recipes."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from recipes.common.translation_scores import PAIRED_SCORES, TRUTH_SCORES

# A later setting with such a value is off: runs from before it are as those that have it so.
OFF = (None, "none")

# === What runs vary in ===


@dataclasses.dataclass(frozen=True)
class Axis:
    """What the runs of one measuring vary in.

    Attributes:
        flag: of `benchmarks.measure`; it takes whole numbers.
        default: of the flag.
        help: of the flag.
        hyper_parameters: those that take the number, the most telling one first.
        column: title of the column that shows the number, each then in a row of its own. Defaults
            to none: the runs are seeds, of which a row has the mean.
    """

    flag: str
    default: str
    help: str
    hyper_parameters: tuple[str, ...]
    column: str | None = None


# === Columns of a table ===


@dataclasses.dataclass(frozen=True)
class Mean:
    """A score as mean ± sample standard deviation over the runs of a row.

    Attributes:
        title: of the column.
        score: its name in `results.json`, after the prefix of its row.
        factor: that it is multiplied by.
        unit: behind the numbers, with a space before it if it wants one.
        decimals: of both numbers. Defaults to as many as give the larger one three digits.
    """

    title: str
    score: str
    factor: float = 1.0
    unit: str = ""
    decimals: int | None = None


@dataclasses.dataclass(frozen=True)
class Span:
    """A score in which runs hardly differ: the least and the largest, or the one number.

    Attributes:
        title: of the column.
        score: its name in `results.json`, after the prefix of its row.
        digits: format of the numbers. Defaults to three digits.
    """

    title: str
    score: str
    digits: str = ".3g"


@dataclasses.dataclass(frozen=True)
class Ratio:
    """The mean of a score over that of another.

    Attributes:
        title: of the column.
        score: above the line.
        over: below it.
    """

    title: str
    score: str
    over: str


@dataclasses.dataclass(frozen=True)
class Counts:
    """A share as how many of the examples it is, run by run.

    Attributes:
        title: of the column, with `{}` for the number of examples.
        score: the share.
        of: the entry of `results.json` that is the number of examples.
    """

    title: str
    score: str
    of: str


Column = Mean | Span | Ratio | Counts


# === Rows of a table ===


@dataclasses.dataclass(frozen=True)
class Parts:
    """Rows that a configuration has more than one of, for each of its runs has scores for each.

    Attributes:
        column: title of the column that names the part.
        names: by what the names of the part's scores begin with.
    """

    column: str
    names: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Companion:
    """Something to compare with, of which every run has scores too.

    Attributes:
        title: of its rows.
        prefix: of the names of its scores, before that of a part.
        epochs: the hyper-parameter that says how long it is trained in a run, 0 for not at all;
            a configuration's companion stands in the row before its own. Defaults to none: it is
            not trained, has the same scores beside every run, and so one row, the first of a part.
    """

    title: str
    prefix: str
    epochs: str | None = None


@dataclasses.dataclass(frozen=True)
class Reported:
    """A number of a paper. It stands beside ours for orientation: data and protocol are others.

    Attributes:
        by: whom to quote, as in "Salimans et al. 2016".
        measure: what it is, in words.
        value: as the paper gives it, with its unit.
        dataset: its name in TFDS.
        shown_dataset: its name for readers.
        protocol: how it was come by, in words that go on after "with".
        score: the score of ours that is measured alike, which gives it a column in tables of that
            data set and of its stand-in. Defaults to none.
        settings: the hyper-parameters that it belongs to. Defaults to any.
    """

    by: str
    measure: str
    value: str
    dataset: str
    shown_dataset: str
    protocol: str
    score: str | None = None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def belongs_to(self, configuration: Mapping[str, Any]) -> bool:
        """Returns whether all of `settings` are so in the configuration.

        What is off may be missing, for older runs do not have it at all.
        """
        return all(
            configuration.get(name, value if value in OFF else None) == value
            for name, value in self.settings.items()
        )


@dataclasses.dataclass(frozen=True)
class Summary:
    """The one measure of a table in which each recipe has a row.

    Attributes:
        measure: what it is, in a few words; `{}` in them is replaced by the numbers of the row's
            axes.
        score: its column.
        beside: column of what it must beat, or can't.
        beside_prefix: before the name of that score, and of a part's. Defaults to nothing.
        beside_name: what that is, in a few words.
    """

    measure: str
    score: Column
    beside: Column
    beside_name: str
    beside_prefix: str = ""


# === Families ===


@dataclasses.dataclass(frozen=True)
class Measures:
    """What is measured of a recipe, and how tables show it.

    Attributes:
        title: of the section of tables that recipes of this family share.
        introduction: says how to read them.
        axes: what runs vary in, the outermost loop first.
        scores: entries of `results.json` that are finite numbers in every run.
        optional_scores: those that are null where the data do not allow them.
        details: further entries of `results.json` that the tables need. If `weights`, which says
            which weights were tested, is among them, it is told below a table; else the protocol
            should say it.
        protocol: maps configuration and results to one line; what differs in it is never compared.
        columns: of the scores.
        summary: what stands for all of them where a recipe has one row.
        parts: which rows a configuration has. Defaults to one.
        companions: what stands beside the runs.
        kind: the hyper-parameter, such as the architecture, by which configurations are told apart
            first. Where it is not the preset's, differences are told from the configuration of most
            seeds that has the same. Defaults to none: they are always told from the preset.
        same_protocol_but_for: pattern of what may differ in protocols that are compared. Defaults
            to nothing.
        reported: numbers of papers.
    """

    title: str
    introduction: str
    axes: tuple[Axis, ...]
    scores: tuple[str, ...]
    optional_scores: tuple[str, ...]
    details: tuple[str, ...]
    protocol: Callable[[Mapping[str, Any], Mapping[str, Any]], str]
    columns: tuple[Column, ...]
    summary: Summary
    parts: Parts | None = None
    companions: tuple[Companion, ...] = ()
    kind: str | None = None
    same_protocol_but_for: str | None = None
    reported: tuple[Reported, ...] = ()

    @property
    def seeds(self) -> tuple[str, ...]:
        """The hyper-parameters in which the runs of a row differ, the most telling one first."""
        return tuple(
            name for axis in self.axes if not axis.column for name in axis.hyper_parameters
        )

    @property
    def row_axes(self) -> tuple[Axis, ...]:
        """The axes of which each number has a row of its own."""
        return tuple(axis for axis in self.axes if axis.column)

    @property
    def trained_companions(self) -> tuple[Companion, ...]:
        """Those that runs may train beside the model."""
        return tuple(each for each in self.companions if each.epochs)

    @property
    def untrained_companions(self) -> tuple[Companion, ...]:
        """Those that are the same beside every run."""
        return tuple(each for each in self.companions if not each.epochs)


def _own_protocol(configuration: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    return results["protocol"]


_FRECHET = Mean("Fréchet distance", "frechet_distance")
_FLOOR = Span("Floor", "real_frechet_distance")

# What is measured at the end alone, for it takes seconds.
FURTHER_SCORES = (
    *("precision", "recall", "density", "coverage", "classifier_score", "sliced_wasserstein"),
    *("pyramid_wasserstein", "authenticity", "real_authenticity", "data_copying"),
)

GENERATION = Measures(
    title="Generation",
    introduction="""\
*Fréchet* and *kernel distance* lie between generated images and real ones, in the features that the
protocol names: distances in other features are not comparable. *Floor* is the Fréchet distance that
other real images have from the same ones. *Confidence* is the mean probability of a generated
image's likeliest class; *imbalance* the largest factor by which a class is too rare or too frequent
among them, 1 at best. *Precision* is the share of generated images that lie among real ones,
*recall* that of real ones among generated, *coverage* the share of real images with a generated one
near: 1 is best. *Authenticity* is the share that is no near copy of a training image. A dash stands
where a run is from before there was such a measure. The first run on a data set may also prepare
that and train the classifier.
""",
    axes=(Axis("seeds", "0,1,2", "Seeds of weights, latents and batches.", ("seed",)),),
    scores=("frechet_distance", "kernel_distance", "real_frechet_distance"),
    optional_scores=("mean_confidence", "class_imbalance", *FURTHER_SCORES),
    details=("weights",),
    protocol=_own_protocol,
    columns=(
        _FRECHET,
        _FLOOR,
        Mean("Kernel distance × 1000", "kernel_distance", factor=1000),
        Mean("Confidence", "mean_confidence", factor=100, unit=" %"),
        Mean("Imbalance", "class_imbalance"),
        Mean("Precision", "precision", decimals=2),
        Mean("Recall", "recall", decimals=2),
        Mean("Coverage", "coverage", decimals=2),
        Mean("Authenticity", "authenticity", decimals=2),
    ),
    summary=Summary("Fréchet distance", _FRECHET, _FLOOR, "other real images"),
)


def _test_error_protocol(configuration: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    return (
        f"test error on {configuration['dataset']} {configuration['test_split']} "
        f"({results['num_test_images']:,} images), {results['weights']}"
    )


_ERROR = Mean("GAN test error", "test_error", factor=100, unit=" %", decimals=2)
_BASELINE = Mean("Baseline test error", "baseline_test_error", factor=100, unit=" %", decimals=2)

CLASSIFICATION = Measures(
    title="Classification",
    introduction="""\
Test errors over seeds, of which each draws other labels, weights and noise. The baseline is the
discriminator's network, trained as long on the labelled images alone; seconds are with it. *Ratio*
is the GAN's mean error over the baseline's: below 1, the unlabelled images helped. *Wrong* counts
the misnamed test images, seed by seed.
""",
    axes=(
        Axis(
            "label_seeds",
            "0,1,2",
            "Draws of the labels; each also seeds all else.",
            ("label_seed", "seed"),
        ),
        Axis("num_labels", "20,50,100,200", "Numbers of labels.", ("num_labels",), "Labels"),
    ),
    scores=("test_error", "baseline_test_error"),
    optional_scores=(),
    details=("num_test_images",),
    protocol=_test_error_protocol,
    columns=(
        _ERROR,
        _BASELINE,
        Ratio("Ratio", "test_error", "baseline_test_error"),
        Counts("GAN: wrong of {}", "test_error", "num_test_images"),
        Counts("Baseline: wrong of {}", "baseline_test_error", "num_test_images"),
    ),
    summary=Summary("test error with {} labels", _ERROR, _BASELINE, "those labels alone"),
)


_BLURRED_ERROR = "blurred_error_inside"

TRANSLATION = Measures(
    title="Translation",
    introduction="""\
A configuration of another architecture than the preset's is told by how it differs from that of
most seeds, which is spelled out below the table. Errors are mean absolute differences from the
truth, of pixels in [0, 1]: within the mask of the animal, blurred there so that stripes out of
phase with the true ones are no worse, and outside of it. *Taken for the target* is the share of the
translations that a classifier of the domains takes for the other domain. *Animal in one colour*
knows the mask and fills it with the mean of the true answers: what does not beat its blurred error
need not have drawn a stripe. *Trained on pairs* is the generator of the row below, trained on
answers that a CycleGAN never sees; seconds are of runs without it.
""",
    axes=(Axis("seeds", "0,1,2", "Seeds of weights, batches and pools.", ("seed",)),),
    scores=("cycle_loss", "identity_loss", *TRUTH_SCORES),
    optional_scores=PAIRED_SCORES,
    details=("weights", "classifier_accuracy"),
    protocol=_own_protocol,
    columns=(
        Mean("Blurred error in the animal", _BLURRED_ERROR, decimals=4),
        Mean("Error in the animal", "error_inside", decimals=4),
        Mean("Error around it", "error_outside", decimals=4),
        Mean("Taken for the target", "taken_for_target", factor=100, unit=" %", decimals=1),
    ),
    summary=Summary(
        "blurred error in the animal, A → B / B → A",
        Mean("Blurred error", _BLURRED_ERROR, decimals=3),
        Span("Blurred error", _BLURRED_ERROR, digits=".3f"),
        beside_name="doing nothing",
        beside_prefix="untranslated_",
    ),
    parts=Parts("Direction", {"a_to_b_": "A → B", "b_to_a_": "B → A"}),
    companions=(
        Companion("doing nothing", "untranslated_"),
        Companion("animal in one colour", "silhouette_"),
        Companion("trained on pairs", "paired_", epochs="paired_epochs"),
    ),
    kind="architecture",
    # The classifier is trained anew on each kind of processor. Only the shares hang on it, so that
    # its accuracy must be the same, and its weights need not.
    same_protocol_but_for=r"(?<=weights )[0-9a-f]{8}(?=\))",
)


_DIVERGENCE = Mean("Divergence", "mode_divergence", decimals=3)

MODES = Measures(
    title="Mode coverage",
    introduction="""\
*Modes* are those that generated samples cover, of as many as the data have. *High quality* is the
share of samples near a mode, of points, or named with confidence, of stacked digits; *real* is what
real samples have, which none should exceed by much: its modes would have shrunk. *Width* is that of
the modes over the true one. *Divergence* is that of the modes' shares from equal ones, and *floor*
what perfect samples have of it by chance, (modes − 1) / (2 · samples).
""",
    axes=(Axis("seeds", "0,1,2,3,4", "Seeds of weights, latents and samples.", ("seed",)),),
    scores=(
        *("modes", "num_modes", "high_quality", "real_high_quality"),
        *("mode_divergence", "divergence_floor"),
    ),
    optional_scores=("mode_spread",),
    details=("num_samples", "weights"),
    protocol=_own_protocol,
    columns=(
        Mean("Modes", "modes", decimals=1),
        Span("Of", "num_modes", digits=".0f"),
        Mean("High quality", "high_quality", factor=100, unit=" %", decimals=1),
        Span("Real", "real_high_quality", digits=".1%"),
        Mean("Width", "mode_spread", decimals=2),
        _DIVERGENCE,
        Span("Floor", "divergence_floor", digits=".4f"),
    ),
    summary=Summary(
        "divergence of modes",
        _DIVERGENCE,
        Span("Floor", "divergence_floor", digits=".4f"),
        beside_name="perfect samples",
    ),
)
