"""Trains a small GAN on data whose modes are known, with any objective, penalty and cure.

    python recipes/mode_lab.py                           # ring, the plain game, which drops modes
    python recipes/mode_lab.py --set objective=relativistic --set penalty=r1_r2  # covers all eight
    python recipes/mode_lab.py --dataset=grid --set packing=2           # covers more than without
    python recipes/mode_lab.py --dataset=two_digits --set penalty=r1 --set penalty_weight=1
    python recipes/mode_lab.py --set spectral_norm=discriminator --set historical_averaging=0.1

At the end stands one table of scores; everything else is in the run folder, of which report.html is
the page to open and samples.gif the film: points, what D says of the plane, where G is pulled.
"""

from recipes.common import modes, runner  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import zoo
from recipes.common import checks
from recipes.common.hyper_parameters import WithBothBetas, WithObjective, sourced
from recipes.common.measures import Reported
from recipes.common.recipe import Recipe
from recipes.common.stabilisers import WithChangedNetworks, with_changes
from zoo.common import schedules
from zoo.mode_lab_gan import ARCHITECTURES, PENALTIES

PACGAN = "Lin et al. 2018"
CODE = "the code of Lin et al. 2018"
UNROLLED = "Metz et al. 2016"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HyperParameters(
    modes.ModesHyperParameters, WithObjective, WithChangedNetworks, WithBothBetas
):
    """The values of Lin et al. for points, each with its source."""

    dataset: str = sourced("ring", PACGAN)
    num_samples: int = sourced(2500, PACGAN)
    epochs: int = sourced(400, CODE, quick=25)
    steps_per_epoch: int = sourced(1000, CODE)
    # Packs that D sees in a step: more samples are drawn, and not fewer packs, where m grows.
    batch_size: int = sourced(100, f"{CODE}; packs of a step of D", quick=128)
    latent_dim: int = sourced(2, CODE)
    architecture: str = sourced("published", "or plain, ours", quick="plain")
    generator_width: int | None = sourced(None, "that of the architecture")
    discriminator_width: int | None = sourced(None, "that of the architecture")
    objective: str = sourced("non_saturating", CODE)
    penalty: str = sourced("none", PACGAN)
    penalty_weight: float = sourced(0.1, "ours; of a penalty, if there is one", quick=0.02)
    discriminator_steps: int = sourced(1, CODE)
    packing: int = sourced(1, f"{PACGAN} have 1 to 4")
    minibatch_kernels: int = sourced(0, "as in the paper, which has none")
    replay_size: int = sourced(0, "as in the paper, which has none")
    unrolled_steps: int = sourced(0, f"{UNROLLED} have 0, 1, 5 and 10")
    generator_learning_rate: float = sourced(1e-4, CODE, quick=3e-3)
    discriminator_learning_rate: float = sourced(1e-4, CODE, quick=1.5e-3)
    learning_rate_schedule: str = sourced("constant", CODE, quick="exponential")
    learning_rate_decay: float = sourced(1.0, "factor an epoch, if exponential", quick=0.79)
    adam_beta_1: float = sourced(0.8, CODE, quick=0.0)
    adam_beta_2: float = sourced(0.999, "Keras's own", quick=0.99)
    average_decay: float = sourced(0.0, PACGAN, quick=0.998)

    further_schedules: ClassVar = {"linear": schedules.linear_decay}

    def check(self) -> None:
        """Refuses another architecture or penalty, too."""
        super().check()
        checks.require_positive(self, "packing", "discriminator_steps")
        checks.require_choice(self, "architecture", ARCHITECTURES)
        checks.require_choice(self, "penalty", PENALTIES)
        checks.require_not_negative(self, "penalty_weight", "minibatch_kernels", "replay_size")
        self._refuse_what_has_no_place()

    def _refuse_what_has_no_place(self) -> None:
        is_published = self.architecture == "published"
        if is_published and self._has_points and self._bounds_weights:
            raise ValueError(
                "spectral_norm and weight_clipping are for dense layers and convolutions, and the "
                "published discriminator of points has layers of maxout: set architecture=plain"
            )
        if self.historical_averaging is not None and self.unrolled_steps:
            raise ValueError(
                "unrolled_steps are those of an optimizer without historical_averaging: leave one "
                f"of the two out. Received: unrolled_steps={self.unrolled_steps}"
            )
        if self.virtual_batch_norm != "none" and self._has_points and not is_published:
            raise ValueError(
                "virtual_batch_norm takes the place of batch norm, of which the plain generator of "
                "points has none: set architecture=published"
            )

    @property
    def has_minibatch_discrimination(self) -> bool:
        """Whether it has kernels."""
        return self.minibatch_kernels > 0

    @property
    def _has_points(self) -> bool:
        return self.dataset in modes.POINTS

    @property
    def _bounds_weights(self) -> bool:
        return self.spectral_norm != "none" or self.weight_clipping is not None

    def network_arguments(
        self, image_shape: tuple[int, ...], steps_per_epoch: int
    ) -> dict[str, Any]:
        """Returns the networks that a stabiliser changes; the others are the model's own."""
        changes = self.changes_of_discriminator(steps_per_epoch)
        if not changes and self.virtual_batch_norm == "none":
            return {}
        names = ("latent_dim", "architecture", "packing", "minibatch_kernels")
        widths = ("generator_width", "discriminator_width")
        own = zoo.ModeLabGAN(
            image_shape,
            **{name: getattr(self, name) for name in (*names, *widths)},
            extent=modes.POINTS[self.dataset]().extent if self._has_points else 1.0,
        )
        networks = {}
        if changes:
            networks["discriminator"] = with_changes(own.discriminator, changes)
        generator = self.stabilised_generator(lambda: own.generator, own.prior.draw)
        return networks if generator is None else {**networks, "generator": generator}


# Of Metz et al., in Lin et al.'s code for D of a quarter of G's size.
_PUBLISHED_STACKS = {
    "num_samples": 25_600,
    "epochs": 500,
    "batch_size": 128,
    "latent_dim": 256,
    "discriminator_width": 8,
    "adam_beta_1": 0.5,
    "adam_beta_2": 0.99,
    "generator_learning_rate": 1e-4,
    "discriminator_learning_rate": 2e-4,
}
_QUICK_STACKS = {
    "epochs": 20,
    "steps_per_epoch": 250,
    "learning_rate_decay": 0.9,
    "penalty_weight": 1.0,
    "generator_learning_rate": 1e-3,
    "discriminator_learning_rate": 1e-3,
}
# Two digits are for any method; three for the paper's own comparison, in a 25th of its steps.
_QUICK = {
    "two_digits": _QUICK_STACKS | {"batch_size": 64, "latent_dim": 64, "num_samples": 2600},
    "three_digits": _PUBLISHED_STACKS
    | _QUICK_STACKS
    | {"architecture": "published", "epochs": 80, "learning_rate_decay": 0.95},
}


def preset(name: str, dataset: str) -> HyperParameters:
    """Returns the hyper-parameters of `--preset` for a data set."""
    values = HyperParameters(dataset=dataset)
    if dataset in modes.STACKS:
        values = dataclasses.replace(values, **_PUBLISHED_STACKS)
    if name == "paper":
        return values
    values = values.quick()
    if dataset == "grid":
        # Four times the ring's extent: slopes of a fourth, whose squares weigh a sixteenth.
        values = dataclasses.replace(values, penalty_weight=16 * values.penalty_weight)
    if dataset in modes.STACKS:
        # The width too: quick is a plain network, which has its own.
        values = dataclasses.replace(values, **{"discriminator_width": None} | _QUICK[dataset])
    return values


# The rates and the momentum of the authors' own game of points: a D that is much slower than G.
_UNROLLED = {
    "objective": "minimax",
    "generator_learning_rate": 1e-3,
    "discriminator_learning_rate": 1e-4,
    "adam_beta_1": 0.5,
}

# The methods that are put side by side, the most telling first: what each changes of the preset.
METHODS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "paired + R1 + R2": {"objective": "relativistic", "penalty": "r1_r2"},
    "R1": {"penalty": "r1"},
    "packs of 2": {"packing": 2},
    "unrolled 0 steps": _UNROLLED,
    "unrolled 5 steps": _UNROLLED | {"unrolled_steps": 5},
    "WGAN-GP": {
        "objective": "wasserstein",
        "penalty": "wgan_gp",
        "penalty_weight": 0.1,
        "discriminator_steps": 5,
        "adam_beta_1": 0.5,
        "adam_beta_2": 0.9,
    },
    "minibatch discrimination": {"minibatch_kernels": 16},
    "packs of 3": {"packing": 3},
    "packs of 4": {"packing": 4},
    "unrolled 1 step": _UNROLLED | {"unrolled_steps": 1},
    "unrolled 10 steps": _UNROLLED | {"unrolled_steps": 10},
    "minimax": {"objective": "minimax"},
    "R1 + R2": {"penalty": "r1_r2"},
    "DRAGAN": {"penalty": "dragan", "penalty_weight": 0.1},
    "paired": {"objective": "relativistic"},
    "boundary seeking": {"objective": "boundary_seeking"},
    "least squares": {"objective": "least_squares"},
    "replay": {"replay_size": 512},
    "KL": {"objective": "f_kl"},
    "reverse KL": {"objective": "f_reverse_kl"},
    "Pearson": {"objective": "f_pearson"},
    "Hellinger": {"objective": "f_hellinger"},
    "KL, zero sum": {"objective": "f_kl", "zero_sum": True},
    "clipped WGAN": {"objective": "wasserstein", "weight_clipping": 0.1, "discriminator_steps": 5},
    "spectral norm": {"spectral_norm": "discriminator"},
    "decaying noise": {"decaying_noise": 0.3},
    "historical averaging": {"historical_averaging": 0.1},
    "smoothed labels": {"label_smoothing": 0.1},
    "noisy labels": {"label_noise": 0.05},
}

# What is right for points alone, and of which stacks have their own.
_OF_POINTS = ("generator_learning_rate", "discriminator_learning_rate", "penalty_weight")
_WEIGHTS_FOR_IMAGES = {"WGAN-GP": {"penalty_weight": 10.0}, "DRAGAN": {"penalty_weight": 10.0}}


def settings_of(method: str, dataset: str) -> dict[str, Any]:
    """Returns what one of `METHODS` changes of the preset `quick` of a data set."""
    settings = dict(METHODS[method])
    if dataset in modes.STACKS:
        settings = {name: value for name, value in settings.items() if name not in _OF_POINTS}
        settings |= _WEIGHTS_FOR_IMAGES.get(method, {})
    return settings


# === What papers report ===

_PLAIN = {
    **{"penalty": "none", "minibatch_kernels": 0, "replay_size": 0, "unrolled_steps": 0},
    **{"label_smoothing": 0.0, "label_noise": 0.0, "zero_sum": None},
    **{"spectral_norm": "none", "virtual_batch_norm": "none", "weight_clipping": None},
    **{"decaying_noise": None, "historical_averaging": None},
}


def _by_pacgan(dataset: str, packing: int, value: str) -> Reported:
    return Reported(
        by=PACGAN,
        measure="divergence of modes (modes covered, high quality)",
        value=value,
        dataset=dataset,
        shown_dataset=f"the same {dataset}",
        protocol="other networks and 400,000 steps, mean of 10 runs ± standard error",
        score="modes",
        settings={
            **_PLAIN,
            "dataset": dataset,
            "packing": packing,
            "objective": "non_saturating",
        },
    )


def _by_unrolled(unrolled_steps: int, packing: int, value: str) -> Reported:
    return Reported(
        by=UNROLLED if packing == 1 else PACGAN,
        measure="divergence of modes (modes covered)",
        value=value,
        dataset="three_digits",
        shown_dataset="three digits of MNIST",
        protocol="a discriminator a quarter as wide, 25,600 samples, mean of 50 runs",
        score="modes",
        settings={
            **_PLAIN,
            "dataset": "three_digits",
            "packing": packing,
            "unrolled_steps": unrolled_steps,
        },
    )


_REPORTED = (
    _by_pacgan("ring", 1, "0.45 (6.3 ± 0.5 modes, 98.2 %)"),
    _by_pacgan("ring", 2, "0.07 (7.9 ± 0.1 modes, 95.6 %)"),
    _by_pacgan("ring", 3, "0.10 (7.8 modes, 97.7 %)"),
    _by_pacgan("ring", 4, "0.07 (7.8 modes, 95.9 %)"),
    _by_pacgan("grid", 1, "0.70 (17.3 ± 0.8 modes, 94.8 %)"),
    _by_pacgan("grid", 2, "0.13 (23.8 modes, 91.3 %)"),
    _by_pacgan("grid", 3, "0.06 (24.6 ± 0.4 modes, 94.2 %)"),
    _by_pacgan("grid", 4, "0.04 (24.8 ± 0.2 modes, 93.6 %)"),
    _by_unrolled(0, 1, "5.99 (30.6 ± 20.7 modes)"),
    _by_unrolled(1, 1, "5.91 (65.4 modes)"),
    _by_unrolled(5, 1, "4.67 (236.4 modes)"),
    _by_unrolled(10, 1, "4.66 (327.2 modes)"),
    _by_unrolled(0, 2, "2.61 (484.5 modes)"),
    _by_unrolled(0, 3, "2.00 (601.3 modes)"),
    _by_unrolled(0, 4, "1.81 (667.4 modes)"),
)

RECIPE = Recipe(
    name="mode_lab",
    title="Mode lab",
    model=zoo.ModeLabGAN,
    preset=preset,
    family=modes.ModeCoverage(samples_to_adapt_to=500),
    dataset="ring",
    datasets_help=f"one of {', '.join(modes.DATASETS)}",
    reported=_REPORTED,
)

if __name__ == "__main__":
    runner.run(RECIPE)
