"""The callbacks of a training: looked at before it, and joined by two of the zoo's own."""

import keras

from zoo.common import objectives
from zoo.common.learning_rates import RateLog, check_callbacks
from zoo.common.monitors import NotANumberIsWorst, check_monitors


def prepared_callbacks(model: keras.Model, callbacks, validates: bool):
    """Returns what Keras is given in place of a user's callbacks.

    Args:
        model: a compiled `AdversarialModel`.
        callbacks: as `fit` takes them.
        validates: whether the training is validated, so that there are logs of that.

    Raises:
        ValueError: if one sets learning rates that follow a schedule, waits for what is not
            logged, or is `SwapEMAWeights`.
    """
    check_callbacks(callbacks, model.optimizers)
    evaluated = {f"val_{name}" for name in model.evaluation_logs}
    logs = {*model.running_means, *(evaluated if validates else ())}
    if model.objective is not None:
        logs -= {*objectives.OUTPUT_LOGS} - {*model.objective.logs}
    check_monitors(callbacks, logs, evaluated)
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    callbacks = keras.tree.flatten(callbacks or [])
    return [NotANumberIsWorst(callbacks), RateLog(callbacks), *callbacks]
