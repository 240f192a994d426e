"""Exports that are asked: what their models answer, to within rounding, and what they lack."""

import json

import keras
import pytest
import tensorflow as tf

import export
import zoo
from tests.explore.small_runs import linear_model, pixel_classifier
from zoo.explore import Stroke
from zoo.explore.__main__ import main
from zoo.explore.arithmetic import Sum

WALK = {"num_walks": 2, "num_steps": 3, "num_places": 2, "frames_between": 2}
PROJECT = {"num_images": 4, "iterations": 3, "network_steps": 2, "filters": 4}
PROBE = {"num_labels": 20, "num_draws": 1, "num_supervised_draws": 0}


def model_with_features() -> zoo.VanillaGAN:
    """`linear_model` with a discriminator of one convolution."""
    keras.utils.set_random_seed(0)
    discriminator = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Conv2D(6, 3, padding="same", activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    model = zoo.VanillaGAN(
        (4, 4, 1),
        latent_dim=4,
        generator=linear_model().generator,
        discriminator=discriminator,
    )
    model.compile()
    return model


@pytest.fixture(scope="module")
def model() -> zoo.VanillaGAN:
    return model_with_features()


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    details = export.Details(dataset="mnist_small")
    export.save(model, folder, include_discriminator=True, details=details, verify=False)
    return folder


@pytest.fixture(scope="module")
def loaded(folder):
    return export.load(folder)


@pytest.fixture(scope="module")
def digits(data_dir) -> zoo.datasets.ImageDataset:
    return zoo.datasets.open("mnist_small", image_size=4, data_dir=data_dir)


def assert_equal_facts(found, expected) -> None:
    """Compares what was found of an export with what was found of its model."""
    assert found.facts["model"] == "export" and found.facts.keys() == expected.facts.keys()
    own = {"model", "convolutions"}
    for (path, one), (_, other) in zip(
        *(keras.tree.flatten_with_path(dict(each.facts)) for each in (found, expected)), strict=True
    ):
        if path[0] not in own:
            assert one == pytest.approx(other, abs=1e-3), path


def test_walks_of_an_export_are_those_of_its_model(loaded, model):
    assert_equal_facts(zoo.explore.walk(loaded, **WALK), zoo.explore.walk(model, **WALK))


def test_sums_of_an_export_are_those_of_its_model(loaded, model):
    options = {"sums": (Sum("Smiling", "Male", present=True),), "num_draws": 20, "num_samples": 200}
    found, expected = (
        zoo.explore.arithmetic(each, pixel_classifier(), **options) for each in (loaded, model)
    )
    assert_equal_facts(found, expected)


def test_latents_of_images_are_found_through_an_export(loaded, model, digits):
    """Which takes gradients of its images by their latents."""
    found, expected = (zoo.explore.project(each, digits, **PROJECT) for each in (loaded, model))
    assert_equal_facts(found, expected)
    errors = found.facts["errors"]
    assert errors["optimisation"] < found.facts["start_error"]


def test_features_of_an_export_tell_what_those_of_its_model_do(loaded, model, digits):
    found, expected = (zoo.explore.probe(each, digits, **PROBE) for each in (loaded, model))
    assert found.facts["scores"].keys() == {"discriminator", "raw pixels"}
    for name, scores in found.facts["scores"].items():
        others = expected.facts["scores"][name]
        assert scores["test_errors"] == pytest.approx(others["test_errors"], abs=0.01)


@pytest.mark.parametrize("seed", [-1, 2**31, 2**70, 0.5])
def test_an_export_and_its_model_refuse_the_same_seeds(loaded, model, digits, seed):
    questions = (
        lambda asked: zoo.explore.walk(asked, seed=seed),
        lambda asked: zoo.explore.arithmetic(asked, pixel_classifier(), seed=seed),
        lambda asked: zoo.explore.neighbours(asked, digits, seed=seed),
        lambda asked: zoo.explore.project(asked, digits, seed=seed),
        lambda asked: zoo.explore.edit_by_strokes(asked, [Stroke(0, 0, 1, 1, (1,))], seed=seed),
        lambda asked: zoo.explore.edit_by_attribute(asked, pixel_classifier(), "Male", seed=seed),
        lambda asked: zoo.explore.probe(asked, digits, seed=seed),
    )
    for question in questions:
        for asked in (loaded, model):
            with pytest.raises(ValueError, match=f"`seed` must be an integer.*seed={seed}"):
                question(asked)
    for of_model_alone in (
        lambda: zoo.explore.truncation(model, None, None, seed=seed),
        lambda: zoo.explore.forget(model, pixel_classifier(), digits, attribute="Male", seed=seed),
        lambda: zoo.explore.guided(model, digits, seed=seed),
    ):
        with pytest.raises(ValueError, match=f"`seed` must be an integer.*seed={seed}"):
            of_model_alone()


def test_an_export_and_its_model_take_the_same_seeds(loaded, model):
    """Up to the largest."""
    seed = 2**31 - 1
    found, expected = (zoo.explore.walk(each, **WALK, seed=seed) for each in (loaded, model))
    assert_equal_facts(found, expected)


def test_a_thin_stroke_on_images_of_an_export_is_met(loaded, model):
    thin = [Stroke(0.5, 0.0, 0.51, 0.1, (0.9,))]
    found, expected = (
        zoo.explore.edit_by_strokes(each, thin, iterations=5) for each in (loaded, model)
    )
    assert_equal_facts(found, expected)


def test_what_an_export_lacks_is_named_with_how_to_save_it(loaded, digits, tmp_path):
    export.save(linear_model(), tmp_path, verify=False)
    without = export.load(tmp_path)
    with pytest.raises(ValueError, match=r"probe needs the function `features`.*has.*--discrimin"):
        zoo.explore.probe(without, digits, **PROBE)
    with pytest.raises(ValueError, match="truncation needs the networks.*Name the folder of its"):
        zoo.explore.truncation(loaded, None, None)
    module = tf.Module()
    module.a_to_b = tf.function(lambda images: {"images": images}, [tf.TensorSpec((None, 4, 4, 1))])
    tf.saved_model.save(module, str(tmp_path / "ab" / "1"), {"a_to_b": module.a_to_b})
    with pytest.raises(ValueError, match="walk needs the function `from_latents`.*'a_to_b'"):
        zoo.explore.walk(export.load(tmp_path / "ab"))


# === From the command line ===


@pytest.fixture
def _own_data_dir(monkeypatch, data_dir):
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    monkeypatch.setattr("sys.argv", ["pytest"])


@pytest.mark.usefixtures("_own_data_dir")
def test_commands_take_folders_and_archives_and_write_elsewhere(folder, tmp_path, capsys):
    export.pack(folder, tmp_path / "a.tar.gz")
    quick = [f"--{name}={value}" for name, value in WALK.items()]
    paths = []
    for number, source in enumerate((folder, folder / "1", tmp_path / "a.tar.gz")):
        main(["walk", str(source), *quick, f"--out={tmp_path / str(number)}"])
        paths.append(json.loads((tmp_path / str(number) / "walk.json").read_text())["paths"])
    assert paths[0] == paths[1] == paths[2]
    # The data set is the one that the manifest tells.
    labels = [f"--{name}={value}" for name, value in PROBE.items()]
    main(["probe", str(folder), *labels, f"--out={tmp_path / 'probe'}"])
    facts = json.loads((tmp_path / "probe" / "probe.json").read_text())
    assert (facts["export"], facts["trained_on"]) == (str(folder), "mnist_small")
    assert facts["dataset"] == "mnist_small"
    assert sorted(path.name for path in folder.iterdir()) == ["1", "1.about"]


@pytest.mark.usefixtures("_own_data_dir")
def test_what_a_command_lacks_is_said_in_one_line(folder, tmp_path, capsys):
    export.pack(folder, tmp_path / "a.tar.gz")
    out = f"--out={tmp_path / 'out'}"
    for arguments, message in (
        ([folder], "Nothing is written into an export"),
        ([folder, "--checkpoint=newest", out], "has no checkpoints"),
        ([tmp_path / "a.tar.gz", out], "names no data set; name one by --dataset"),
        ([folder, "--seed=-1", out], "`seed` must be an integer from 0 to 2147483647. Received: s"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["probe", *map(str, arguments)])
        assert ended.value.code == 2 and message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
