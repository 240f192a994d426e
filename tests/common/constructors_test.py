"""Arguments that a constructor would leave unused are refused by their names."""

import pytest

from tests.cases.semi_supervised_gan import CASE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (28, 28, 1)}, "takes no `input_shape`; is `image_shape` meant"),
        ({"classes": 10}, "takes no `classes`; is `num_classes` meant"),
        ({"zzz": 1}, "takes no `zzz`; it takes image_shape, .*seed, generator, discriminator"),
    ],
)
def test_arguments_that_would_change_nothing_are_refused(arguments, message):
    config = CASE.build().get_config()
    with pytest.raises(ValueError, match=message):
        CASE.variant.from_config({**config, **arguments})


def test_a_precision_that_no_network_has_is_refused():
    message = r"set_dtype_policy\('mixed_float16'\), called before"
    with pytest.raises(ValueError, match=message):
        CASE.variant(image_shape=(28, 28, 1), num_classes=10, dtype="mixed_float16")


def test_a_variant_of_a_variant_hands_arguments_on():
    class Own(CASE.variant):
        def __init__(self, own=1, **kwargs):
            super().__init__(**kwargs)

    config = CASE.build().get_config()
    assert Own(2, **{**config, "generator": None, "discriminator": None}).built
