"""Does the generator repeat what it saw? The nearest training images of generated ones.

Pixels tell copies; they do not tell that a pose or a face is remembered, for which features of a
classifier are there. The distances mean something beside those of real images held out.
"""

from collections.abc import Callable

import keras
import numpy as np

from zoo import datasets
from zoo.common.checks import check_positive_integers, takes_numpy_scalars
from zoo.explore.findings import Findings
from zoo.explore.pictures import rows_picture
from zoo.explore.subjects import (
    BATCH_SIZE,
    check_seed,
    first_images,
    generates,
    images_of,
    name_of,
    progress,
    require_split,
)
from zoo.metrics.kept_rows import squared_distances

Embedding = Callable[[np.ndarray], np.ndarray]


@takes_numpy_scalars
def neighbours(
    model: keras.Model,
    images: datasets.ImageDataset,
    *,
    feature_extractor: keras.Model | None = None,
    num_shown: int = 8,
    num_neighbours: int = 5,
    num_images: int = 200,
    seed: int = 0,
) -> Findings:
    """Finds the training images that lie nearest to generated ones.

    Args:
        model: one that makes images of latents, or a loaded export of one.
        images: a data set with a split "train", and "test" or "validation".
        feature_extractor: images → features in which distances are taken, such as those of
            `zoo.metrics.load_classifier`. Defaults to None, pixels.
        num_shown: generated images in the picture. Defaults to 8.
        num_neighbours: training images beside each, of which there must be as many. Defaults to 5.
        num_images: generated and held-out images whose distances are measured. Defaults to 200.
        seed: of the latents. Defaults to 0.

    Returns:
        Findings whose facts hold the median distance of generated and of held-out images to their
        nearest training image, and the share of generated ones that lie nearer than nineteen in
        twenty of the held-out ones: 5 % if they copy no more than new photographs would.

    Raises:
        ValueError: if the model makes no images of latents alone, the data set lacks a split, or an
            argument is out of range.
    """
    model = generates(model, "neighbours")
    check_seed(seed)
    check_positive_integers(num_shown=num_shown, num_images=num_images)
    check_num_neighbours(num_neighbours, images)
    train, held_out = require_split(images, "train"), require_split(images, "test", "validation")
    embed = _pixels if feature_extractor is None else _features(feature_extractor)
    generated = images_of(model, model.latents_for(max(num_images, num_shown), seed))
    real = first_images(images, held_out, num_images)
    queries = np.concatenate([embed(generated), embed(real)])
    distances, nearest = _nearest(queries, images, train, embed, num_neighbours)
    found = _training_images(images, train, np.unique(nearest[:num_shown]))
    shown = {
        f"{number + 1}\n{distances[number, 0]:.3g}": np.stack(
            [generated[number], *(found[row] for row in nearest[number])]
        )
        for number in range(num_shown)
    }
    of_generated, of_real = distances[: len(generated), 0], distances[len(generated) :, 0]
    share = float(np.mean(of_generated < np.quantile(of_real, 0.05)))
    facts = {
        "model": name_of(model),
        "dataset": images.name,
        "held_out_split": held_out,
        "distances_in": "pixels" if feature_extractor is None else feature_extractor.name,
        "seed": seed,
        "num_generated": len(generated),
        "num_held_out": len(real),
        "median_distance": float(np.median(of_generated)),
        "median_distance_of_held_out": float(np.median(of_real)),
        "share_nearer_than_held_out": share,
    }
    return Findings(
        command="neighbours",
        headline=(
            f"Generated images lie {facts['median_distance']:.3g} from the nearest training image, "
            f"held-out ones {facts['median_distance_of_held_out']:.3g} (medians, in "
            f"{facts['distances_in']})."
        ),
        facts=facts,
        pictures={"neighbours": rows_picture(shown)},
    )


def check_num_neighbours(num_neighbours: int, images: datasets.ImageDataset) -> None:
    """Refuses more neighbours than there are training images.

    Raises:
        ValueError: telling how many there are, or if there is no split "train".
    """
    check_positive_integers(num_neighbours=num_neighbours)
    num_training = images.description.num_examples[require_split(images, "train")]
    if num_neighbours > num_training:
        raise ValueError(
            f"`num_neighbours` must be at most {num_training}, the number of training images of "
            f"{images.name!r}. Received: num_neighbours={num_neighbours}"
        )


def _pixels(images: np.ndarray) -> np.ndarray:
    """Flattens images so that the distance is the root mean square over their pixels."""
    rows = np.asarray(images, np.float32).reshape(len(images), -1)
    return rows / np.sqrt(rows.shape[1])


def _features(extractor: keras.Model) -> Embedding:
    return lambda images: extractor.predict(images, batch_size=BATCH_SIZE, verbose=0)


def _nearest(
    queries: np.ndarray, images: datasets.ImageDataset, split: str, embed: Embedding, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns distances and rows of the nearest images of a split, each `(queries, number)`."""
    distances = np.full((len(queries), number), np.inf)
    rows = np.zeros((len(queries), number), np.int64)
    first = 0
    batches = images.batches(split, batch_size=5 * BATCH_SIZE)
    for batch in progress(batches.as_numpy_iterator(), "searching", batches.steps_per_epoch):
        new = np.sqrt(squared_distances(queries, embed(batch)).numpy())
        distances = np.concatenate([distances, new], axis=1)
        new_rows = np.broadcast_to(np.arange(first, first + len(batch)), new.shape)
        rows = np.concatenate([rows, new_rows], axis=1)
        order = np.argsort(distances, axis=1, kind="stable")[:, :number]
        distances = np.take_along_axis(distances, order, axis=1)
        rows = np.take_along_axis(rows, order, axis=1)
        first += len(batch)
    return distances, rows


def _training_images(
    images: datasets.ImageDataset, split: str, rows: np.ndarray
) -> dict[int, np.ndarray]:
    """Returns the images of these rows, by row."""
    found, first = {}, 0
    for batch in images.batches(split, batch_size=5 * BATCH_SIZE).as_numpy_iterator():
        inside = rows[(rows >= first) & (rows < first + len(batch))]
        found.update({int(row): batch[row - first] for row in inside})
        first += len(batch)
    return found
