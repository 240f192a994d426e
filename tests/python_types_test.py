"""Sizes may be NumPy's integers, and folders `pathlib.Path`s, wherever the zoo takes them."""

import dataclasses
import functools
import inspect
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import export
from benchmarks import measure, records
from benchmarks.registry import RECIPES
from export import translation as translate
from recipes.common import report_page
from tests import three_players
from tests.benchmarks.hand_made import record_of
from tests.case import Case, ramp_images
from tests.cases import CASES
from tests.datasets.picture_files import save_pictures
from tests.dense_gan import dense_gan
from zoo import datasets, metrics, runs
from zoo.common.augmentation import AdaptiveProbability
from zoo.common.batch_layers import MinibatchDiscrimination, MinibatchStandardDeviation
from zoo.common.layers import Maxout, ReflectionPadding2D
from zoo.common.priors import Categorical, Normal, Uniform
from zoo.common.replay import ImagePool
from zoo.common.virtual_batch_norm import VirtualBatchNormalization
from zoo.r3gan import LearntBasis
from zoo.runs import (
    PastPlayers,
    PlayersTensorBoard,
    ProgressBar,
    RunCheckpoint,
    SampleGrid,
    StopOnQuality,
)

# === Integers ===


@pytest.mark.parametrize("case", [*CASES, three_players.CASE], ids=lambda case: case.name)
def test_models_refuse_what_is_no_integer(case: Case):
    deserialize = keras.saving.deserialize_keras_object
    config = {name: deserialize(value) for name, value in case.build().get_config().items()}
    sizes = {name: value for name, value in config.items() if not isinstance(value, keras.Model)}
    parameters = inspect.signature(case.variant).parameters
    names = [name for name in parameters if parameters[name].annotation in (int, int | None)]
    for name in names:
        number = 2 if sizes[name] is None else sizes[name]
        for wrong in (float(number), np.float32(number), True, np.True_, "3"):
            with pytest.raises(ValueError, match=f"`{name}`"):
                case.variant(**{**sizes, name: wrong})


PARTS = {
    Normal: ["latent_dim"],
    Uniform: ["latent_dim"],
    Categorical: ["num_categories"],
    functools.partial(ImagePool, (8, 8, 1)): ["size"],
    Maxout: ["units", "num_pieces"],
    ReflectionPadding2D: ["padding"],
    AdaptiveProbability: ["num_images", "interval"],
    MinibatchDiscrimination: ["num_kernels", "kernel_dim"],
    MinibatchStandardDeviation: ["group_size"],
    VirtualBatchNormalization: ["num_references"],
    LearntBasis: ["side"],
    functools.partial(RunCheckpoint, "folder"): ["keep", "every_epochs", "every_steps"],
    functools.partial(SampleGrid, "folder"): ["num_images", "seed"],
    functools.partial(PlayersTensorBoard, "folder"): ["every_steps"],
    functools.partial(StopOnQuality, "val_loss"): ["patience"],
    ProgressBar: ["total_epochs"],
    functools.partial(PastPlayers, "generator"): [
        "keep_every",
        "play_every",
        "play_for",
        "max_kept",
    ],
}


@pytest.mark.parametrize("part", PARTS)
def test_parts_take_and_store_any_integers(part):
    names = PARTS[part]
    made = part(**dict.fromkeys(names, np.int64(3)))
    for name in names:
        assert type(getattr(made, name)) is int and getattr(made, name) == 3
        for wrong in (3.0, np.float64(3), True, np.True_, "3"):
            with pytest.raises(ValueError, match=rf"`{name}` must be (a positive|an) integer"):
                part(**{**dict.fromkeys(names, 3), name: wrong})


def pixels() -> keras.Model:
    images = keras.Input((4, 4, 1))
    return keras.Model(images, keras.layers.Flatten()(images))


MEASURES = {
    metrics.KernelDistance: ["block_size"],
    metrics.PrecisionRecall: ["k", "capacity"],
    metrics.DensityCoverage: ["k", "capacity"],
    metrics.SlicedWassersteinDistance: ["num_directions", "capacity", "seed"],
}


@pytest.mark.parametrize("measure", MEASURES)
def test_measures_take_and_store_any_integers(measure):
    names = MEASURES[measure]
    values = {name: 2 if name == "k" else 3 for name in names}  # of neighbours, fewer than images
    made = measure(pixels(), **{name: np.uint8(value) for name, value in values.items()})
    for name, value in values.items():
        assert type(getattr(made, name)) is int and getattr(made, name) == value
        for wrong in (3.0, np.float64(3), True, "3"):
            with pytest.raises(ValueError, match=rf"`{name}` must be (a positive|an) integer"):
                measure(pixels(), **{name: wrong})


def test_data_sets_take_any_integers(data_dir):
    images = datasets.open("mnist_small", image_size=np.int64(16), data_dir=data_dir)
    assert json.dumps(images.description.image_shape) == "[16, 16, 1]"
    stacks = datasets.DigitStacks(images, num_digits=np.int64(2), split="test")
    assert json.dumps(stacks.image_shape) == "[16, 16, 2]"
    assert datasets.ring_of_gaussians(np.int64(8)) == datasets.ring_of_gaussians(8)
    assert datasets.grid_of_gaussians(np.int64(3)) == datasets.grid_of_gaussians(3)
    options = {"batch_size": 5, "seed": 3, "first_step": 7}
    for batches in (
        functools.partial(images.batches, "test", shuffle=True, repeat=True),
        functools.partial(images.few_labels, np.int32(20), "test"),
        stacks.batches,
        datasets.ring_of_gaussians().batches,
    ):
        of_python, of_numpy = (
            next(iter(batches(**{name: kind(value) for name, value in options.items()})))
            for kind in (int, np.int64)
        )
        tf.nest.map_structure(np.testing.assert_array_equal, of_python, of_numpy)
        for name in options:
            for wrong in (2.0, np.float32(2), True, "2"):
                with pytest.raises(ValueError, match=f"`{name}` must be"):
                    batches(**{name: wrong})
    assert datasets.steps_per_epoch(np.int64(7), np.int64(2)) == 4


@pytest.mark.parametrize("wrong", [16.0, np.float32(16), True, "16", (16, 16.0)])
def test_data_sets_refuse_sizes_that_are_no_integers(data_dir, wrong):
    with pytest.raises(ValueError, match="image_size must be a positive integer"):
        datasets.open("mnist_small", image_size=wrong, data_dir=data_dir)


def test_models_generate_and_export_by_any_integers(tmp_path):
    model = dense_gan()
    np.testing.assert_array_equal(
        model.generate(np.int64(2), seed=np.int64(5)), model.generate(2, seed=5)
    )
    assert export.save(model, tmp_path, version=np.int64(3), verify=False) == tmp_path / "3"
    for wrong in (2.0, np.float32(2), True, "2"):
        for arguments in ({"num_images": wrong}, {"num_images": 2, "seed": wrong}):
            with pytest.raises(ValueError, match=f"`{[*arguments][-1]}` must be"):
                model.generate(**arguments)


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_take_and_store_any_integers(recipe):
    preset = RECIPES[recipe].preset("quick", RECIPES[recipe].dataset)
    sizes = {name: value for name, value in vars(preset).items() if type(value) is int}
    of_numpy = {name: np.int64(value) for name, value in sizes.items()}
    changed = dataclasses.replace(preset, **of_numpy)
    assert json.dumps(vars(changed)) == json.dumps(vars(preset))
    for name in sizes:
        for wrong in (float(sizes[name]), np.float32(sizes[name]), True, "2"):
            with pytest.raises(ValueError, match=f"{name} should be a whole number"):
                dataclasses.replace(preset, **{name: wrong}).check()


# === Paths ===


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number, name in enumerate(("a", "b")):
        save_pictures(folder / name, 20, first_seed=20 * number)
    return folder


def test_folders_of_images_may_be_paths(pictures, tmp_path, monkeypatch):
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
    monkeypatch.setattr("zoo.metrics.classifier.train_classifier", None)  # no second training
    of_numpy = {"training_steps": np.int64(1), "image_size": np.int64(16), "data_dir": tmp_path}
    kept = metrics.load_classifier(f"folder:{pictures}", **of_numpy)
    assert kept.description == classifier.description
    with pytest.raises(ValueError, match="has no folder trainA"):
        datasets.load_unpaired(pictures, **options)


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_take_paths_for_data_sets(recipe, pictures):
    for preset in ("quick", "paper"):
        of_path = RECIPES[recipe].preset(preset, pictures)
        assert of_path == RECIPES[recipe].preset(preset, f"folder:{pictures}")
        assert dataclasses.replace(of_path, dataset=pictures) == of_path


@pytest.mark.parametrize("kind", [pytest.param(str, marks=pytest.mark.slow), Path])
def test_runs_take_paths_and_texts(kind, tmp_path):
    model, settings = dense_gan(), {"epochs": runs.HyperParameter(1)}
    model.compile()
    run = runs.RunFolder.start(kind(tmp_path / "run"), "toy", settings).begin()
    run.write_model(model)
    samples = runs.SampleGrid(kind(run.samples), num_images=1)
    history = runs.HistoryFile(kind(run.history_csv))
    callbacks = [
        samples,
        history,
        runs.PlayersTensorBoard(kind(run.tensorboard), every_steps=1, samples=samples),
        runs.RunCheckpoint(kind(run.checkpoints), history=history),
    ]
    model.fit(ramp_images(6), batch_size=2, callbacks=callbacks, verbose=0)
    runs.RunFolder.resume(kind(run.path), "toy", settings)
    assert runs.RunFolder.open(kind(run.path)).trained_epochs == 1
    rows = runs.read_history(kind(run.history_csv))
    runs.write_history(kind(tmp_path / "copy.csv"), rows)
    runs.save_picture(np.zeros((4, 4, 3), "uint8"), kind(tmp_path / "picture.png"))
    report_page.write_curves(rows, kind(tmp_path / "curves.png"))
    report_page.write_gif(kind(run.samples), kind(tmp_path / "samples.gif"))
    assert measure.steps_per_second(kind(run.tensorboard / "train")) is not None
    newest = runs.RunCheckpoint.latest(kind(run.checkpoints))
    assert runs.RunCheckpoint.is_one(kind(newest)) and runs.RunCheckpoint.epoch_of(kind(newest))
    runs.RunCheckpoint.restore(model, kind(run.checkpoints))
    runs.RunCheckpoint.load(model, kind(newest))
    for checkpoint in ("newest", kind(newest)):
        assert int(runs.load_model(kind(run.path), checkpoint).step) == 3


@pytest.mark.parametrize("kind", [pytest.param(str, marks=pytest.mark.slow), Path])
def test_models_are_saved_and_exported_under_paths_and_texts(kind, tmp_path):
    model = dense_gan()
    model.compile()
    model.save(kind(tmp_path / "model.keras"))
    model.save_weights(kind(tmp_path / "model.weights.h5"))
    saved = keras.saving.load_model(kind(tmp_path / "model.keras"))
    saved.load_weights(kind(tmp_path / "model.weights.h5"))
    saved.export(kind(tmp_path / "call"), verbose=False)
    export.save(saved, kind(tmp_path / "export"), verify=False)
    assert "generate" in export.load(kind(tmp_path / "export")).signatures


@pytest.mark.parametrize("kind", [str, Path])
def test_folders_are_translated_under_paths_and_texts(kind, tmp_path, pictures):
    module = tf.Module()
    spec = tf.TensorSpec((None, None, None, 3), tf.float32, name="images")
    module.a_to_b = tf.function(lambda images: {"images": 1.0 - images}, input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"a_to_b": module.a_to_b})
    translator = translate.load_translator(kind(tmp_path / "1"), "a_to_b")
    translate.translate_folder(translator, kind(pictures / "a"), kind(tmp_path / "out"))
    assert len(list((tmp_path / "out").glob("*.png"))) == 20


@pytest.mark.parametrize("kind", [str, Path])
def test_records_and_reports_are_kept_under_paths_and_texts(kind, tmp_path, pictures):
    record = record_of()
    path = records.write_record(record, kind(tmp_path))
    assert records.read_record(kind(path)) == record
    assert records.read_records(kind(tmp_path)) == [record]
    run = measure.Run(record.recipe, record.preset, record.configuration)
    assert measure.has_record(run, kind(tmp_path)) and measure.measure([run], kind(tmp_path)) == []
    scan = datasets.scan_folder(kind(pictures), 16, data_dir=kind(tmp_path))
    scan.write_report(kind(tmp_path / "report.csv"))
    assert (tmp_path / "report.csv").is_file()


@pytest.mark.parametrize("name", ["a.h5", "a.hdf5", "a.keras", "a", "folder/weights.h5"])
def test_weights_are_saved_under_names_that_say_so(tmp_path, name):
    model = dense_gan()
    with pytest.raises(ValueError, match=r"must end in \.weights\.h5, such as") as raised:
        model.save_weights(tmp_path / name)
    suggested = str(raised.value).partition("save_weights('")[2].partition("'")[0]
    (tmp_path / "folder").mkdir()
    model.save_weights(suggested)
    assert Path(suggested).is_file()
