"""Records: written once, read back the same, and refused in one line when damaged."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.records import path_of, read_record, read_records, write_record
from tests.benchmarks.hand_made import configuration_of, record_of


def refusal(path: Path) -> str:
    with pytest.raises(ValueError) as raised:
        read_record(path)
    message = str(raised.value)
    assert "\n" not in message and str(path) in message
    return message


def changed(path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path


def test_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    record = dataclasses.replace(record_of(), steps_per_second=None, git_commit=None)
    path = write_record(record, tmp_path)
    assert path.parent == tmp_path / "semi_supervised"
    assert read_record(path) == record
    assert read_records(tmp_path) == [record]
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_no_folder_has_no_records(tmp_path: Path) -> None:
    assert read_records(tmp_path / "absent") == []


def test_record_is_never_overwritten(tmp_path: Path) -> None:
    path = write_record(record_of(error=0.1), tmp_path)
    with pytest.raises(FileExistsError, match="never overwritten"):
        write_record(record_of(error=0.2), tmp_path)
    assert read_record(path).scores["test_error"] == 0.1


@pytest.mark.parametrize(
    "change",
    [{"num_labels": 20}, {"seed": 1}, {"epochs": 60}, {"smoke": True}, {"average_decay": 0.5}],
)
def test_runs_that_differ_lie_apart(tmp_path: Path, change: dict[str, Any]) -> None:
    paths = {
        path_of(tmp_path, "semi_supervised", "quick", values)
        for values in (configuration_of(), configuration_of(**change))
    }
    assert len(paths) == 2


def test_name_tells_the_run(tmp_path: Path) -> None:
    values = configuration_of(dataset="cifar10/plain:1.0.0", num_labels=20, seed=3, smoke=True)
    path = path_of(tmp_path, "semi_supervised", "paper", values)
    assert path.parent == tmp_path / "semi_supervised"
    assert path.name.startswith("cifar10_plain_1.0.0-paper-20labels-seed3-smoke-")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"record_format": 2}, "record_format is 2, not 1"),
        ({"extra": 1}, "fields are missing or unknown: extra"),
        ({"scores": {}}, "there are no scores"),
        (
            {"scores": {"test_error": float("nan")}},
            "scores should be dict[str, float], with finite",
        ),
        ({"scores": {"test_error": True}}, "scores should be dict[str, float], with finite"),
        ({"configuration": {"dataset": "mnist"}}, "configuration should name dataset and seed"),
        ({"seconds": 0}, "seconds should be positive"),
        ({"cpus": 1.5}, "cpus should be int"),
        ({"date": "yesterday"}, "Invalid isoformat string: 'yesterday'"),
        ({"git_commit": 5}, "git_commit should be str | None"),
        ({"protocol": "two\nlines"}, "protocol should be str"),
        ({"versions": {"keras": 3}}, "versions should be dict[str, str | None]"),
        ({"devices": "CPU"}, "devices should be list[str]"),
        ({"smoke": True}, "smoke differs from smoke in its configuration"),
        ({"preset": "paper"}, "its content belongs in semi_supervised/mnist_small-paper-"),
    ],
)
def test_damaged_record_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = changed(write_record(record_of(), tmp_path), **changes)
    assert message in refusal(path)


def test_missing_field_is_named(tmp_path: Path) -> None:
    path = write_record(record_of(), tmp_path)
    content = json.loads(path.read_text())
    del content["protocol"]
    path.write_text(json.dumps(content))
    assert "fields are missing or unknown: protocol" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]"])
def test_what_is_no_json_object_is_named(tmp_path: Path, content: bytes) -> None:
    path = write_record(record_of(), tmp_path)
    path.write_bytes(content)
    assert "is no sound record" in refusal(path)


def test_changed_configuration_is_noticed(tmp_path: Path) -> None:
    path = write_record(record_of(), tmp_path)
    changed(path, configuration=configuration_of(label_seed=0, seed=0, epochs=7))
    assert "its content belongs in" in refusal(path)


def test_unsound_record_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="scores should be .* finite"):
        write_record(record_of(error=float("nan")), tmp_path)
    assert not list(tmp_path.rglob("*.json"))
