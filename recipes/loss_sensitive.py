"""Trains a loss-sensitive GAN on handwritten digits.

    python recipes/loss_sensitive.py                     # mnist_small
    python recipes/loss_sensitive.py --dataset=celeb_a --preset=paper
    python recipes/loss_sensitive.py --set margin_weight=0.001 --set real_loss_weight=0.01

At the end stands one table of scores; everything else is in the run folder, of which report.html is
the page to open.
"""

from recipes.common import generation, runner  # first: it keeps TensorFlow's import quiet

# isort: split
import dataclasses

import zoo
from recipes.common import checks
from recipes.common.hyper_parameters import WithAdam, sourced
from recipes.common.images import is_folder
from recipes.common.recipe import Recipe

PAPER = "Qi 2017"
CODE = "code of Qi 2017"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HyperParameters(generation.GenerationHyperParameters, WithAdam):
    """The values of the author's code, each with its source."""

    dataset: str = sourced("celeb_a", PAPER)
    image_size: int | None = sourced(64, CODE, quick=None)
    train_split: str = sourced("train", "ours")
    validation_split: str = sourced("validation[:2000]", "ours: only watched")
    test_split: str = sourced("test[:10000]", "ours")
    epochs: int = sourced(25, CODE, quick=60)
    batch_size: int = sourced(64, CODE, quick=50)
    latent_dim: int = sourced(100, CODE)
    filters: int = sourced(64, CODE, quick=16)
    margin_weight: float | None = sourced(None, f"{CODE}: 0.0002 at 64×64×3")
    real_loss_weight: float = sourced(0.0, CODE)
    slope: float = sourced(0.0, CODE)
    generator_learning_rate: float = sourced(1e-4, CODE, quick=1e-3)
    critic_learning_rate: float = sourced(1e-4, CODE, quick=3e-4)
    learning_rate_schedule: str = sourced("constant", CODE, quick="exponential")
    learning_rate_decay: float = sourced(1.0, "factor an epoch, if exponential", quick=0.96)
    adam_beta_1: float = sourced(0.5, CODE)
    average_decay: float = sourced(0.0, CODE, quick=0.995)

    def check(self) -> None:
        """Refuses a negative margin, or weight of real losses, too."""
        super().check()
        if self.margin_weight is not None:
            checks.require_not_negative(self, "margin_weight")
        checks.require_not_negative(self, "real_loss_weight")


def preset(name: str, dataset: str) -> HyperParameters:
    """Returns the hyper-parameters of `--preset` for a data set."""
    splits = generation.own_splits(dataset)
    if not splits and dataset != "celeb_a":
        splits = {"validation_split": "test[:1000]", "test_split": "test[1000:]"}
    paper = HyperParameters(dataset=dataset, **splits)
    if name == "paper":
        return paper
    size = 64 if is_folder(dataset) else None
    # An epoch of `mnist_small` takes two seconds, and a look at what it made a third of one.
    every = 5 if dataset == "mnist_small" else 1
    return dataclasses.replace(paper.quick(), image_size=size, evaluate_every=every)


RECIPE = Recipe(
    name="loss_sensitive",
    title="Loss-sensitive GAN",
    model=zoo.LossSensitiveGAN,
    preset=preset,
    family=generation.Generation(),
    dataset="mnist_small",
    datasets_help=f"mnist_small, celeb_a, {generation.DATASETS_HELP}",
    positive=("filters",),
)

if __name__ == "__main__":
    runner.run(RECIPE)
