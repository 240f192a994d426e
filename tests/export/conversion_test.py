"""Exports in other runtimes: equal outputs, measured, and refusals that say why."""

import dataclasses
import importlib.util
import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from onnxruntime import InferenceSession

import export
import zoo
from tests.case import Case
from tests.cases import CASES
from tests.cases.semi_supervised_gan import CASE as SEMI_SUPERVISED


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    export.save(SEMI_SUPERVISED.build(), folder, verify=False)
    return folder


@pytest.fixture(scope="module")
def converted(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("converted") / "deep"
    conversions = [
        *export.convert(folder, out / "onnx", formats=["onnx"]),
        *export.convert(
            folder, out / "litert", ["litert_float16", "litert_dynamic"], ["from_latents"]
        ),
    ]
    return {(conversion.function, conversion.format): conversion for conversion in conversions}


def test_each_function_but_generate_is_a_file(converted):
    for conversion in converted.values():
        assert conversion.path.stat().st_size == conversion.size
    out = converted["classify", "onnx"].path.parent.parent
    assert sorted(os.listdir(out / "onnx")) == ["README.md", "classify.onnx", "from_latents.onnx"]
    names = ["README.md", "from_latents.dynamic.tflite", "from_latents.float16.tflite"]
    assert sorted(os.listdir(out / "litert")) == names


def test_the_card_beside_tells_what_was_measured_and_left_out(converted):
    conversion = converted["classify", "onnx"]
    card = (conversion.path.parent / "README.md").read_text()
    row = f"| classify.onnx | `classify` | {conversion.size:,} | {conversion.difference:.1e} |"
    assert row in card
    assert "these files do not" in card


def test_files_have_none_of_the_checks(converted):
    """A pixel of 255 and a NaN are answered to."""
    images = np.full((1, 28, 28, 1), 255, "float32")
    images[0, 0, 0, 0] = np.nan
    session = InferenceSession(converted["classify", "onnx"].path)
    assert session.run(["probabilities"], {"images": images})[0].shape == (1, 10)


def test_onnx_runtime_gives_what_the_export_gives(folder, converted):
    latents = np.linspace(-1, 1, 5 * 7, dtype="float32").reshape(5, 7)
    session = InferenceSession(converted["from_latents", "onnx"].path)
    (images,) = session.run(["images"], {"latents": latents})
    np.testing.assert_allclose(
        images, export.load(folder).from_latents(latents)["images"], atol=1e-6
    )
    session = InferenceSession(converted["classify", "onnx"].path)
    assert [output.name for output in session.get_outputs()] == ["probabilities"]


def test_litert_gives_what_the_export_gives_but_for_precision(folder, converted):
    latents = np.linspace(-1, 1, 5 * 7, dtype="float32").reshape(5, 7)
    expected = export.load(folder).from_latents(latents)["images"]
    for kind, most in (("litert_float16", 1e-3), ("litert_dynamic", 1e-2)):
        content = converted["from_latents", kind].path.read_bytes()
        images = Interpreter(model_content=content).get_signature_runner()(latents=latents)
        np.testing.assert_allclose(images["images"], expected, atol=most)


def test_the_difference_is_that_of_the_precision(converted):
    differences = {kind: each.difference for (_, kind), each in converted.items()}
    assert differences["onnx"] < 1e-6 < differences["litert_float16"] < 1e-3
    assert differences["litert_float16"] < differences["litert_dynamic"] < 1e-2


def test_half_precision_takes_less_room(folder, tmp_path, converted):
    (single,) = export.convert(folder, tmp_path / "out", ["litert_float32"], ["from_latents"])
    assert converted["from_latents", "litert_float16"].size < 0.9 * single.size
    assert single.difference < 1e-6


def test_what_cannot_be_converted_is_named(folder, tmp_path):
    out = tmp_path / "out"
    for name in ("generate", "draw_latents"):
        with pytest.raises(export.ConversionError, match=f"`{name}`.*draws.*Convert `from_la"):
            export.convert(folder, out, functions=[name])
    with pytest.raises(ValueError, match="no function 'a_to_b'.* 'classify'"):
        export.convert(folder, out, functions=["a_to_b"])
    with pytest.raises(ValueError, match="'onnx', .*Received: 'coreml'"):
        export.convert(folder, out, formats="coreml")
    with pytest.raises(FileNotFoundError, match="No export in"):
        export.convert(tmp_path, out)
    with pytest.raises(FileExistsError, match="exists already"):
        export.convert(folder, tmp_path)
    assert not out.exists()


@pytest.mark.parametrize("kind", ["onnx", "litert_float32"])
def test_an_operation_that_a_format_lacks_is_named(kind, tmp_path):
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((None, 4), name="latents")])
    def odd(latents):
        return {"images": tf.math.bessel_i0(tf.raw_ops.Lgamma(x=latents))}

    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"odd": odd})
    with pytest.raises(export.ConversionError, match=r"`odd` can't be converted to .*BesselI0"):
        export.convert(tmp_path / "1", tmp_path / "out", [kind])
    assert os.listdir(tmp_path) == ["1"]


def test_a_twin_that_differs_is_refused(folder, tmp_path, monkeypatch):
    run = InferenceSession.run
    monkeypatch.setattr(
        InferenceSession, "run", lambda *arguments: [each + 0.01 for each in run(*arguments)]
    )
    with pytest.raises(export.ConversionError, match="`classify` gives other probabilities"):
        export.convert(folder, tmp_path / "out", ["onnx"], ["classify"])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "module, kind, extra",
    [("tf2onnx", "onnx", "onnx"), ("ai_edge_litert", "litert_float32", "litert")],
)
def test_a_missing_library_is_named(module, kind, extra, folder, tmp_path, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == module else find_spec(name)
    )
    with pytest.raises(ImportError, match=rf"{module}: pip install 'keras-gan-zoo\[{extra}\]'"):
        export.convert(folder, tmp_path / "out", [kind])


def enlarging_generator() -> keras.Model:
    """Repeats pixels twice, which hides their number from LiteRT."""
    latents = keras.Input((2,))
    x = keras.layers.Reshape((7, 7, 2))(keras.layers.Dense(7 * 7 * 2)(latents))
    for _ in range(2):
        x = keras.layers.Conv2D(2, 3, padding="same")(keras.layers.UpSampling2D()(x))
    images = keras.layers.Conv2D(1, 3, padding="same", activation="tanh")(x)
    return keras.Model(latents, images)


@pytest.mark.slow
def test_networks_that_repeat_pixels_are_converted_if_their_shapes_are_told(tmp_path):
    ours = zoo.WGANGP((28, 28, 1), latent_dim=2, filters=2)
    export.save(ours, tmp_path / "ours", verify=False)
    (conversion,) = export.convert(tmp_path / "ours", tmp_path / "out", ["litert_float32"])
    assert conversion.difference < 5e-6
    other = zoo.VanillaGAN(latent_dim=2, generator=enlarging_generator())
    export.save(other, tmp_path / "other", verify=False)
    with pytest.raises(export.ConversionError, match="does not know the shapes.*UpSampling2D"):
        export.convert(tmp_path / "other", tmp_path / "none", ["litert_float32"])


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_variant_is_converted_to_each_format(case: Case, tmp_path):
    export.save(case.build(), tmp_path / "export", verify=False)
    for conversion in export.convert(tmp_path / "export", tmp_path / "out"):
        most = {"litert_float16": 2e-3, "litert_dynamic": 2e-2}.get(conversion.format, 5e-6)
        assert conversion.difference < most, dataclasses.asdict(conversion)
    if case.name == "cyclegan":
        session = InferenceSession(tmp_path / "out" / "a_to_b.onnx")
        assert [output.name for output in session.get_outputs()] == ["images_out"]
