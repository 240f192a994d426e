"""Two domains of images, of which no pair is known."""

import hashlib
from pathlib import Path

import tensorflow as tf

from zoo.datasets.disk import DataDir
from zoo.datasets.folder import PREFIX
from zoo.datasets.pipeline import Augment, load

PARTS = ("train", "test")


def domains(name: str, part: str = "train") -> tuple[tuple[str, str], tuple[str, str]]:
    """Gives, for `load`, the data set and the split of each of two domains.

    Args:
        name: a data set of TFDS with the splits `trainA`, `trainB`, `testA` and `testB`, such as
            `"drawn_horse2zebra"` or `"cycle_gan/horse2zebra"`; `"folder:PATH"` with folders of
            these names; or `"folder:PATH,PATH"`, a folder for each domain.
        part: `"train"` or `"test"`.

    Raises:
        ValueError: if `part` is another, or a folder lacks what it needs.
    """
    if part not in PARTS:
        raise ValueError(f"part must be 'train' or 'test'. Received: part={part!r}")
    splits = (f"{part}A", f"{part}B")
    if name.startswith(PREFIX):
        path = name.removeprefix(PREFIX)
        # A comma may also be a part of one folder's name.
        if "," in path and not Path(path).expanduser().is_dir():
            paths = path.split(",")
            if len(paths) != 2:
                raise ValueError(
                    f"{name!r} names {len(paths)} folders; write 'folder:PATH,PATH', one a domain."
                )
            return tuple((f"{PREFIX}{each.strip()}", part) for each in paths)
        missing = [split for split in splits if not (Path(path).expanduser() / split).is_dir()]
        if missing:
            raise ValueError(
                f"{name!r} has no folder {' and no '.join(missing)}; sort the images into trainA, "
                "trainB, testA and testB, or write 'folder:PATH,PATH', one a domain."
            )
    return (name, splits[0]), (name, splits[1])


def load_unpaired(
    name: str,
    part: str = "train",
    *,
    batch_size: int = 1,
    shuffle: bool = True,
    repeat: bool = True,
    seed: int = 0,
    first_step: int = 0,
    augment: Augment | None = None,
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    drop_duplicates: str = "none",
    data_dir: DataDir = None,
) -> tf.data.Dataset:
    """Gives batches of two domains, paired anew in every epoch.

    Each domain goes through epochs of its own, in orders of its own: of unequal sizes, neither is
    cut to the length of the shorter, nor repeats its order.

    Args:
        name: see `domains`.
        part: `"train"` or `"test"`.
        batch_size: images of each domain in a batch. Defaults to 1, as in Zhu et al., 2017.
        shuffle: whether each epoch has an order of its own. Defaults to True; False gives the
            stored order, in which the test images of `drawn_horse2zebra` are pairs.
        repeat: whether to go on for ever. Defaults to True; False ends with the shorter domain.
        seed: of orders and augmentation. Defaults to 0.
        first_step: number of the first batch, as for `load`.
        augment: as for `load`.
        image_size: as for `load`.
        channels: as for `load`.
        drop_duplicates: as for `load`.
        data_dir: where data sets are kept. Defaults to TFDS's own place.

    Returns:
        A `tf.data.Dataset` of `(images_a, images_b)`, float32 `(batch, height, width, channels)` in
        [-1, 1].

    Raises:
        ValueError: if a folder or split is missing, the domains differ in the shape of their
            images, and wherever `load` raises it.
        RuntimeError: if the data set could not be downloaded or prepared.
    """
    # One seed for both would give domains of equal size one order, and so the same pairs for ever.
    seeds = (seed, int.from_bytes(hashlib.sha256(f"{seed}/domain b".encode()).digest()[:7], "big"))
    domain_a, domain_b = (
        load(
            dataset,
            split,
            batch_size=batch_size,
            shuffle=shuffle,
            repeat=repeat,
            seed=domain_seed,
            first_step=first_step,
            augment=augment,
            image_size=image_size,
            channels=channels,
            drop_duplicates=drop_duplicates,
            data_dir=data_dir,
        )
        for (dataset, split), domain_seed in zip(domains(name, part), seeds, strict=True)
    )
    shapes = [tuple(domain.element_spec.shape[1:]) for domain in (domain_a, domain_b)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"Both domains of {name!r} must have images of one shape; give an image_size. "
            f"Received: {shapes[0]} and {shapes[1]}."
        )
    return tf.data.Dataset.zip(domain_a, domain_b)
