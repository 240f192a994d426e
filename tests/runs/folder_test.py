"""A run's folder: which are refused, with what advice, and what is written."""

import json
import platform
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from zoo.runs import folder as run_folder
from zoo.runs.folder import HyperParameter, RunFolder, RunFolderError, describe_environment

CONFIG = {
    "epochs": HyperParameter(4, "preset quick"),
    "batch_size": HyperParameter(64),
    "image_shape": HyperParameter((28, 28, 1), "command line"),
}


def with_values(**values) -> dict[str, HyperParameter]:
    return {**CONFIG, **{name: HyperParameter(value) for name, value in values.items()}}


def refusal(action, *arguments) -> str:
    with pytest.raises(RunFolderError) as raised:
        action(*arguments)
    message = str(raised.value)
    assert "\n" not in message
    return message


def started(path: Path, epochs_done: int = 0) -> Path:
    RunFolder.start(path, "dcgan", CONFIG).begin()
    if epochs_done:
        (path / "checkpoints" / f"epoch-{epochs_done:04d}").mkdir(parents=True)
    return path


def test_begin_makes_the_folder_and_describes_the_run(tmp_path: Path) -> None:
    run = RunFolder.start(tmp_path / "new" / "run", "dcgan", CONFIG)
    assert list(tmp_path.iterdir()) == [] and not run.has_begun
    assert run.begin() is run and run.has_begun
    config = json.loads((tmp_path / "new" / "run" / "config.json").read_text())
    assert config["recipe"] == "dcgan" and config["resumes"] == []
    assert config["hyper_parameters"]["epochs"] == {"value": 4, "source": "preset quick"}
    names = {entry.name for entry in run.path.iterdir()}
    assert names == {"config.json", "environment.json", "run.lock"}


def test_two_runs_begin_in_one_folder(tmp_path: Path) -> None:
    first, second = (RunFolder.start(tmp_path / "run", "dcgan", CONFIG) for _ in range(2))
    first.begin()
    assert "holds a run already" in refusal(second.begin)


def test_layout(tmp_path: Path) -> None:
    run = RunFolder.start(tmp_path, "dcgan", CONFIG)
    names = [
        *("checkpoints", "samples", "tensorboard", "export", "history_csv", "curves_png"),
        *("samples_gif", "results_json", "environment_json", "model_json", "report_html"),
        "health_json",
    ]
    assert [str(getattr(run, name).relative_to(tmp_path)) for name in names] == [
        *("checkpoints", "samples", "tensorboard", "export/1", "history.csv", "curves.png"),
        *("samples.gif", "results.json", "environment.json", "model.json", "report.html"),
        "health.json",
    ]


def test_opened_run_is_the_one_that_started(tmp_path: Path) -> None:
    run = RunFolder.open(started(tmp_path))
    assert run.recipe == "dcgan" and run.hyper_parameters["batch_size"] == CONFIG["batch_size"]


def test_new_run_into_a_run(tmp_path: Path) -> None:
    message = refusal(RunFolder.start, started(tmp_path), "dcgan", CONFIG)
    assert "holds a run already. Add --resume to go on with it, or give another" in message


@pytest.mark.parametrize("content", [None, "{}", "[", "[]", "3"])
def test_new_run_into_something_else(tmp_path: Path, content: str | None) -> None:
    name = "letter.txt" if content is None else "config.json"
    (tmp_path / name).write_text(content or "")
    assert f"holds something else: {name}." in refusal(RunFolder.start, tmp_path, "dcgan", CONFIG)


def test_new_run_into_an_empty_folder_or_the_rest_of_a_kill(tmp_path: Path) -> None:
    (tmp_path / ".config.json.7.partial").touch()
    assert RunFolder.start(tmp_path, "dcgan", CONFIG).path == tmp_path


def test_workdir_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "file is a file" in refusal(RunFolder.start, tmp_path / "file", "dcgan", CONFIG)
    assert "file is a file" in refusal(RunFolder.resume, tmp_path / "file", "dcgan", CONFIG)


def test_workdir_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = refusal(RunFolder.start, tmp_path / "file" / "run", "dcgan", CONFIG)
    assert "cannot be written: Not a directory. Give a folder on a disk" in message


def test_workdir_is_empty() -> None:
    assert "Received an empty one" in refusal(RunFolder.start, " ", "dcgan", CONFIG)


@pytest.mark.parametrize("resume", [False, True])
def test_read_only_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resume: bool) -> None:
    def temporary_file(**options):
        raise OSError(30, "Read-only file system")

    if resume:
        started(tmp_path)
    monkeypatch.setattr(tempfile, "TemporaryFile", temporary_file)
    action = RunFolder.resume if resume else RunFolder.start
    message = refusal(action, tmp_path, "dcgan", CONFIG)
    assert "cannot be written: Read-only file system" in message


@pytest.mark.parametrize("exists", [False, True])
def test_resume_without_a_run(tmp_path: Path, exists: bool) -> None:
    path = tmp_path if exists else tmp_path / "missing"
    message = refusal(RunFolder.resume, path, "dcgan", CONFIG)
    assert "--resume needs the folder of an earlier run" in message
    assert f"Received: --workdir={path}. To start a new run there, leave out --resume." in message
    assert path.exists() == exists


def test_resume_with_other_hyper_parameters_names_each(tmp_path: Path) -> None:
    new = {**with_values(batch_size=32), "seed": HyperParameter(1)}
    del new["image_shape"]
    message = refusal(RunFolder.resume, started(tmp_path), "dcgan", new)
    assert "batch_size was 64, now 32; " in message
    unknown = "unknown to the other version of the zoo"
    expected = f"image_shape was [28, 28, 1], now {unknown}; seed was {unknown}, now 1."
    assert expected in message
    assert "epochs" not in message


def test_resume_with_another_recipe(tmp_path: Path) -> None:
    message = refusal(RunFolder.resume, started(tmp_path), "cyclegan", CONFIG)
    assert "holds a run of the recipe dcgan. Received: cyclegan." in message


def test_resume_with_more_epochs_is_recorded(tmp_path: Path) -> None:
    started(tmp_path, epochs_done=3)
    before = (tmp_path / "config.json").read_bytes()
    run = RunFolder.resume(tmp_path, "dcgan", with_values(epochs=9))
    assert (tmp_path / "config.json").read_bytes() == before
    run.begin()
    assert run.trained_epochs == 3 and run.latest_checkpoint.name == "epoch-0003"
    reopened = RunFolder.open(tmp_path)
    assert reopened.hyper_parameters["epochs"].value == 9
    assert reopened.resumes == [{"from_epoch": 3, "epochs": 9}]


def test_resume_with_fewer_epochs_than_trained(tmp_path: Path) -> None:
    started(tmp_path, epochs_done=3)
    message = refusal(RunFolder.resume, tmp_path, "dcgan", with_values(epochs=2))
    assert "has 3 epochs trained already. Received: --epochs=2. Give at least 3" in message
    assert RunFolder.resume(tmp_path, "dcgan", with_values(epochs=3)).trained_epochs == 3


def test_resume_within_an_epoch_with_no_more_than_are_whole(tmp_path: Path) -> None:
    started(tmp_path, epochs_done=3)
    (tmp_path / "checkpoints" / "epoch-0003-step-0000321").mkdir()
    message = refusal(RunFolder.resume, tmp_path, "dcgan", with_values(epochs=3))
    assert "has 3 epochs and part of the next trained already" in message
    assert "Received: --epochs=3. Give at least 4" in message
    assert RunFolder.resume(tmp_path, "dcgan", with_values(epochs=4)).trained_epochs == 3


def test_resume_with_the_run_s_own_values(tmp_path: Path) -> None:
    run = RunFolder.resume(started(tmp_path, epochs_done=3), "dcgan").begin()
    assert run.hyper_parameters["epochs"] == HyperParameter(4, "preset quick")
    assert run.resumes == [{"from_epoch": 3, "epochs": 4}]


def test_resume_with_other_data_changes_nothing(tmp_path: Path) -> None:
    RunFolder.start(tmp_path, "dcgan", CONFIG).begin("a" * 64)
    before = (tmp_path / "environment.json").read_bytes()
    message = refusal(RunFolder.resume(tmp_path, "dcgan", CONFIG).begin, "b" * 64)
    assert "the data changed" in message and "aaaaaaaaaaaa" in message and "bbbbbbbbbbbb" in message
    assert (tmp_path / "environment.json").read_bytes() == before


MOVED = ("folder:/old", "folder:/new/place")


def started_on(path: Path, dataset: str, fingerprint: str | None) -> dict[str, HyperParameter]:
    RunFolder.start(path, "dcgan", with_values(dataset=dataset)).begin(fingerprint)
    return with_values(dataset=MOVED[1])


def test_resume_on_a_folder_that_was_moved(tmp_path: Path) -> None:
    moved = started_on(tmp_path, MOVED[0], "a" * 64)
    run = RunFolder.resume(tmp_path, "dcgan", moved)
    run.refuse_other_data("a" * 64)
    run.begin("a" * 64)
    # The next resume knows where it is.
    assert RunFolder.open(tmp_path).hyper_parameters["dataset"].value == MOVED[1]
    RunFolder.resume(tmp_path, "dcgan").begin("a" * 64)


@pytest.mark.parametrize("refuse", [RunFolder.begin, RunFolder.refuse_other_data])
def test_resume_on_another_folder_changes_nothing(tmp_path: Path, refuse) -> None:
    run = RunFolder.resume(tmp_path, "dcgan", started_on(tmp_path, MOVED[0], "a" * 64))
    before = (tmp_path / "config.json").read_bytes()
    message = refusal(refuse, run, "b" * 64)
    assert "folder:/new/place does not hold what folder:/old held. Bring back" in message
    assert (tmp_path / "config.json").read_bytes() == before


def test_resume_on_a_moved_folder_of_which_nothing_is_known(tmp_path: Path) -> None:
    run = RunFolder.resume(tmp_path, "dcgan", started_on(tmp_path, MOVED[0], None))
    message = refusal(run.begin, "b" * 64)
    assert "trained on folder:/old, and environment.json does not say what that held" in message


def test_resume_on_a_data_set_of_another_name(tmp_path: Path) -> None:
    moved = started_on(tmp_path, "mnist", "a" * 64)
    message = refusal(RunFolder.resume, tmp_path, "dcgan", moved)
    assert 'dataset was "mnist", now "folder:/new/place"' in message


def test_resume_keeps_what_the_first_part_ran_on(tmp_path: Path) -> None:
    RunFolder.start(tmp_path, "dcgan", CONFIG).begin("a" * 64)
    RunFolder.resume(tmp_path, "dcgan", CONFIG).begin("a" * 64)
    environment = json.loads((tmp_path / "environment.json").read_text())
    assert environment["before_resume"]["dataset_fingerprint"] == "a" * 64


def test_resume_before_the_first_checkpoint(tmp_path: Path) -> None:
    run = RunFolder.resume(started(tmp_path), "dcgan", CONFIG)
    assert run.latest_checkpoint is None and run.trained_epochs == 0


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"hyper_parameters": {"a": 1}}', "\N{BLACK STAR}" * 3]
)
def test_damaged_configuration(tmp_path: Path, content: str) -> None:
    started(tmp_path)
    (tmp_path / "config.json").write_text(content)
    message = refusal(RunFolder.resume, tmp_path, "dcgan", CONFIG)
    assert f"config.json of {tmp_path} is damaged or no run's: " in message
    assert "start a new run in another folder" in message


def test_configuration_of_another_format(tmp_path: Path) -> None:
    path = started(tmp_path) / "config.json"
    path.write_text(path.read_text().replace('"run_folder_format": 1', '"run_folder_format": 2'))
    assert "format 2, not 1" in refusal(RunFolder.open, tmp_path)


def test_environment(tmp_path: Path) -> None:
    run = RunFolder.start(tmp_path, "dcgan", CONFIG).begin("abc123")
    environment = json.loads(run.environment_json.read_text())
    assert environment["dataset_fingerprint"] == "abc123"
    assert re.fullmatch(r"3\.\d+\.\d+.*", environment["python"])
    assert environment["packages"]["keras"].startswith("3.")
    assert environment["devices"][0].startswith("CPU ") and environment["cpus"] >= 1


@pytest.mark.parametrize(
    ("processors", "device"),
    [
        ("flags\t: fpu avx avx2\nmodel name\t: EPYC: 7 (a)\n\n", "CPU EPYC: 7 (a) with AVX2"),
        ("model name\t: Xeon\nflags\t: avx2 avx512f avx\n", "CPU Xeon with AVX-512"),
        ("model name\t: Xeon\nflags\t: avx512f amx_tile\n", "CPU Xeon with AMX"),
        ("model name\t: Atom\nflags\t: fpu\n", "CPU Atom"),
        ("processor\t: 0\nFeatures\t: fp asimd\n", f"CPU {platform.machine()}"),
        (None, f"CPU {platform.machine()}"),
    ],
)
def test_processor_is_named_with_its_widest_vectors(tmp_path, monkeypatch, processors, device):
    if processors is not None:
        (tmp_path / "cpuinfo").write_text(processors)
    monkeypatch.setattr(run_folder, "_PROCESSORS", tmp_path / "cpuinfo")
    assert device in describe_environment()["devices"]


def test_commit_only_of_a_checkout_that_tracks_the_recipes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    monkeypatch.setattr(run_folder, "__file__", str(tmp_path / "run_folder.py"))
    assert describe_environment()["git_commit"] is None
    git("init")
    (tmp_path / "other.py").touch()
    (tmp_path / "run_folder.py").touch()
    git("add", "other.py")
    git("commit", "-m", "Add other")
    assert describe_environment()["git_commit"] is None
    git("add", "run_folder.py")
    git("commit", "-m", "Add run_folder")
    assert describe_environment()["git_commit"] == git("rev-parse", "HEAD")
    (tmp_path / "other.py").write_text("changed")
    assert describe_environment()["git_commit"] == git("rev-parse", "HEAD") + "+changes"


def test_results(tmp_path: Path) -> None:
    run = RunFolder.start(tmp_path, "dcgan", CONFIG).begin()
    run.write_results({"error": 0.25, "stop_reason": None})
    assert json.loads(run.results_json.read_text()) == {"error": 0.25, "stop_reason": None}
