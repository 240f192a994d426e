"""What tells that an export is what was saved: its manifest, and the proof in a fresh process."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

import export
from export import fresh_process
from tests.export.small_export import COPIES, damaged, small_model
from zoo.common import exports
from zoo.common.checked_json import checked_json, read_checked_json
from zoo.common.exports import MANIFEST, RECORDED, about_of, files_in, sha256_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    export.save(small_model(), folder, include_discriminator=True, verify=False)
    return folder


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_the_manifest_tells_what_the_functions_take_and_give(folder):
    manifest = json.loads((folder / "1.about" / MANIFEST).read_text())
    assert manifest["model"] == "VanillaGAN" and manifest["version"] == 1
    assert manifest["versions"]["tensorflow"] == tf.__version__
    assert set(manifest["signatures"]) == {
        *("generate", "from_latents", "draw_latents", "serving_default", "discriminate"),
    }
    generate = manifest["signatures"]["generate"]
    assert generate["inputs"]["num"] == {"dtype": "int32", "shape": [], "range": [1, 100_000]}
    assert generate["inputs"]["seed"] == {"dtype": "int64", "shape": [], "range": [0, None]}
    images = {"dtype": "float32", "shape": [None, 28, 28, 1], "range": [0.0, 1.0]}
    assert generate["outputs"] == {"images": images}
    assert manifest["signatures"]["serving_default"]["same_as"] == "generate"
    assert manifest["files"].keys() == set(files_in(folder / "1"))
    assert manifest["files"]["saved_model.pb"] == sha256_of(folder / "1" / "saved_model.pb")


@pytest.mark.parametrize("damage", COPIES)
def test_load_names_the_file_that_is_damaged(folder, tmp_path, damage):
    """Each file of the export: cut short, gone, with a byte flipped, or of another."""
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    for file in other.rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[::-1])
    for path, broken in damaged(folder, other, tmp_path, damage):
        with pytest.raises(ValueError, match=rf"is damaged: .*{path.name}.*Export the model again"):
            export.load(broken)


def test_a_file_too_many_is_named_and_what_warms_a_server_up_is_none(copy):
    (copy / "1" / "assets.extra").mkdir()
    (copy / "1" / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"requests")
    assert export.load(copy)
    (copy / "1" / "saved_model.pbtxt").write_text("another model")
    with pytest.raises(ValueError, match="saved_model.pbtxt is none of the files"):
        export.load(copy)


def test_the_check_can_be_left_out(copy):
    (copy / "1" / "fingerprint.pb").unlink()
    with pytest.raises(ValueError, match="fingerprint.pb can't be read"):
        export.load(copy)
    assert export.load(copy, check=False)


def test_an_export_without_a_manifest_is_loaded_and_not_verified(copy):
    shutil.rmtree(copy / "1.about")
    assert export.load(copy)
    with pytest.raises(export.VerificationError, match="can't be verified: .*1.about"):
        export.verify(copy)


def test_a_manifest_of_a_later_form_is_refused(copy):
    manifest = copy / "1.about" / MANIFEST
    manifest.write_text(checked_json(read_checked_json(manifest.read_bytes()) | {"format": 2}))
    with pytest.raises(ValueError, match="has the form 2, and this zoo knows 1"):
        export.load(copy)


def record(folder, **changes) -> None:
    """Changes what is recorded of an export, as if its model had given that."""
    recorded = about_of(folder / "1") / RECORDED
    np.savez(recorded, **dict(np.load(recorded)) | changes)
    manifest = recorded.with_name(MANIFEST)
    body = read_checked_json(manifest.read_bytes())
    manifest.write_text(checked_json(body | {"about": {RECORDED: sha256_of(recorded)}}))


def difference(folder) -> str | None:
    return fresh_process.main(str(folder / "1"), str(folder / "1.about"))


def test_what_the_export_gives_is_compared_with_what_is_recorded(folder, copy):
    assert difference(folder) is None
    recorded = dict(np.load(copy / "1.about" / RECORDED))
    for name, output in (("from_latents", "images"), ("__call__", "output")):
        key = f"out/{name}/3/{output}"
        wrong = recorded[key].copy()
        wrong[2, 5] += 0.01
        record(copy, **{key: wrong})
        assert f"{name} of a batch of 3 gives {output} that differs" in difference(copy)
        record(copy, **{key: recorded[key][:2]})
        assert f"{name} of a batch of 3 gives {output} float32 of shape (3," in difference(copy)
        record(copy, **{key: recorded[key]})
    record(
        copy, **{"out/generate/8/images": np.full_like(recorded["out/generate/8/images"], np.nan)}
    )
    assert "generate of a batch of 8 gives images that differs" in difference(copy)


def test_an_export_that_fails_is_said_to(copy):
    shutil.rmtree(copy / "1" / "variables")
    assert "variables" in difference(copy)


def test_save_keeps_no_export_that_gives_something_else(tmp_path, monkeypatch):
    monkeypatch.setattr(exports, "check_files", lambda version: None)
    with pytest.raises(export.VerificationError, match="can't be verified"):
        export.save(small_model(), tmp_path / "export")
    assert not list((tmp_path / "export").iterdir())


# === In a process of its own ===


@pytest.mark.slow
def test_verify_needs_no_copy_of_the_zoo_and_names_what_differs(folder, copy):
    export.verify(folder)
    export.verify(folder / "1")
    recorded = np.load(copy / "1.about" / RECORDED)["out/generate/1/images"]
    record(copy, **{"out/generate/1/images": recorded + 0.1})
    with pytest.raises(
        export.VerificationError, match="generate of a batch of 1 .*up to 0.1, above"
    ):
        export.verify(copy)


@pytest.mark.slow
def test_save_verifies(tmp_path):
    assert export.save(small_model(), tmp_path) == tmp_path / "1"
