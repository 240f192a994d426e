"""`python -m export`: what each command writes and says, and that it refuses in one line."""

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import export
from export.__main__ import main
from tests.explore.small_runs import linear_model, saved_run


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return saved_run(tmp_path_factory.mktemp("runs") / "pixels", linear_model())


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    export.save(linear_model(), folder, verify=False)
    return folder


@pytest.fixture(autouse=True)
def _own_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest"])


@pytest.fixture
def said(capsys):
    """Returns what runs a command and gives the lines that it prints."""

    def run_command(*arguments) -> list[str]:
        capsys.readouterr()
        main([str(argument) for argument in arguments])
        return capsys.readouterr().out.splitlines()

    return run_command


@pytest.fixture
def refused(capsys):
    """Returns what runs a command that ends with exit code 2, and gives its line."""

    def run_command(*arguments) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        assert ended.value.code == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith("export") and " error: " in line
        return line

    return run_command


@pytest.mark.slow
def test_save_exports_a_run_beside_its_earlier_exports(run, said, tmp_path):
    (tmp_path / "out" / "9").mkdir(parents=True)
    (line,) = said("save", run, "--checkpoint", "newest", "--out", tmp_path / "out")
    assert line == f"Saved and verified: {tmp_path / 'out' / '10'}"
    images = export.load(tmp_path / "out").generate(2, 3, 1.0)["images"]
    np.testing.assert_allclose(2 * images - 1, linear_model().generate(2, seed=3), atol=1e-6)
    assert said("verify", tmp_path / "out") == [f"{tmp_path / 'out' / '10'} is what was saved."]


def test_verify_tells_damage(folder, refused, tmp_path):
    assert "No export in" in refused("verify", tmp_path)
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "1" / "saved_model.pb").write_bytes(b"")
    assert "saved_model.pb is not what was saved" in refused("verify", copy)


def test_describe_tells_what_it_takes_and_gives(folder, said):
    first, *lines = said("describe", folder)
    assert first.startswith(f"{folder / '1'}: VanillaGAN, TensorFlow 2.") and "bytes" in first
    assert lines[: lines.index("generate") + 3][-3:] == [
        "generate",
        "  takes num: int32, 1 to 100,000; seed: int64, 0 or more; truncation: float32, 0 to 1",
        "  gives images: float32 (any, 4, 4, 1), 0 to 1",
    ]
    at = lines.index("from_latents")
    assert lines[at + 1] == "  takes latents: float32 (any, 4)"


def test_sample_writes_a_grid(folder, said, refused, tmp_path):
    out = tmp_path / "grid.png"
    (line,) = said("sample", folder, "--num=4", "--seed=3", "--out", out)
    assert line == f"4 images of seed 3 are in {out}"
    with Image.open(out) as picture:
        pixels = np.asarray(picture) / 255
    images = export.load(folder).generate(4, 3, 1.0)["images"].numpy()
    np.testing.assert_allclose(pixels[:4, :4], images[0, :, :, 0], atol=0.01)
    assert "exists already" in refused("sample", folder, "--out", out)
    assert "from 1 to 1024" in refused("sample", folder, "--num=0")
    assert "from 0.0 to 1.0" in refused("sample", folder, "--truncation=nan")
    assert "no trained model 'moon/dust'" in refused("sample", "moon/dust", "--out", tmp_path / "a")


def test_convert_prints_size_and_difference(folder, said, tmp_path):
    out = tmp_path / "out"
    (line,) = said("convert", folder, out, "--formats", "onnx")
    size = (out / "from_latents.onnx").stat().st_size
    assert line.startswith(f"{out / 'from_latents.onnx'}  {size:,} bytes, differs by ")


def test_what_is_packed_can_be_unpacked_and_sampled(folder, said, refused, tmp_path):
    archive = tmp_path / "a.tar.gz"
    (line,) = said("pack", folder, archive)
    assert line.endswith(f"{archive.stat().st_size:,} bytes")
    assert said("unpack", archive, tmp_path / "out") == [f"Unpacked to {tmp_path / 'out'}"]
    said("sample", tmp_path / "out", "--out", tmp_path / "a.png")
    said("sample", archive, "--out", tmp_path / "b.png")
    said("sample", folder, "--out", tmp_path / "c.png")
    pictures = {(tmp_path / f"{name}.png").read_bytes() for name in "abc"}
    assert len(pictures) == 1
    assert "exists already" in refused("unpack", archive, tmp_path / "out")
    assert "is no .tar.gz" in refused("unpack", tmp_path / "a.png", tmp_path / "other")


def test_ship_packs_for_load_pretrained(folder, said, tmp_path):
    (line,) = said("ship", folder, "vanilla_gan/pixels", "--into", tmp_path / "weights")
    assert line.startswith("vanilla_gan/pixels: ") and "half precision" in line
    assert (tmp_path / "weights" / "vanilla_gan" / "pixels.tar.gz").is_file()


def test_translate_has_options_of_its_own(refused, tmp_path):
    line = refused("translate", tmp_path, tmp_path / "none", tmp_path / "out")
    assert "INPUT_FOLDER must be a folder of pictures" in line


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert not ended.value.code
    printed = capsys.readouterr().out
    for command in ("save", "verify", "convert", "describe", "sample", "translate", "pack"):
        assert re.search(rf"^    {command}\s", printed, re.MULTILINE)
