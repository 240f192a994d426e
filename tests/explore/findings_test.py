"""Findings are written whole or not at all, and over nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.explore import Findings


def some_findings(**changes) -> Findings:
    picture = np.full((4, 6, 3), 200, np.uint8)
    values = {
        "command": "walk",
        "headline": "It walks.",
        "facts": {"steps": 3},
        "pictures": {"walk": picture},
        "films": {"walk": [picture, np.zeros_like(picture)]},
    }
    return Findings(**{**values, **changes})


def test_numbers_pictures_and_films_are_in_the_folder(tmp_path: Path) -> None:
    folder = some_findings().save(tmp_path / "below" / "walk")
    assert sorted(path.name for path in folder.iterdir()) == ["walk.gif", "walk.json", "walk.png"]
    facts = json.loads((folder / "walk.json").read_text())
    assert facts == {"command": "walk", "headline": "It walks.", "steps": 3}
    with Image.open(folder / "walk.png") as picture:
        assert picture.size == (6, 4) and np.asarray(picture).min() == 200
    with Image.open(folder / "walk.gif") as film:
        assert film.n_frames == 2


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    folder = some_findings().save(tmp_path / "walk")
    before = (folder / "walk.json").read_bytes()
    with pytest.raises(FileExistsError, match="nothing is overwritten"):
        some_findings(facts={"steps": 4}).save(folder)
    assert (folder / "walk.json").read_bytes() == before


def test_what_can_not_be_written_whole_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="JSON"):
        some_findings(facts={"steps": object()}).save(tmp_path / "walk")
    assert list(tmp_path.iterdir()) == []


def test_further_facts_do_not_replace_what_was_found() -> None:
    findings = some_findings().with_facts({"recipe": "toy", "steps": 9})
    assert findings.facts == {"recipe": "toy", "steps": 3}
