"""What recipes refuse among hyper-parameters, and in which words."""

import types

import pytest

from recipes.common import checks

VALUES = types.SimpleNamespace(
    rate=0.1,
    nothing=0.0,
    below=-1,
    seed=2**32 - 1,
    too_large=2**32,
    momentum=0.0,
    one=1.0,
    kind="b",
)


def test_values_in_range_pass():
    checks.require_choice(VALUES, "kind", ("a", "b"))
    checks.require_positive(VALUES, "rate", "seed")
    checks.require_not_negative(VALUES, "rate", "nothing")
    checks.require_seeds(VALUES, "seed", "one")
    checks.require_momenta(VALUES, "momentum", "rate")
    for patience in (None, 1):
        checks.require_patience(types.SimpleNamespace(early_stopping_patience=patience))


@pytest.mark.parametrize(
    ("check", "names", "message"),
    [
        (checks.require_choice, ("kind", ("a", "c")), "kind must be one of a, c. Received: 'b'"),
        (checks.require_positive, ("rate", "nothing"), "nothing must be positive. Received: 0.0"),
        (checks.require_positive, ("below",), "below must be positive. Received: -1"),
        (
            checks.require_not_negative,
            ("nothing", "below"),
            "below must be 0 or more. Received: -1",
        ),
        (checks.require_seeds, ("seed", "below"), r"below must be at least 0 .* Received: -1"),
        (checks.require_seeds, ("too_large",), r"and below 2\*\*32. Received: 4294967296"),
        (checks.require_momenta, ("momentum", "one"), "at least 0 and below 1. Received: 1.0"),
        (checks.require_momenta, ("below",), "below must be at least 0 .* Received: -1"),
    ],
)
def test_the_first_value_out_of_range_is_named(check, names, message):
    with pytest.raises(ValueError, match=message):
        check(VALUES, *names)


def test_a_patience_of_no_epochs_is_named():
    values = types.SimpleNamespace(early_stopping_patience=0)
    with pytest.raises(ValueError, match="must be none or at least 1. Received: 0"):
        checks.require_patience(values)
