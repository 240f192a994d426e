"""Walks between latents: does the generator change smoothly, or jump from one memory to the next?

Reference: [Radford et al., 2015](https://arxiv.org/abs/1511.06434), section 6.1.
"""

import keras
import numpy as np

from zoo.common.checks import check_choice, check_positive_integers, takes_numpy_scalars
from zoo.explore.findings import Findings
from zoo.explore.latents import PATHS, inside
from zoo.explore.pictures import rows_picture
from zoo.explore.subjects import check_seed, generates, images_of, name_of, progress
from zoo.runs.samples import image_grid


@takes_numpy_scalars
def walk(
    model: keras.Model,
    *,
    path: str = "spherical",
    num_walks: int = 4,
    num_steps: int = 9,
    num_places: int = 5,
    frames_between: int = 12,
    seed: int = 0,
) -> Findings:
    """Walks from one latent to another along a straight line and along an arc, and makes a film.

    Args:
        model: one that makes images of latents, or a loaded export of one.
        path: of the film, "linear" or "spherical". Defaults to "spherical". The picture has both.
        num_walks: pairs of latents in the picture. Defaults to 4.
        num_steps: images from one latent to the other. Defaults to 9, as in the paper.
        num_places: latents that each of 16 walkers of the film comes by, before it returns to the
            first. Defaults to 5.
        frames_between: frames of the film from one latent to the next. Defaults to 12.
        seed: of the latents. Defaults to 0.

    Returns:
        Findings whose facts hold for each path how much an image changes in a step, as root mean
        square of the pixels in [-1, 1], and how much larger the largest step of a walk is than its
        mean step: 1 if all are equal, the number of steps if all change comes at once.

    Raises:
        ValueError: if the model makes no images of latents alone, or an argument is out of range.
    """
    model = generates(model, "walk")
    check_seed(seed)
    check_choice("path", path, tuple(PATHS))
    check_positive_integers(
        num_walks=num_walks, num_places=num_places, frames_between=frames_between
    )
    if num_steps < 3:
        raise ValueError(f"`num_steps` must be 3 or more. Received: num_steps={num_steps}")
    ends = model.latents_for(2 * num_walks, seed)
    walks = {
        name: _images_along(model, course, ends[:num_walks], ends[num_walks:], num_steps)
        for name, course in PATHS.items()
    }
    rows = {
        f"{name}\n{number + 1}": walks[name][number]
        for number in range(num_walks)
        for name in PATHS
    }
    smoothness = {name: _smoothness(images) for name, images in walks.items()}
    facts = {
        "model": name_of(model),
        "seed": seed,
        "num_walks": num_walks,
        "num_steps": num_steps,
        "film_path": path,
        "paths": smoothness,
    }
    told = smoothness[path]
    return Findings(
        command="walk",
        headline=(
            f"On {path} walks of {num_steps} images the largest step changes "
            f"{told['largest_over_mean_step']:.2f} times as much as the mean one."
        ),
        facts=facts,
        pictures={"walk": rows_picture(rows)},
        films={"walk": _film(model, path, num_places, frames_between, seed)},
    )


def _images_along(model, course, start, end, num_steps: int) -> np.ndarray:
    """Returns images `(walks, steps, height, width, channels)`."""
    points = inside(model.prior, course(start, end, np.linspace(0, 1, num_steps)))
    images = images_of(model, np.reshape(points, (-1, model.latent_dim)))
    return images.reshape(len(start), num_steps, *model.image_shape)


def _smoothness(walks: np.ndarray) -> dict[str, float]:
    changes = np.sqrt(np.mean(np.square(np.diff(walks, axis=1)), axis=(2, 3, 4)))
    means = changes.mean(axis=1)
    ratios = changes.max(axis=1) / np.maximum(means, 1e-12)
    return {"mean_step": float(means.mean()), "largest_over_mean_step": float(ratios.mean())}


def _film(model, path: str, num_places: int, frames_between: int, seed: int) -> list[np.ndarray]:
    """Returns frames on which 16 walkers go from latent to latent, and home in the end."""
    latents = np.asarray(model.latents_for(16 * num_places, seed))
    places = latents.reshape(num_places, 16, model.latent_dim)
    shares = np.arange(frames_between) / frames_between
    frames = []
    for number in progress(range(num_places), "making the film"):
        following = places[(number + 1) % num_places]
        points = inside(model.prior, PATHS[path](places[number], following, shares))
        frames += [image_grid(images_of(model, points[:, step])) for step in range(frames_between)]
    return frames
