"""Saves that follow one another leave nothing behind in the process."""

from pathlib import Path

import keras
import pytest
from keras.src.saving import saving_lib

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


@pytest.mark.parametrize("kind", ["Layer", "Functional", "Sequential", "Metric", "Optimizer"])
def test_what_keras_looks_up_is_kept(tmp_path: Path, kind: str) -> None:
    model = zoo.ModeLabGAN(generator_width=4, discriminator_width=4)
    model.compile()
    model.save_weights(tmp_path / "model.weights.h5")
    assert saving_lib.get_attr_skipset(kind) is saving_lib.get_attr_skipset(kind)
