"""Saves that follow one another leave nothing behind in the process."""

from pathlib import Path

import keras
import pytest

import zoo


@pytest.mark.parametrize("save", ["save", "save_weights"])
def test_a_second_save_makes_nothing_to_compare_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save: str
) -> None:
    model = zoo.ModeLabGAN(generator_width=4, discriminator_width=4)
    model.compile()
    name = {"save": "model.keras", "save_weights": "model.weights.h5"}[save]
    getattr(model, save)(tmp_path / name)
    made = []
    initialize = keras.optimizers.Optimizer.__init__

    def counted(self, *arguments, **options):
        made.append(self)
        initialize(self, *arguments, **options)

    monkeypatch.setattr(keras.optimizers.Optimizer, "__init__", counted)
    getattr(model, save)(tmp_path / name)
    assert not made
