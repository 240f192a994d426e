"""Fingerprints: equal for equal examples, else others, and taken only once."""

import os
import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from zoo import datasets
from zoo.datasets import fingerprints


@pytest.fixture
def own_copy(data_dir: Path, tmp_path: Path) -> Path:
    """A folder of data sets of which a test may change the records."""
    shutil.copytree(data_dir / "mnist_small", tmp_path / "mnist_small")
    return tmp_path


def _records_of_test(data_dir: Path, name: str = "mnist_small") -> Path:
    (path,) = data_dir.glob(f"{name}/**/{name}-test.tfrecord*")
    return path


def _fingerprint(data_dir: Path, name: str = "mnist_small") -> str:
    return datasets.describe(name, data_dir).fingerprint


def _write(path: Path, examples: list[dict[str, tf.train.Feature]], reverse: bool = False) -> None:
    """Writes the features of each example in the order of their names, or against it."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            features = b"".join(
                tf.train.Features(feature={name: feature}).SerializeToString()
                for name, feature in sorted(example.items(), reverse=reverse)
            )
            # Both messages have one field, number 1, of the same encoding.
            writer.write(tf.train.BytesList(value=[features]).SerializeToString())


def _read(path: Path) -> list[dict[str, tf.train.Feature]]:
    records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    return [dict(tf.train.Example.FromString(record).features.feature) for record in records]


def test_it_is_of_the_content_not_of_its_order_in_the_files(data_dir, own_copy):
    path = _records_of_test(own_copy)
    contents = set()
    for reverse in (False, True):
        _write(path, _read(path), reverse)
        contents.add(path.read_bytes())
        assert _fingerprint(own_copy) == _fingerprint(data_dir)
    assert len(contents) == 2


def _change_a_label(examples):
    label = examples[7]["label"].int64_list.value
    label[0] = (label[0] + 1) % 10


def _show_an_image_twice(examples):
    # Both are whole pictures, and their labels stay.
    examples[7]["image"].CopyFrom(examples[8]["image"])


def _swap_two_examples(examples):
    examples[7], examples[8] = examples[8], examples[7]


def _swap_two_images(examples):
    images = [examples[number]["image"].bytes_list.value[0] for number in (7, 8)]
    for number, image in zip((8, 7), images, strict=True):
        examples[number]["image"].bytes_list.value[0] = image


@pytest.mark.parametrize(
    "change",
    [
        _change_a_label,
        _show_an_image_twice,
        _swap_two_examples,
        _swap_two_images,
    ],
)
def test_it_tells_other_examples(change, data_dir, own_copy):
    path = _records_of_test(own_copy)
    examples = _read(path)
    change(examples)
    _write(path, examples)
    assert _fingerprint(own_copy) != _fingerprint(data_dir)


@pytest.mark.slow
def test_it_tells_another_attribute(tmp_path):
    name = "drawn_faces/tiny"
    before = _fingerprint(tmp_path, name)
    path = _records_of_test(tmp_path, "drawn_faces")
    examples = _read(path)
    flag = examples[0]["attributes/Smiling"].int64_list.value
    flag[0] = 1 - flag[0]
    _write(path, examples)
    assert _fingerprint(tmp_path, name) != before


# === Kept ===


def _forget_this_process(monkeypatch) -> None:
    monkeypatch.setattr(fingerprints, "_DIGESTS", {})


def _refuse_to_read(*_):
    raise AssertionError("the examples were read again")


def test_another_process_need_not_read_the_examples_again(own_copy, monkeypatch):
    first = _fingerprint(own_copy)
    _forget_this_process(monkeypatch)
    monkeypatch.setattr(fingerprints, "_hash_examples", _refuse_to_read)
    assert _fingerprint(own_copy) == first


def test_a_data_set_that_moved_need_not_be_read_again(own_copy, monkeypatch, tmp_path_factory):
    first = _fingerprint(own_copy)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "data_sets"
    own_copy.rename(elsewhere)
    monkeypatch.setattr(fingerprints, "_hash_examples", _refuse_to_read)
    assert _fingerprint(elsewhere) == first


def test_a_damaged_note_is_written_anew(own_copy, monkeypatch):
    first = _fingerprint(own_copy)
    (note,) = own_copy.glob("zoo_decoded/digest-*.json")
    whole = note.read_text()
    for damaged in ("", "[]", whole[:-9]):
        note.write_text(damaged)
        _forget_this_process(monkeypatch)
        assert _fingerprint(own_copy) == first
        assert note.read_text() == whole


def test_where_nothing_can_be_kept_they_are_read_once_a_process(own_copy, monkeypatch):
    (own_copy / "zoo_decoded").write_text("no folder")
    first = _fingerprint(own_copy)
    monkeypatch.setattr(fingerprints, "_hash_examples", _refuse_to_read)
    assert _fingerprint(own_copy) == first


# === Damaged ===


def _cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 10)


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _lose_the_last_record(path: Path) -> None:
    _write(path, _read(path)[:-1])


@pytest.mark.parametrize("damage", [_cut_short, _flip_a_bit, _lose_the_last_record, Path.unlink])
@pytest.mark.parametrize(
    "use", [datasets.describe, lambda name, folder: datasets.load(name, "test", data_dir=folder)]
)
def test_damaged_records_are_an_error_that_says_what_to_do(damage, use, own_copy):
    path = _records_of_test(own_copy)
    damage(path)
    with pytest.raises(RuntimeError, match="damaged or missing") as raised:
        use("mnist_small", own_copy)
    assert f"delete {path.parent} and start again" in str(raised.value)
    assert not set("\n{}") & set(str(raised.value)) and "[Op" not in str(raised.value)


def test_records_that_may_not_be_read_are_not_to_be_deleted(own_copy, monkeypatch):
    def refuse(path: Path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(fingerprints, "_state_of_file", refuse)
    with pytest.raises(RuntimeError, match="may not be read .*Permission denied") as raised:
        datasets.describe("mnist_small", own_copy)
    assert "delete" not in str(raised.value)
