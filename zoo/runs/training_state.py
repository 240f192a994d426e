"""What a running model holds beside its networks: steps done, optimizers, discarded epochs."""

from collections.abc import Mapping, Sequence

import keras

from zoo.common.distribution import has_workers


def steps_done(model: keras.Model) -> int:
    """The number of train steps `model` has done, over all its calls of `fit`.

    Args:
        model: a model with a `step` variable.

    Returns:
        The value of `model.step`.

    Raises:
        ValueError: if the model counts no steps.
    """
    step = getattr(model, "step", None)
    if step is None:
        raise ValueError(
            "`model` should count its train steps in a variable `step`, as every "
            f"`AdversarialModel` does. Received: model={model!r}"
        )
    return int(step.numpy())


def optimizers_of(model: keras.Model) -> dict[str, keras.optimizers.Optimizer]:
    """Every optimizer of `model` by player: "generator", "discriminator", ...

    Args:
        model: a compiled model whose optimizers are attributes named `<player>_optimizer`.

    Returns:
        Each optimizer once. Keras's own `optimizer` attribute counts (as "model") only where no
        player has it, and where it stands for none of theirs, as in the zoo's models.
    """
    found = {
        name.removesuffix("_optimizer"): value
        for name, value in vars(model).items()
        if name.endswith("_optimizer") and isinstance(value, keras.optimizers.Optimizer)
    }
    own = getattr(model, "optimizer", None)
    is_optimizer = isinstance(own, keras.optimizers.Optimizer)
    if is_optimizer and all(own is not optimizer for optimizer in found.values()):
        found["model"] = own
    return found


def state_variables(model: keras.Model) -> list[keras.Variable]:
    """All that training changes: weights, averages, step, random seeds and optimizer slots.

    Args:
        model: a built and compiled model.

    Returns:
        Each variable once, metrics left out: they start anew each epoch.
    """
    variables = list(model.variables)
    for optimizer in optimizers_of(model).values():
        variables.extend(optimizer.variables)
    return list({id(variable): variable for variable in variables}.values())


def running_means(model: keras.Model) -> dict[str, list[float]]:
    """The running means of the epoch in progress.

    Args:
        model: the model in training.

    Returns:
        Sum and count of each of its `keras.metrics.Mean`, by the metric's name: as float32 are,
        so that JSON holds them exactly. Of several workers they are those of this one's share,
        times the number of workers.
    """
    return {
        mean.name: [_total_of(variable) for variable in mean.variables] for mean in _means_of(model)
    }


def _total_of(variable: keras.Variable) -> float:
    value = variable.value
    strategy = getattr(value, "distribute_strategy", None)
    if strategy is None or not has_workers(strategy):
        return float(variable.numpy())
    # To read what others have would take all of them at once.
    own = strategy.experimental_local_results(value)
    return sum(float(each.numpy()) for each in own) * strategy.num_replicas_in_sync / len(own)


def set_running_means(model: keras.Model, values: Mapping[str, Sequence[float]]) -> None:
    """Has an epoch go on with the means that `running_means` gave; others stay as they are."""
    for mean in _means_of(model):
        for variable, value in zip(mean.variables, values.get(mean.name, ()), strict=False):
            variable.assign(value)


def _means_of(model: keras.Model) -> list[keras.metrics.Mean]:
    return [metric for metric in model.metrics if isinstance(metric, keras.metrics.Mean)]


def discard_epoch(model: keras.Model, epoch: int | None) -> None:
    """Marks the epoch in progress as failed, so that no callback keeps anything of it.

    Args:
        model: the model in training.
        epoch: index of the epoch, from 0; None clears the mark.
    """
    model._discarded_epoch = epoch


def is_discarded(model: keras.Model, epoch: int) -> bool:
    """Whether `discard_epoch` marked this epoch (index from 0) of `model`."""
    return getattr(model, "_discarded_epoch", None) == epoch
