"""What hyper-parameters recipes share: typed bases, of which each recipe makes its own class.

Every value says where it comes from. What belongs to one player is named after it, as in
`critic_learning_rate` and, if it is updated several times in a train step, `critic_steps`.

A recipe's class has its family's first, then whichever of those below it needs:

    class HyperParameters(GenerationHyperParameters, WithObjective, WithAdam):
"""

import abc
import dataclasses
import sys
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import keras

from recipes.common import checks
from zoo.common import objectives, schedules
from zoo.common.augmentation import ALL_AUGMENTATIONS, AUGMENTATIONS, check_augmentation
from zoo.common.checks import without_numpy_scalars
from zoo.common.messages import counted
from zoo.common.optimizers import FusedAdam, RootEpsilonAdam
from zoo.datasets.folder import name_of

OPTIMIZERS = ("adam", "sgd")

# Below this a discriminator soon knows its images by heart.
FEW_IMAGES = 2_000

LearningRate = float | keras.optimizers.schedules.LearningRateSchedule
# (initial rate, epochs of the run, steps an epoch) → learning rate.
Schedule = Callable[[float, int, int], LearningRate]


def sourced(value: Any, source: str, *, quick: Any = dataclasses.MISSING) -> Any:
    """Returns a dataclass field that remembers where its value comes from.

    Args:
        value: default of the field, the paper's if that has one.
        source: where it comes from.
        quick: what the preset quick has in its place. Defaults to the same.
    """
    metadata = {"source": source}
    if quick is not dataclasses.MISSING:
        metadata["quick"] = quick
    return dataclasses.field(default=value, metadata=metadata)


@dataclasses.dataclass(frozen=True, kw_only=True)
class HyperParameters(abc.ABC):
    """What every recipe has. A recipe's own class gives the paper's values as defaults."""

    dataset: str
    epochs: int
    batch_size: int
    seed: int = sourced(0, "ours")
    learning_rate_schedule: str
    learning_rate_decay: float = sourced(1.0, "factor an epoch, if exponential")
    average_decay: float
    evaluate_every: int = sourced(
        1, "ours: epochs from one look, with samples and a checkpoint, to the next"
    )
    precision: str = sourced("float32", "as in the paper")
    jit: str = sourced("auto", "ours: XLA on one GPU")
    smoke: bool = sourced(False, "ours")

    # What `learning_rate_schedule` may name beside "constant" and "exponential".
    further_schedules: ClassVar[Mapping[str, Schedule]] = {}
    # Numbers of steps for each of which a batch is cut into a part.
    cut_for: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self):
        for name, value in vars(self).items():
            object.__setattr__(self, name, without_numpy_scalars(value))
        object.__setattr__(self, "dataset", name_of(self.dataset))

    @property
    def patience(self) -> int | None:
        """Epochs without improvement after which training stops; None in recipes that never do."""
        return None

    @property
    def monitor(self) -> str | None:
        """The validation log that was asked for, to show and to stop on; None for the usual one."""
        return None

    def quick(self) -> Self:
        """Returns these with the numbers of the preset quick, for a small machine."""
        fields = dataclasses.fields(self)
        numbers = {each.name: each.metadata["quick"] for each in fields if "quick" in each.metadata}
        return dataclasses.replace(self, **numbers)

    def check(self) -> None:
        """Refuses values that no later stage would name; a recipe adds its own.

        Raises:
            ValueError: naming the hyper-parameter and what it may be.
        """
        checks.require_whole_numbers(self)
        names = ("constant", "exponential", *self.further_schedules)
        checks.require_choice(self, "learning_rate_schedule", names)
        rates = [name for name in vars(self) if name.endswith("learning_rate")]
        numbers = ("epochs", "batch_size", "learning_rate_decay", "evaluate_every")
        checks.require_positive(self, *numbers, *rates)
        checks.require_seeds(self, "seed")
        checks.require_momenta(self, "average_decay")
        for name in self.cut_for:
            if self.batch_size < vars(self)[name]:
                raise ValueError(
                    f"batch_size must hold an image for each of the {name}. Received: "
                    f"batch_size={self.batch_size}, {name}={vars(self)[name]}"
                )

    # === Optimizers ===

    def learning_rate_of(self, player: str) -> float:
        """Returns the initial learning rate of a player: `<player>_learning_rate`."""
        return vars(self)[f"{player}_learning_rate"]

    def steps_of(self, player: str) -> int:
        """Returns how often a train step updates a player: `<player>_steps`, or else once."""
        return vars(self).get(f"{player}_steps", 1)

    def optimizer_of(
        self, player: str, steps_per_epoch: int, **options: Any
    ) -> keras.optimizers.Optimizer:
        """Returns a new optimizer for one player, with the run's learning rate schedule.

        Args:
            player: its name.
            steps_per_epoch: train steps in an epoch.
            **options: further arguments of the optimizer.
        """
        rate = self.learning_rate_of(player)
        own_steps_per_epoch = self.steps_of(player) * steps_per_epoch
        return self.make_optimizer(self._scheduled(rate, own_steps_per_epoch), **options)

    def _scheduled(self, rate: float, steps_per_epoch: int) -> LearningRate:
        if self.learning_rate_schedule == "constant":
            return rate
        if self.learning_rate_schedule == "exponential":
            return schedules.exponential_decay(rate, self.learning_rate_decay, steps_per_epoch)
        schedule = self.further_schedules[self.learning_rate_schedule]
        return schedule(rate, self.epochs, steps_per_epoch)

    @abc.abstractmethod
    def make_optimizer(self, rate: LearningRate, **options: Any) -> keras.optimizers.Optimizer:
        """Returns a new optimizer of the recipe's kind at that rate."""

    def compile_arguments(self) -> dict[str, Any]:
        """Returns what `compile` takes beside optimizers, by name."""
        return {}

    def model_arguments(self, num_images: int) -> dict[str, Any]:
        """Returns what the model's constructor takes that depends on the number of images.

        Args:
            num_images: to train on.
        """
        return {}

    def network_arguments(
        self, image_shape: tuple[int, ...], steps_per_epoch: int
    ) -> dict[str, Any]:
        """Returns what the constructor takes of networks that the recipe builds itself.

        It is called where the model is built: seed, precision and strategy hold.

        Args:
            image_shape: of the data.
            steps_per_epoch: train steps in an epoch.
        """
        return {}


# === What some recipes have ===


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithAugmentation(HyperParameters):
    """A discriminator that may be shown changed images; by itself it is where they are few."""

    augmentation: str = sourced(
        "auto", f"ours: {ALL_AUGMENTATIONS} of fewer than {FEW_IMAGES:,} images, else none"
    )

    def check(self) -> None:
        """Refuses unknown changes of images too."""
        super().check()
        if self.augmentation in ("auto", "none"):
            return
        try:
            check_augmentation(self.augmentation)
        except ValueError as error:
            raise ValueError(
                f"augmentation must be auto, none or some of {', '.join(AUGMENTATIONS)}, with "
                f"commas between. Received: {self.augmentation!r}"
            ) from error

    def model_arguments(self, num_images: int) -> dict[str, Any]:
        """Returns the changes of images too, and says so if they were chosen here."""
        chosen = "" if self.augmentation == "none" else self.augmentation
        if chosen == "auto":
            chosen = ALL_AUGMENTATIONS if num_images < FEW_IMAGES else ""
            if chosen:
                print(
                    f"{counted(num_images, 'image')} to train on are few: the discriminator sees "
                    f"them changed (augmentation={chosen}; none leaves them as they are)",
                    file=sys.stderr,
                )
        return {**super().model_arguments(num_images), "augmentation": chosen}


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithEarlyStopping(HyperParameters):
    """Training that may stop when a measure stands still, and then keeps the best weights.

    A family says in `watchable` what `evaluate` can log of its models, the usual one first.
    """

    early_stopping_patience: int | None = sourced(None, "as in the paper, which trains to the end")
    watched: str | None = sourced(None, "ours: the measure to stop on; none: the family's first")

    watchable: ClassVar[tuple[str, ...]]

    @property
    def patience(self) -> int | None:
        """Epochs without improvement after which training stops; None for never."""
        return self.early_stopping_patience

    @property
    def monitor(self) -> str | None:
        """The validation log that was asked for, to show and to stop on; None for the usual one."""
        return f"val_{self.watched}" if self.watched else None

    def check(self) -> None:
        """Refuses a patience of no epochs too, and to watch what is not measured."""
        super().check()
        checks.require_patience(self)
        if self.watched is not None:
            checks.require_choice(self, "watched", self.watchable)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithObjective(HyperParameters):
    """A model whose players take one of the zoo's objectives."""

    objective: str
    label_smoothing: float = sourced(0.0, "as in the paper, which has none")
    label_noise: float = sourced(0.0, "as in the paper, which has none")
    zero_sum: bool | None = sourced(
        None, "as f-GAN is played; else true: G minimises what D gains, of f_ objectives alone"
    )

    def __post_init__(self):
        super().__post_init__()
        if self.zero_sum is False:  # one name for one game
            object.__setattr__(self, "zero_sum", None)

    def check(self) -> None:
        """Refuses an unknown objective too, and numbers that it can't have."""
        super().check()
        checks.require_choice(self, "objective", objectives.NAMES)
        self.make_objective()

    def make_objective(self) -> objectives.Objective:
        """Returns the objective that the hyper-parameters ask for."""
        return objectives.Objective(
            self.objective,
            label_smoothing=self.label_smoothing,
            label_noise=self.label_noise,
            zero_sum=bool(self.zero_sum),
        )

    def compile_arguments(self) -> dict[str, Any]:
        """Returns the objective, beside what other bases have."""
        return {**super().compile_arguments(), "objective": self.make_objective()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithAdam(HyperParameters):
    """Players that learn by Adam; its second momentum is Keras's own."""

    adam: ClassVar[type[keras.optimizers.Adam]] = FusedAdam

    adam_beta_1: float

    def check(self) -> None:
        """Refuses a momentum outside [0, 1) too."""
        super().check()
        checks.require_momenta(self, "adam_beta_1")

    def make_optimizer(self, rate: LearningRate, **options: Any) -> keras.optimizers.Optimizer:
        """Returns a new Adam at that rate."""
        return self.adam(rate, beta_1=self.adam_beta_1, **options)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithRootEpsilonAdam(WithAdam):
    """Players that learn by an Adam whose ε stands inside the root."""

    adam: ClassVar[type[keras.optimizers.Adam]] = RootEpsilonAdam

    adam_epsilon_root: float

    def check(self) -> None:
        """Refuses an ε that is not positive too."""
        super().check()
        checks.require_positive(self, "adam_epsilon_root")

    def make_optimizer(self, rate: LearningRate, **options: Any) -> keras.optimizers.Optimizer:
        """Returns a new Adam at that rate."""
        return super().make_optimizer(rate, epsilon_root=self.adam_epsilon_root, **options)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithBothBetas(WithAdam):
    """Players that learn by Adam, of which the paper gives both momenta."""

    adam_beta_2: float

    def check(self) -> None:
        """Refuses a second momentum outside [0, 1) too."""
        super().check()
        checks.require_momenta(self, "adam_beta_2")

    def make_optimizer(self, rate: LearningRate, **options: Any) -> keras.optimizers.Optimizer:
        """Returns a new Adam at that rate."""
        return super().make_optimizer(rate, beta_2=self.adam_beta_2, **options)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithAdamOrSgd(WithAdam):
    """Players that learn by Adam or by gradient descent with momentum."""

    optimizer: str
    momentum: float

    def check(self) -> None:
        """Refuses another optimizer too, and a momentum outside [0, 1)."""
        super().check()
        checks.require_choice(self, "optimizer", OPTIMIZERS)
        checks.require_momenta(self, "momentum")

    def make_optimizer(self, rate: LearningRate, **options: Any) -> keras.optimizers.Optimizer:
        """Returns a new optimizer of the chosen kind at that rate."""
        if self.optimizer == "sgd":
            return keras.optimizers.SGD(rate, momentum=self.momentum, **options)
        return super().make_optimizer(rate, **options)
