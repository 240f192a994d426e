"""What recipes refuse among hyper-parameters: the values that no later stage would name.

Each check raises a ValueError that names the hyper-parameter, what it may be and what it is.
"""

import types
import typing
from collections.abc import Sequence
from typing import Any


def require_whole_numbers(hyper_parameters: Any) -> None:
    """Refuses a value of another type, such as 2.0 or True, where the class says `int`."""
    hints = typing.get_type_hints(type(hyper_parameters))
    for name, value in vars(hyper_parameters).items():
        kind = hints[name]
        kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
        if int in kinds and type(value) not in kinds:
            raise ValueError(f"{name} should be a whole number. Received: {value!r}")


def require_choice(hyper_parameters: Any, name: str, choices: Sequence[str]) -> None:
    """Refuses a value that is none of the choices."""
    value = getattr(hyper_parameters, name)
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}. Received: {value!r}")


def require_positive(hyper_parameters: Any, *names: str) -> None:
    """Refuses values of 0 or below."""
    for name in names:
        if not getattr(hyper_parameters, name) > 0:
            raise ValueError(
                f"{name} must be positive. Received: {getattr(hyper_parameters, name)}"
            )


def require_positive_if_given(hyper_parameters: Any, *names: str) -> None:
    """Refuses values of 0 or below; None is fine."""
    require_positive(
        hyper_parameters, *(name for name in names if getattr(hyper_parameters, name) is not None)
    )


def require_not_negative(hyper_parameters: Any, *names: str) -> None:
    """Refuses values below 0, and what is no number."""
    for name in names:
        if not getattr(hyper_parameters, name) >= 0:
            raise ValueError(
                f"{name} must be 0 or more. Received: {getattr(hyper_parameters, name)}"
            )


def require_seeds(hyper_parameters: Any, *names: str) -> None:
    """Refuses what NumPy takes for no seed."""
    for name in names:
        if not 0 <= getattr(hyper_parameters, name) < 2**32:
            raise ValueError(
                f"{name} must be at least 0 and below 2**32. "
                f"Received: {getattr(hyper_parameters, name)}"
            )


def require_momenta(hyper_parameters: Any, *names: str) -> None:
    """Refuses values outside [0, 1)."""
    for name in names:
        if not 0 <= getattr(hyper_parameters, name) < 1:
            raise ValueError(
                f"{name} must be at least 0 and below 1. "
                f"Received: {getattr(hyper_parameters, name)}"
            )


def require_patience(hyper_parameters: Any) -> None:
    """Refuses an early stopping of no epochs; none at all is fine."""
    patience = hyper_parameters.early_stopping_patience
    if patience is not None and patience < 1:
        raise ValueError(
            f"early_stopping_patience must be none or at least 1. Received: {patience}"
        )
