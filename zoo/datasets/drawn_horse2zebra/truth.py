"""What each horse is as a zebra, and each zebra as a horse: the truth, for scores and for pairs."""

import sys

import numpy as np
from tqdm import tqdm

from zoo.common.checks import check_choice
from zoo.datasets.drawn_horse2zebra.coats import COATS, ZEBRA
from zoo.datasets.drawn_horse2zebra.render import draw_sample
from zoo.datasets.translation_truth import DIRECTIONS, TranslationTruth


def draw_truth(direction: str, num_scenes: int) -> TranslationTruth:
    """Draws the first test scenes with the truth of one direction.

    The stripes of a zebra follow from its pose, so `a_to_b` has one answer for each horse;
    `b_to_a` has one for each coat. Drawing takes some 10 ms a picture, 9 pictures a zebra.

    Args:
        direction: `"a_to_b"`, horse to zebra, or `"b_to_a"`.
        num_scenes: of `testA` or `testB`.

    Returns:
        A `TranslationTruth` with images of 64×64×3; the masks are those of the animals.

    Raises:
        ValueError: if there is no such direction, or `num_scenes` is not positive.
    """
    check_choice("direction", direction, DIRECTIONS)
    if num_scenes < 1:
        raise ValueError(f"`num_scenes` must be positive. Received: num_scenes={num_scenes}")
    source, coats = ("testA", (ZEBRA,)) if direction == "a_to_b" else ("testB", COATS)
    inputs, masks, answers = [], [], []
    for index in _with_progress(f"drawing the truth for {direction}", num_scenes):
        sample = draw_sample(source, index)
        inputs.append(sample.image)
        masks.append(sample.mask > 0)
        answers.append([draw_sample(source, index, coat).image for coat in coats])
    return TranslationTruth(
        inputs=_scaled(inputs),
        answers=_scaled(answers).swapaxes(0, 1),
        masks=np.stack(masks),
    )


def draw_pairs(direction: str, num_scenes: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws the first training scenes with an answer to each.

    Nothing that is to learn without pairs may see these.

    Args:
        direction: `"a_to_b"`, horse to zebra, or `"b_to_a"`, zebra to a horse of the first coat.
        num_scenes: of `trainA` or `trainB`.

    Returns:
        Inputs and answers, both uint8 `(num_scenes, 64, 64, 3)`.

    Raises:
        ValueError: if there is no such direction.
    """
    check_choice("direction", direction, DIRECTIONS)
    source, coat = ("trainA", ZEBRA) if direction == "a_to_b" else ("trainB", COATS[0])
    inputs, answers = [], []
    for index in _with_progress(f"drawing pairs for {direction}", num_scenes):
        inputs.append(draw_sample(source, index).image)
        answers.append(draw_sample(source, index, coat).image)
    return np.stack(inputs), np.stack(answers)


def _with_progress(description: str, num_scenes: int) -> tqdm:
    return tqdm(range(num_scenes), desc=description, unit="scene", disable=not sys.stderr.isatty())


def _scaled(images: list) -> np.ndarray:
    """Takes uint8 pixels to float32 in [-1, 1]."""
    return np.asarray(images, np.float32) / np.float32(127.5) - np.float32(1)
