"""Cards: the rules of TF-Hub's validator and of Hugging Face, and what is told of a run.

The rules are those of github.com/tensorflow/tfhub.dev, tools/validator.py, of which tfhub.dev ran
each file's `validate`.
"""

import dataclasses
import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import export
import zoo
from tests.export.small_export import small_model
from zoo.runs import HyperParameter, RunFolder


def small_translator() -> zoo.CycleGAN:
    def network(activation: str) -> keras.Model:
        images = keras.Input((None, None, 1))
        return keras.Model(images, keras.layers.Conv2D(1, 1, activation=activation)(images))

    networks = {f"generator_{way}": network("tanh") for way in ("ab", "ba")}
    networks |= {f"discriminator_{domain}": network("linear") for domain in ("a", "b")}
    return zoo.CycleGAN((8, 8, 1), pool_size=0, **networks)


def metadata_of(card: str) -> dict[str, str]:
    """Reads a card as the validator does, and refuses what it would."""
    lines = card.split("\n")
    assert re.match(r"# Module [\w-]+/[\w.-]+(/[\w.-]+)*/\d+$", lines[0])
    assert lines[1] and not lines[1].startswith("<!--")  # a short description
    rest = iter(lines[2:])
    for line in rest:  # which may go on
        if not line or line.startswith("<!--"):
            break
    metadata: dict[str, str] = {}
    for line in rest:
        if line.startswith("#"):
            break
        if line:
            match = re.fullmatch(r"<!--((?:\w|\s|-)+):(.+)-->", line)
            assert match, f"neither metadata nor a heading: {line}"
            assert match[1].strip() not in metadata
            metadata[match[1].strip()] = match[2].strip()
    assert metadata.keys() >= {"asset-path", "module-type", "fine-tunable", "format"}
    assert metadata["module-type"].startswith(("image-", "text-", "audio-", "video-"))
    assert "license" not in metadata  # its list has none for weights
    return metadata


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run that never was."""
    values = {"dataset": "mnist_small", "seed": 3, "objective": "a|b"}
    parameters = {name: HyperParameter(value) for name, value in values.items()}
    run = RunFolder.start(tmp_path_factory.mktemp("run") / "run", "vanilla_mnist", parameters)
    run.begin()
    stamp = {
        "extractor": "0123456789ab",
        "num_real": 500,
        "split": "mnist_small test",
        "seed": None,
    }
    run.write_results(
        {
            "frechet_distance": 12.5,
            "mean_confidence": None,
            "epochs": 4,
            "is_broken": False,
            "stamps": {"frechet_distance": stamp},
            "protocol": "500 generated images against as many real ones",
            "weights": "weights of the last step",
        }
    )
    return run


@pytest.mark.parametrize(
    ("dataset", "name"),
    [("folder:/home/a,/home/b", "folder:a,b"), ("folder:.", "folder:here"), ("mnist", "mnist")],
)
def test_two_folders_and_the_current_one_have_names_too(tmp_path, monkeypatch, dataset, name):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    run = RunFolder.start(tmp_path / "run", "cyclegan", {"dataset": HyperParameter(dataset)})
    run.begin()
    assert export.details_of_run(run.path, data_license="").dataset == name


def test_a_folder_of_images_goes_by_its_own_name(tmp_path):
    path = "folder:/home/somebody/pictures/cats"
    values = {"dataset": path, "seed": 0, "train_split": "train"}
    parameters = {name: HyperParameter(value) for name, value in values.items()}
    run = RunFolder.start(tmp_path / "run", "face_generation", parameters)
    run.begin()
    counts = {"num_images": 20, "num_test_images": 20, "peak_memory_megabytes": 900, "epochs": 4}
    protocol = f"20 images, {path} test"
    stamps = {"kernel_distance": {"split": f"{path} test", "num_real": 20}}
    run.write_results({**counts, "kernel_distance": 0.5, "protocol": protocol, "stamps": stamps})
    details = export.details_of_run(run.path, notice=f"Mind: {protocol}.")
    assert "somebody" not in repr(dataclasses.replace(details, picture=None))
    assert details.dataset == details.configuration["dataset"] == "folder:cats"
    assert details.protocol == "20 images, folder:cats test"
    assert details.protocol in details.notice
    assert details.scores == {"kernel_distance": 0.5}


@pytest.fixture(scope="module")
def about(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    details = export.details_of_run(run.path, data_license="Somebody's: CC BY-SA 3.0")
    export.save(small_model(), folder, version=7, details=details, verify=False)
    return folder / "7.about"


def test_the_card_is_what_tfhub_validates(about):
    card = (about / "model_card.md").read_text()
    assert card.startswith("# Module keras-gan-zoo/vanilla-mnist/7\n")
    assert metadata_of(card) == {
        "asset-path": "vanilla-mnist.tar.gz",
        "module-type": "image-generator",
        "network-architecture": "vanilla-gan",
        "fine-tunable": "true",
        "format": "saved_model_2",
        "dataset": "mnist_small",
    }


def test_the_card_tells_scores_with_their_stamps_and_the_training(about):
    card = (about / "model_card.md").read_text()
    stamp = "extractor 0123456789ab, num_real 500, split mnist_small test"
    assert f"| frechet_distance | 12.5 | {stamp} |" in card
    assert "mean_confidence" not in card and "| epochs" not in card
    assert "Scores: 500 generated images against as many real ones." in card
    assert "- Licence of the data: Somebody's: CC BY-SA 3.0" in card
    assert "- Weights: weights of the last step" in card
    assert r'| `objective` | "a\|b" |' in card and "| `seed` | 3 |" in card
    assert "`num`: int32 (), from 1 to 100000; `seed`: int64 (), from 0;" in card
    assert "Each refuses what is out of these ranges" in card and "docs/exports.md" in card


def test_the_python_of_the_card_runs(about, monkeypatch):
    """Where the reader is, with the version's folder under the name that it says."""
    (code,) = re.findall(r"```python\n(.*?)```", (about / "model_card.md").read_text(), re.DOTALL)
    scope: dict = {}
    monkeypatch.chdir(about.parent)
    exec(code.replace('load("1")', 'load("7")'), scope)
    assert scope["generated"]["images"].shape == (16, 28, 28, 1)
    assert scope["outputs"].shape == (1, 28, 28, 1)


def test_hugging_face_finds_its_front_matter_first(about):
    readme = (about / "README.md").read_text()
    front = re.match(r"---\n(.*?)\n---\n", readme, re.DOTALL)[1]
    assert "license: other" in front and "pipeline_tag: unconditional-image-generation" in front
    text = (about / "model_card.md").read_text()
    assert readme.endswith(text[text.index("## Overview") :])


def test_the_picture_shows_what_the_model_makes(about):
    pixels = np.asarray(Image.open(about / "samples.png"))
    assert pixels.shape == (560, 560), "each pixel as a square of 5, to be seen"
    expected = (small_model().generate(16, seed=0)[5, ..., 0] + 1) * 127.5
    for row, column in ((0, 0), (4, 2)):
        seen = pixels[140 + row : 280 : 5, 140 + column : 280 : 5]
        np.testing.assert_allclose(seen, expected, atol=1)


def test_a_model_alone_gives_less_and_a_translator_takes_its_picture_from_the_run(run, tmp_path):
    model = small_translator()
    export.save(model, tmp_path / "alone", verify=False)
    card = (tmp_path / "alone" / "1.about" / "model_card.md").read_text()
    assert metadata_of(card)["module-type"] == "image-style-transfer"
    assert "# Module keras-gan-zoo/cycle-gan/1" in card
    assert "## Scores" not in card and "samples.png" not in card and "not known; see" in card
    assert "model(inputs)" in card and "generate" not in card
    assert not (tmp_path / "alone" / "1.about" / "samples.png").exists()

    run.samples.mkdir(exist_ok=True)
    Image.new("L", (8, 8), 77).save(run.samples / "epoch-0004.png")
    assert export.details_of_run(run.path).picture == run.samples / "epoch-0004.png"
    (run.samples / "epoch-0004.png").unlink()


def test_the_licence_of_the_data_is_that_of_their_builder(run):
    assert "CC BY-SA 3.0" in export.details_of_run(run.path).data_license


def test_names_that_are_no_address_are_refused():
    with pytest.raises(ValueError, match="Received: name='my model'"):
        export.Details(name="my model")


def test_the_manifest_leaves_the_card_to_be_completed(about):
    assert json.loads((about / "manifest.json").read_text())["about"].keys() == {"recorded.npz"}
    card = about / "model_card.md"
    card.write_text(
        card.read_text().replace("vanilla-mnist.tar.gz", "https://example.org/a.tar.gz")
    )
    assert isinstance(export.load(about.parent).variables[0], tf.Variable)
