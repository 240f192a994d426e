"""The data sets that TFDS knows by name, ours among them: finding one, and what it is made of."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.common.messages import first_line, listed
from zoo.datasets.disk import DataDir
from zoo.datasets.splits import check_names

if TYPE_CHECKING:
    import tensorflow_datasets as tfds


@dataclasses.dataclass(frozen=True)
class OwnDataset:
    """A data set of which the builder lies in this package and needs no network.

    Attributes:
        builder_module: where its TFDS builder is.
        split_names: of its splits.
        replaces: the set of TFDS in place of which it can be used.
        original: what that is called, for readers.
        stand_in: how it differs from that set.
        work: what its preparation does, if that takes long enough to be told; else "".
        truth_module: draws aligned pairs and the truth of translations, where they are known: see
            `zoo.datasets.drawn_horse2zebra.truth`; else "".
    """

    builder_module: str
    split_names: tuple[str, ...]
    replaces: str
    original: str
    stand_in: str
    work: str = ""
    truth_module: str = ""


OWN_DATASETS = {
    "mnist_small": OwnDataset(
        builder_module="zoo.datasets.mnist_small.mnist_small_dataset_builder",
        split_names=("train", "validation", "test"),
        replaces="mnist",
        original="MNIST, 15 times larger",
        stand_in="5,000 of the 70,000 real digits of `mnist`; its scores are not scores on MNIST.",
    ),
    "drawn_house_numbers": OwnDataset(
        builder_module="zoo.datasets.drawn_house_numbers.drawn_house_numbers_dataset_builder",
        split_names=("train", "validation", "test", "extra"),
        replaces="svhn_cropped",
        original="SVHN",
        stand_in="house numbers drawn in place of `svhn_cropped`; its scores are not SVHN's.",
        work="drawing house numbers, which takes a minute or two",
    ),
    "drawn_faces": OwnDataset(
        builder_module="zoo.datasets.drawn_faces.drawn_faces_dataset_builder",
        split_names=("train", "validation", "test", "quads"),
        replaces="celeb_a",
        original="CelebA",
        stand_in="faces drawn in place of `celeb_a`; its scores are not scores on CelebA.",
        work="drawing faces, which takes a few minutes",
    ),
    "drawn_horse2zebra": OwnDataset(
        builder_module="zoo.datasets.drawn_horse2zebra.drawn_horse2zebra_dataset_builder",
        split_names=("trainA", "trainB", "testA", "testB"),
        replaces="cycle_gan/horse2zebra",
        original="horse2zebra",
        stand_in="horses and zebras drawn in place of `cycle_gan/horse2zebra`; its scores are not "
        "scores on horse2zebra.",
        work="drawing horses and zebras, which takes about half a minute",
        truth_module="zoo.datasets.drawn_horse2zebra.truth",
    ),
}
# A dict of bool, as in `celeb_a`: any number of them can be true of an image.
ATTRIBUTES_KEY = "attributes"
# The sides of squares that are cut from the middle before an image is resized.
CENTRE_CROPS = {
    # As in Radford et al.'s code for DCGAN; what lies around the face is left out.
    "celeb_a": 108,
}


# === Names ===


def find_builder(name: str, data_dir: DataDir) -> tfds.core.DatasetBuilder:
    """Gives the TFDS builder of that name; a ValueError if there is none."""
    import tensorflow_datasets as tfds

    own = own_dataset(name)
    if own is not None:
        # Importing a builder is what makes TFDS know its name.
        importlib.import_module(own.builder_module)
    try:
        return tfds.builder(name, data_dir=os.path.expanduser(data_dir) if data_dir else None)
    except tfds.core.DatasetNotFoundError as error:
        raise ValueError(_unknown_name(name)) from error
    except ValueError as error:
        if os.path.isdir(os.path.expanduser(name)):
            raise ValueError(_unknown_name(name)) from error
        raise ValueError(f"Can't make the data set {name!r}: {first_line(error)}") from error


def license_of(name: str) -> str:
    """Returns the licence of a data set as its builder states it, without preparing any of it.

    Returns:
        In words; "" if it states none, or the images are a folder's or drawn without a builder.
    """
    if not name or name.startswith("folder:"):
        return ""
    try:
        return find_builder(name, None).info.as_proto.redistribution_info.license
    except ValueError:
        return ""


def base_name(name: str) -> str:
    """Drops what TFDS allows after a name: `name/config:version`."""
    return re.split("[/:]", name, maxsplit=1)[0]


def own_dataset(name: str) -> OwnDataset | None:
    """Gives ours of that name, whatever its config or version; None if it is not ours."""
    return OWN_DATASETS.get(base_name(name))


def stands_in_for(name: str | os.PathLike[str]) -> str:
    """Gives what the set of that name replaces, such as `"SVHN"`; "" if it is no stand-in.

    Nothing is prepared for it, nor checked: any name may be asked for, and any folder.
    """
    own = None if isinstance(name, os.PathLike) else own_dataset(name)
    return own.original if own else ""


def _unknown_name(name: str) -> str:
    import tensorflow_datasets as tfds

    known = [*OWN_DATASETS, *tfds.list_builders(with_community_datasets=False)]
    if os.path.isdir(os.path.expanduser(name)):
        return (
            f"There is no data set {name!r}; for the images in that folder write 'folder:{name}'."
        )
    close = difflib.get_close_matches(base_name(name), known, n=1)
    return (
        f"There is no data set {name!r}."
        + (f" Did you mean {close[0]!r}?" if close else "")
        + f" The zoo's own are {listed(OWN_DATASETS, ' and ')}; any name of TFDS works too, such "
        "as 'mnist', 'svhn_cropped' or 'cifar10', and 'folder:PATH' for images of your own."
    )


def check_split_name(name: str, split: str, builder: tfds.core.DatasetBuilder) -> None:
    """Raises a ValueError if the data set is known to have no such split.

    The splits of our own sets are known from the start, those of others once they are prepared.
    What TFDS understands beside names, such as `"train[:1000]"` or `"train+test"`, passes.
    """
    own = own_dataset(name)
    check_names(name, split, tuple(builder.info.splits) or (own.split_names if own else ()))


# === Features ===


@dataclasses.dataclass(frozen=True)
class ImageFeatures:
    """Which features of a TFDS example are its image, its label and its attributes.

    Attributes:
        image_key: of the image.
        image_shape: (height, width, channels); None for what varies.
        label_key: of the label, or None.
        class_names: one a label, or None.
        attribute_names: keys below `ATTRIBUTES_KEY`, in alphabetical order, or None.
    """

    image_key: str
    image_shape: tuple[int | None, ...]
    label_key: str | None
    class_names: tuple[str, ...] | None
    attribute_names: tuple[str, ...] | None


def image_features(builder: tfds.core.DatasetBuilder, name: str) -> ImageFeatures:
    """Finds image, label and attributes; a ValueError if the image can't be trained on."""
    import tensorflow_datasets as tfds

    image_key = _find_feature(builder, "image", tfds.features.Image)
    if image_key is None:
        raise ValueError(
            f"{name!r} is not a data set of images: its features are "
            f"{listed(_named_features(builder))}; use one that has an 'image'."
        )
    image = builder.info.features[image_key]
    if np.dtype(image.np_dtype) != np.uint8:
        raise ValueError(
            f"{name!r} has images of {np.dtype(image.np_dtype)}; use one with pixels of uint8."
        )
    label_key = _find_feature(builder, "label", tfds.features.ClassLabel)
    return ImageFeatures(
        image_key=image_key,
        image_shape=tuple(image.shape),
        label_key=label_key,
        class_names=tuple(builder.info.features[label_key].names) if label_key else None,
        attribute_names=_attribute_names(builder),
    )


def _attribute_names(builder: tfds.core.DatasetBuilder) -> tuple[str, ...] | None:
    attributes = _named_features(builder).get(ATTRIBUTES_KEY)
    named = dict(attributes.items()) if hasattr(attributes, "items") else {}
    all_are_flags = all(feature.np_dtype == np.bool_ for feature in named.values())
    # TFDS does not promise an order: a set that is read without its builder may have another.
    return tuple(sorted(named)) if named and all_are_flags else None


def _find_feature(builder: tfds.core.DatasetBuilder, usual_key: str, kind: type) -> str | None:
    """Gives the feature that TFDS usually calls so, or else the only one of its kind."""
    keys = [key for key, feature in _named_features(builder).items() if isinstance(feature, kind)]
    if usual_key in keys:
        return usual_key
    return keys[0] if len(keys) == 1 else None


def _named_features(builder: tfds.core.DatasetBuilder) -> dict[str, Any]:
    return dict(builder.info.features.items()) if hasattr(builder.info.features, "items") else {}
