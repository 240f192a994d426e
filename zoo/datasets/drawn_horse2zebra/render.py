"""Drawing of one picture from the name of its split, its index and a coat."""

from __future__ import annotations

import dataclasses

import numpy as np

from zoo.datasets.drawing import canvas
from zoo.datasets.drawing.canvas import Array
from zoo.datasets.drawing.random_streams import pick, stream
from zoo.datasets.drawn_horse2zebra import anatomy, coats, landscape
from zoo.datasets.drawn_horse2zebra.coats import COATS, ZEBRA
from zoo.datasets.drawn_horse2zebra.scene import Light, Scene, sample_scene

IMAGE_SIZE = 64
# Everything is drawn larger and made smaller from there, for edges that look photographed.
_DRAWING_SIZE = 128

# The scenes of each split: both test splits show the same.
_SCENES = {"trainA": "trainA", "trainB": "trainB", "testA": "test", "testB": "test"}
SPLITS = tuple(_SCENES)


@dataclasses.dataclass(frozen=True)
class Sample:
    """One picture.

    Attributes:
        image: uint8 (64, 64, 3).
        mask: uint8 (64, 64, 1): 255 in each pixel that the animal touches, 0 in the others.
        coat: one of `COATS`, or `ZEBRA`.
    """

    image: np.ndarray
    mask: np.ndarray
    coat: str


def draw_sample(split: str, index: int, coat: str | None = None) -> Sample:
    """Draws a picture.

    It depends on the arguments alone: not on how many are drawn, nor on which were before. `coat`
    changes nothing outside the mask, and nothing in the mask.

    Args:
        split: `"trainA"`, `"trainB"`, `"testA"` or `"testB"`. The test splits show the same scenes.
        index: 0 or more.
        coat: one of `COATS`, or `ZEBRA`. Defaults to None, what the animal has in that split: in
            A the horse's own, in B stripes.

    Raises:
        ValueError: if there is no such split or coat, or index is below 0.
    """
    _check(split, index, coat)
    scene_name = _SCENES[split]
    if coat is None:
        coat = ZEBRA if split.endswith("B") else _coat_of_horse(scene_name, index)
    picture, mask = draw_scene(sample_scene(scene_name, index), coat)
    return Sample(image=picture, mask=mask, coat=coat)


def _coat_of_horse(scene_name: str, index: int) -> str:
    return pick(stream("drawn_horse2zebra", scene_name, index, "coat"), COATS)


def _check(split: str, index: int, coat: str | None) -> None:
    if split not in _SCENES:
        raise ValueError(
            f"There is no split {split!r}; choose from {', '.join(map(repr, SPLITS))}."
        )
    if index < 0:
        raise ValueError(f"index must be 0 or more. Received: {index}.")
    if coat is not None and coat not in (*COATS, ZEBRA):
        raise ValueError(
            f"There is no coat {coat!r}; choose from {', '.join(map(repr, (*COATS, ZEBRA)))}."
        )


def draw_scene(scene: Scene, coat: str) -> tuple[Array, Array]:
    """Draws a scene that need not be in any split.

    Args:
        scene: all but the coat.
        coat: one of `COATS`, or `ZEBRA`.

    Returns:
        Picture and mask, as in `Sample`.
    """
    random = np.random.RandomState(scene.texture_seed)
    picture = landscape.draw_landscape(
        random, scene.landscape, scene.place, scene.light, _DRAWING_SIZE
    )
    figure = anatomy.place_animal(scene.pose, scene.place)
    landscape.cast_shadow(picture, figure, scene.place, scene.light)
    surface, box = anatomy.surface(figure, _DRAWING_SIZE)
    hidden = _grass_before_feet(random, scene, figure)[box]
    cover = canvas.coverage(surface.outline, 2.4 / _DRAWING_SIZE) * (1 - hidden)
    colours = _lit(coats.coat_colour(coat, surface), surface, scene.light, figure.height)
    canvas.paint(picture[:, *box], colours, cover)
    return _photographed(random, picture, scene.light), _touched(box, cover)


def _touched(box: canvas.Box, cover: Array) -> Array:
    """Gives 255 in each pixel of the picture, uint8 (64, 64, 1), of which any part is covered."""
    touched = np.zeros((_DRAWING_SIZE, _DRAWING_SIZE), bool)
    touched[box] = cover > 0
    factor = _DRAWING_SIZE // IMAGE_SIZE
    squares = touched.reshape(IMAGE_SIZE, factor, IMAGE_SIZE, factor)
    return squares.any(axis=(1, 3))[:, :, np.newaxis] * np.uint8(255)


def _grass_before_feet(
    random: np.random.RandomState, scene: Scene, figure: anatomy.Figure
) -> Array:
    """How much of each pixel is hidden by grass that stands before the animal's feet."""
    x, y = canvas.pixel_grid(_DRAWING_SIZE)
    blades = random.uniform(0, 1, 97).astype(np.float32)
    height = 0.7 * canvas.lookup(blades, 21 * x + 40) + 0.3 * canvas.lookup(blades, 45 * x + 3)
    height = scene.landscape.tufts * figure.height * (0.4 + 1.2 * height)
    nearest_hoof = max(bone.end[1] for bone in figure.bones)
    return canvas.coverage(nearest_hoof + 0.02 - height - y, 4 / _DRAWING_SIZE)


def _lit(colours: Array, surface: anatomy.Surface, light: Light, height: float) -> Array:
    """Lets light fall on the animal."""
    right, down = surface.right, surface.down
    out = np.sqrt(np.maximum(1 - right * right - down * down, 0.02))
    light_right, light_down, light_out = light.direction
    lit = np.maximum(right * light_right + down * light_down + out * light_out, 0)
    # The sky is brighter than the ground.
    shade = light.ambient * (0.92 - 0.28 * down) + 0.72 * lit
    # The far legs stand in the shade of the body.
    shade = shade * (1 - 0.3 * canvas.clamp(-surface.depth / (0.12 * height), 0, 1))
    gloss = canvas.clamp(lit - 0.8, 0, 1)
    return colours * shade + 0.35 * gloss * gloss


def _photographed(random: np.random.RandomState, picture: Array, light: Light) -> Array:
    """Gives the picture as a camera takes it, uint8 (64, 64, 3).

    There is no blur: it would carry the coat beyond the mask.
    """
    x, y = canvas.pixel_grid(_DRAWING_SIZE)
    picture = picture * canvas.colour(light.colour) * (1 - light.vignette * (x * x + y * y) / 2)
    picture = canvas.shrink(canvas.clamp(picture, 0, 1), _DRAWING_SIZE // IMAGE_SIZE)
    # Sums of three, because uniform numbers are the same on every machine; normal ones use a log.
    first, second, third = random.uniform(-1, 1, (3, 3, IMAGE_SIZE, IMAGE_SIZE)).astype(np.float32)
    picture = canvas.clamp(picture + light.grain * (first + second + third), 0, 1)
    return (picture * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0)
