"""Sample grids: which files, and which pixels."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.runs.two_players import make_images, make_model
from zoo.runs.samples import SampleGrid, image_grid
from zoo.runs.stopping import StopOnNonFinite


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def to_bytes(images: np.ndarray) -> np.ndarray:
    return np.rint((images + 1) * 127.5).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_grid_places_images_row_by_row(channels: int) -> None:
    images = np.random.default_rng(0).uniform(-1, 1, (6, 2, 5, channels)).astype("float32")
    grid = image_grid(images)
    assert grid.dtype == np.uint8 and grid.shape == (4, 15, channels)
    for index, image in enumerate(to_bytes(images)):
        top, left = 2 * (index // 3), 5 * (index % 3)
        np.testing.assert_array_equal(grid[top : top + 2, left : left + 5], image)


def test_grid_fills_up_with_black_and_clips() -> None:
    grid = image_grid(np.full((5, 2, 2, 1), 1.5, "float32"))
    assert grid.shape == (4, 6, 1)
    assert (grid[:2] == 255).all() and (grid[2:, :4] == 255).all() and (grid[2:, 4:] == 0).all()


@pytest.mark.parametrize("shape", [(4, 4, 1), (2, 4, 4, 2), (0, 4, 4, 1)])
def test_grid_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"Received: images.shape=\("):
        image_grid(np.zeros(shape, "float32"))


def play(callback: SampleGrid, epochs: int, steps_per_epoch: int, steps_in_a_call: int = 1):
    """Tells a callback of steps and epochs as `fit` does, without training."""
    model = make_model(steps_per_execution=steps_in_a_call)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch in range(epochs):
        callback.on_epoch_begin(epoch)
        for last in range(steps_in_a_call - 1, steps_per_epoch, steps_in_a_call):
            model.step.assign_add(steps_in_a_call)
            callback.on_train_batch_end(last, {})
        callback.on_epoch_end(epoch, {})
    callback.on_train_end()


def black(num_images: int, seed: int) -> np.ndarray:
    return np.full((num_images, 2, 2, 1), -1, "float32")


def test_pictures_at_steps_1_2_5_and_epochs(tmp_path: Path) -> None:
    play(SampleGrid(tmp_path, 4, draw=black), epochs=9, steps_per_epoch=120)
    steps = [0, 100, 200, 500, 1000]
    assert names_in(tmp_path) == [f"epoch-{epoch:04d}.png" for epoch in range(1, 10)] + [
        f"step-{step:07d}.png" for step in steps
    ]


def test_several_steps_per_execution_draw_once_passed(tmp_path: Path) -> None:
    callback = SampleGrid(tmp_path, 4, draw=black)
    play(callback, epochs=1, steps_per_epoch=240, steps_in_a_call=30)
    assert names_in(tmp_path) == [
        "epoch-0001.png",
        "step-0000000.png",
        "step-0000120.png",
        "step-0000210.png",
    ]


def test_epochs_between_are_passed_over_but_not_the_first_and_the_last(tmp_path: Path) -> None:
    callback = SampleGrid(tmp_path, 1, draw=black, every_epochs=4)
    callback.set_params({"epochs": 10})
    play(callback, epochs=10, steps_per_epoch=1)
    epochs = [name for name in names_in(tmp_path) if name.startswith("epoch")]
    assert epochs == [f"epoch-{epoch:04d}.png" for epoch in (1, 4, 8, 10)]


def test_late_epochs_take_the_longer_of_both_intervals(tmp_path: Path) -> None:
    callback = SampleGrid(tmp_path, 1, draw=black, every_epochs=35)
    callback.set_params({"epochs": 150})
    play(callback, epochs=150, steps_per_epoch=1)
    epochs = [name for name in names_in(tmp_path) if name.startswith("epoch")]
    assert epochs == [f"epoch-{epoch:04d}.png" for epoch in (1, 35, 70, 105, 140, 150)]


def test_later_epochs_every_tenth(tmp_path: Path) -> None:
    play(SampleGrid(tmp_path, 1, draw=black), epochs=121, steps_per_epoch=1)
    epochs = [name for name in names_in(tmp_path) if name.startswith("epoch")]
    assert epochs == [f"epoch-{epoch:04d}.png" for epoch in [*range(1, 101), 110, 120]]


def test_pixels_are_those_of_generate(tmp_path: Path) -> None:
    model = make_model()
    callback = SampleGrid(tmp_path, num_images=9, seed=5)
    before = model.generate(9, seed=5)
    model.fit(make_images(), epochs=2, verbose=0, callbacks=[callback])
    for name, images in (("step-0000000", before), ("epoch-0002", model.generate(9, seed=5))):
        with Image.open(tmp_path / f"{name}.png") as picture:
            pixels = np.asarray(picture)
        expected = to_bytes(images).reshape(3, 3, 4, 4).transpose(0, 2, 1, 3).reshape(12, 12)
        np.testing.assert_array_equal(pixels, expected)
    assert (before != model.generate(9, seed=5)).any()


def test_pictures_tell_step_and_epoch(tmp_path: Path) -> None:
    make_model().fit(make_images(), epochs=2, verbose=0, callbacks=[SampleGrid(tmp_path, 1)])
    with Image.open(tmp_path / "epoch-0002.png") as picture:
        assert picture.text == {"step": "10", "epoch": "2"}


def test_own_drawing_in_colour(tmp_path: Path) -> None:
    def draw(num_images: int, seed: int) -> np.ndarray:
        return np.full((num_images, 2, 2, 3), [-1, 0.6, 1], "float32")

    callback = SampleGrid(tmp_path, 4, draw=draw)
    make_model().fit(make_images(), verbose=0, callbacks=[callback])
    with Image.open(tmp_path / "epoch-0001.png") as picture:
        assert picture.mode == "RGB" and picture.getcolors() == [(16, (0, 204, 255))]


def test_resumed_run_draws_no_second_beginning(tmp_path: Path) -> None:
    model = make_model()
    model.fit(make_images(), verbose=0, callbacks=[SampleGrid(tmp_path, 1)])
    model.fit(make_images(), epochs=2, initial_epoch=1, verbose=0, callbacks=[SampleGrid(tmp_path)])
    assert names_in(tmp_path) == ["epoch-0001.png", "epoch-0002.png", "step-0000000.png"]


def test_discarded_epoch_gets_no_picture(tmp_path: Path) -> None:
    model = make_model(poison=7)
    callbacks = [StopOnNonFinite(), SampleGrid(tmp_path, 1)]
    model.fit(make_images(), epochs=3, verbose=0, callbacks=callbacks)
    assert names_in(tmp_path) == ["epoch-0001.png", "step-0000000.png"]


def test_refuses_no_images(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="`num_images` must be a positive integer. Received: num_images=0"
    ):
        SampleGrid(tmp_path, num_images=0)
