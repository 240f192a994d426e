"""Sizes may be NumPy's integers, and folders `pathlib.Path`s, wherever the zoo takes them."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import export
import zoo
from benchmarks.registry import RECIPES
from recipes import translate
from tests import three_players
from tests.case import Case
from tests.cases import CASES
from tests.datasets.picture_files import save_pictures
from tests.habits import with_numpy_numbers
from zoo import datasets, metrics
from zoo.common.layers import Maxout, ReflectionPadding2D
from zoo.common.priors import Categorical, Normal, Uniform
from zoo.common.replay import ImagePool

# === Integers ===


@pytest.mark.parametrize("case", [*CASES, three_players.CASE], ids=lambda case: case.name)
def test_models_take_and_store_any_integers(case: Case):
    model = case.build()
    rebuilt = with_numpy_numbers(model, np.int32)
    # Strictly: Keras would make numbers of JSON's kind of NumPy's when it writes a file.
    assert json.dumps(rebuilt.get_config()) == json.dumps(model.get_config())


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda size: Normal(size), ["latent_dim"]),
        (lambda size: Uniform(size), ["latent_dim"]),
        (lambda size: Categorical(size), ["num_categories"]),
        (lambda size: ImagePool((8, 8, 1), size), ["size"]),
        (lambda size: Maxout(size, size), ["units", "num_pieces"]),
        (lambda size: ReflectionPadding2D(size), ["padding"]),
        (lambda size: _kernel_distance(size), ["block_size"]),
    ],
)
def test_parts_take_and_store_any_integers(make, names):
    made = make(np.int64(3))
    for name in names:
        assert type(getattr(made, name)) is int and getattr(made, name) == 3
    for wrong in (3.0, np.float64(3), True, "3", None, 0 if "size" not in names else -1):
        with pytest.raises(ValueError, match=rf"`{names[0]}` must be (a positive|an) integer"):
            make(wrong)


def _kernel_distance(block_size):
    images = keras.Input((4, 4, 1))
    extractor = keras.Model(images, keras.layers.Flatten()(images))
    return metrics.KernelDistance(extractor, block_size=block_size)


def test_data_sets_take_any_integers(data_dir):
    images = datasets.open("mnist_small", image_size=np.int64(16), data_dir=data_dir)
    assert images.description.image_shape == (16, 16, 1)
    assert {type(side) for side in images.description.image_shape} == {int}
    options = {"batch_size": 5, "seed": 3, "first_step": 7, "shuffle": True, "repeat": True}
    of_numpy = {
        name: np.int64(value) if type(value) is int else value for name, value in options.items()
    }
    batches = [next(iter(images.batches(**each))) for each in (options, of_numpy)]
    np.testing.assert_array_equal(*batches)
    few = [images.few_labels(number, batch_size=number) for number in (20, np.int64(20))]
    (one, _), (other, _) = (next(iter(each)) for each in few)
    np.testing.assert_array_equal(one[0], other[0])
    assert datasets.steps_per_epoch(np.int64(7), np.int64(2)) == 4


def test_models_generate_and_export_by_any_integers(tmp_path):
    model = next(case for case in CASES if case.name == "dcgan").build()
    np.testing.assert_array_equal(
        model.generate(np.int64(2), seed=np.int64(5)), model.generate(2, seed=5)
    )
    assert export.save(model, tmp_path, version=np.int64(3)) == tmp_path / "3"


# === Paths ===


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number, name in enumerate(("a", "b")):
        save_pictures(folder / name, 20, first_seed=20 * number)
    return folder


def test_folders_of_images_may_be_paths(pictures, tmp_path):
    options = {"image_size": 16, "data_dir": tmp_path}
    named = datasets.describe(f"folder:{pictures}", **options)
    assert datasets.describe(pictures, **options) == named
    assert datasets.open(pictures, **options).description == named
    assert datasets.scan_folder(pictures, 16, data_dir=tmp_path).fingerprint == named.fingerprint
    assert datasets.load(pictures, "test", **options).element_spec.shape[1:] == (16, 16, 3)
    assert datasets.load_few_labels(pictures, 4, **options).steps_per_epoch == 1
    assert datasets.stands_in_for(Path("drawn_faces")) == ""
    classifier = metrics.load_classifier(pictures, training_steps=1, **options)
    assert classifier.class_names == ("a", "b")
    with pytest.raises(ValueError, match="no split 'trainA'|has no folder trainA"):
        datasets.load_unpaired(pictures, **options)


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_take_paths_for_data_sets(recipe, pictures):
    for preset in ("quick", "paper"):
        of_path = RECIPES[recipe].preset(preset, pictures)
        assert of_path == RECIPES[recipe].preset(preset, f"folder:{pictures}")
        assert type(of_path)(**{**vars(of_path), "dataset": pictures}) == of_path


def test_models_are_saved_under_paths(tmp_path):
    model = next(case for case in CASES if case.name == "cyclegan").build()
    model.compile()
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    keras.saving.load_model(tmp_path / "model.keras").load_weights(tmp_path / "model.weights.h5")
    for folder in (tmp_path / "a", str(tmp_path / "b")):
        export.save(model, folder)
        assert export.load(folder).signatures
        assert translate.load_translator(folder, "a_to_b").channels == 1


@pytest.mark.parametrize("name", ["a.h5", "a.hdf5", "a.keras", "a", "folder/weights.h5"])
def test_weights_are_saved_under_names_that_say_so(tmp_path, name):
    model = next(case for case in CASES if case.name == "dcgan").build()
    with pytest.raises(
        ValueError, match=r"must end in \.weights\.h5, such as save_weights\('"
    ) as e:
        model.save_weights(tmp_path / name)
    suggested = str(e.value).partition("save_weights('")[2].partition("'")[0]
    (tmp_path / "folder").mkdir(exist_ok=True)
    model.save_weights(suggested)
    assert Path(suggested).is_file() and zoo.DCGAN is type(model)
