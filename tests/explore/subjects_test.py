"""Images for a model: a data set is told no more of their form than it takes."""

import pytest

from tests.datasets.picture_files import save_pictures
from zoo.explore.subjects import open_images


@pytest.fixture(autouse=True)
def _own_data_dir(monkeypatch, data_dir) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))


@pytest.mark.parametrize(
    ("image_shape", "options"),
    [
        ((28, 28, 1), {}),
        ((16, 16, 1), {"image_size": 16}),
        ((28, 28, 3), {"channels": 3}),
        ((16, 20, 3), {"image_size": (16, 20), "channels": 3}),
    ],
)
def test_a_set_is_told_where_its_own_form_is_another(image_shape, options) -> None:
    data = open_images("mnist_small", image_shape)
    assert data.options == options
    assert data.images.description.image_shape == image_shape


@pytest.mark.parametrize(
    ("image_shape", "given", "options"),
    [
        ((16, 16, 3), {}, {"image_size": 16}),
        ((16, 16, 3), {"drop_duplicates": "near"}, {"image_size": 16, "drop_duplicates": "near"}),
        ((16, 20, 1), {}, {"image_size": (16, 20), "channels": 1}),
        ((16, 16, 3), {"image_size": 32}, {"image_size": 16}),
    ],
)
def test_a_folder_is_told_a_size_always(tmp_path, image_shape, given, options) -> None:
    save_pictures(tmp_path, 20)
    data = open_images(f"folder:{tmp_path}", image_shape, **given)
    assert data.options == options
    assert data.images.description.image_shape == image_shape
