"""What the documents show to those who have only the folder of an export."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import export
from tests.cases.cyclegan import CASE as CYCLEGAN
from tests.cases.semi_supervised_gan import CASE as SEMI_SUPERVISED
from tests.explore.small_runs import small_dcgan

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
WITHOUT_ZOO = """
import runpy, sys
sys.modules.update(dict.fromkeys(("zoo", "export", "recipes")))  # an import of one fails now
sys.path += sys.argv[3:]
sys.argv = sys.argv[1:3]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("export")
    export.save(SEMI_SUPERVISED.build(), folder, verify=False)
    return folder


def process(*arguments: str, cwd: Path) -> str:
    finished = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classifies", "generates", "translates"])
def test_the_script_needs_no_copy_of_the_zoo(kind, folder, tmp_path):
    if kind == "generates":
        folder = export.save(small_dcgan(), tmp_path / "gan", verify=False).parent
    elif kind == "translates":
        folder = export.save(CYCLEGAN.build(), tmp_path / "gan", verify=False).parent
    said = process(
        "-I", "-c", WITHOUT_ZOO, str(DOCS / "consumer.py"), str(folder / "1"), *sys.path[1:],
        cwd=tmp_path,
    )  # fmt: skip
    if kind == "translates":
        assert "translated (4, 64, 64, " in said and "generated" not in said
    else:
        assert "generated (8, 28, 28, 1)" in said and "walked (8, 28, 28, 1)" in said
    assert ("classified" in said) == (kind == "classifies")
    before, after = re.search(r"a loss of (\S+) to (\S+)", said).groups()
    # From first weights of all kinds twenty steps took off 1.5 % and more.
    assert float(after) < 0.99 * float(before)


def bodies() -> list[dict]:
    text = (DOCS / "serving.md").read_text(encoding="utf-8")
    return [json.loads(body) for body in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]


def test_bodies_for_tf_serving_are_what_the_signatures_take(folder):
    signatures = export.load(folder).signatures
    for body in bodies():
        signature = signatures[body["signature_name"]]
        specs = signature.structured_input_signature[1]
        if "inputs" in body:
            given = body["inputs"]
        else:
            keys = body["instances"][0]
            given = {key: [row[key] for row in body["instances"]] for key in keys}
        assert given.keys() == specs.keys()
        arguments = {key: np.asarray(value, specs[key].dtype.name) for key, value in given.items()}
        for key, value in arguments.items():
            assert value.ndim == specs[key].shape.rank
        if body["signature_name"] == "classify":
            arguments["images"] = np.tile(arguments["images"], (1, 14, 14, 1))
        outputs = signature(**{key: tf.constant(value) for key, value in arguments.items()})
        assert len(next(iter(outputs.values()))) == given.get("num", 1)
    assert [body["signature_name"] for body in bodies()] == ["generate", "classify"]


@pytest.mark.slow
def test_saved_model_cli_lists_the_inputs_of_the_bodies(folder, tmp_path):
    for body in bodies():
        shown = process(
            "-m", "tensorflow.python.tools.saved_model_cli", "show", "--dir", str(folder / "1"),
            "--tag_set", "serve", "--signature_def", body["signature_name"],
            cwd=tmp_path,
        )  # fmt: skip
        given = body.get("inputs") or body["instances"][0]
        assert set(re.findall(r"inputs\['(\w+)'\]", shown)) == given.keys()
        assert ("shape: ()" in shown) == ("inputs" in body), "what has no batch goes as inputs"
