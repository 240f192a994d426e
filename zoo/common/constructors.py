"""What the constructor of each variant does with its arguments before it takes them."""

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable

from zoo.common.checks import without_numpy_scalars


def with_python_numbers(initialize: Callable) -> Callable:
    """Has a constructor take numbers of NumPy's as it does Python's, and name what it lacks.

    Args:
        initialize: the `__init__` of a model.

    Returns:
        It, wrapped; a `ValueError` names an argument that no constructor takes.
    """

    @functools.wraps(initialize)
    def initialize_with_python_numbers(self, *arguments, **named_arguments):
        _refuse_unknown(type(self), named_arguments)
        arguments = map(without_numpy_scalars, arguments)
        named = {name: without_numpy_scalars(value) for name, value in named_arguments.items()}
        initialize(self, *arguments, **named)

    # Keras looks at the arguments too, and not behind a wrapper.
    initialize_with_python_numbers.__signature__ = inspect.signature(initialize)
    return initialize_with_python_numbers


def _refuse_unknown(variant: type, names: Iterable[str]) -> None:
    """Refuses what no constructor takes; `input_shape` Keras would take, and leave unused."""
    signatures = [inspect.signature(each.__init__) for each in variant.__mro__[:-1]]
    known = {name for signature in signatures for name in signature.parameters}
    for name in names:
        if name not in known:
            own = inspect.signature(variant.__init__).parameters
            own = [each for each in own if each not in ("self", "kwargs")]
            alike = [each for each in own if each.split("_")[-1] == name.split("_")[-1]]
            near = difflib.get_close_matches(name, alike or own, n=1)
            advice = f"is `{near[0]}` meant?" if near else f"it takes {', '.join(own)}."
            raise ValueError(f"{variant.__name__} takes no `{name}`; {advice} Received: {name}=...")
