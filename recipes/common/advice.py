"""What a run says of its own length before it starts, where few would want it so."""

from recipes.common.hyper_parameters import HyperParameters
from zoo.common.messages import counted

FEW_STEPS = 1_000
_ENOUGH_STEPS = 5_000
_LOOKS = 20
# Of the first rate; below it nothing is learnt any more.
_TINY_RATE = 1e-3
_LAST_RATE = 0.1


def advice_on_length(
    values: HyperParameters, steps_per_epoch: int, is_resumed: bool = False
) -> str | None:
    """Returns a line on a run of very few steps, or one whose learning rates soon are nothing.

    Presets count in epochs, of which a hundred images make some of two or three steps, and decay
    by the epoch.

    Args:
        values: the run's.
        steps_per_epoch: of its data.
        is_resumed: whether it goes on, when no schedule can be changed: then a new run is advised.

    Returns:
        What is odd and what to type instead, or `None`.
    """
    if values.smoke:
        return None
    steps = values.epochs * steps_per_epoch
    decays = values.learning_rate_schedule == "exponential" and values.learning_rate_decay < 1
    last = values.learning_rate_decay**values.epochs if decays else 1.0
    if steps < FEW_STEPS:
        epochs = -(-_ENOUGH_STEPS // steps_per_epoch)
        settings = [f"--epochs={epochs}"]
        if decays:
            settings.append(_decay(max(last, _LAST_RATE) ** (1 / epochs)))
        settings.append(f"--set evaluate_every={max(1, epochs // _LOOKS)}")
        if is_resumed:
            settings.append("in a new run")
        return (
            f"{counted(values.epochs, 'epoch')} of {counted(steps_per_epoch, 'step')} make "
            f"{counted(steps, 'step')}; games of images take thousands. {' '.join(settings)} makes "
            f"{epochs * steps_per_epoch:,}."
        )
    if last < _TINY_RATE:
        return (
            f"Learning rates fall by learning_rate_decay={values.learning_rate_decay:g} an epoch, "
            f"in {counted(values.epochs, 'epoch')} to {last:.0e} of the first; "
            f"{_decay(_LAST_RATE ** (1 / values.epochs))}{' in a new run' if is_resumed else ''} "
            "ends at a tenth."
        )
    return None


def _decay(factor: float) -> str:
    return f"--set learning_rate_decay={factor:.5g}"
