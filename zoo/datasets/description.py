"""What a data set holds, in a value."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class DatasetDescription:
    """What a data set holds.

    Attributes:
        name: as it was asked for.
        image_shape: (height, width, channels).
        class_names: one a label, in the order of the labels; None if the images have no labels.
        attribute_names: what can be true of an image, such as `"Smiling"`, in alphabetical order;
            None if the images have no attributes.
        num_examples: images in each split.
        license: as its builder states it; "" if it does not.
        citation: BibTeX; "" if there is none.
        fingerprint: SHA-256 over the stored images, labels and attributes or, of a folder, over
            the content of the files that are used, and over the size and the channels that were
            asked for. Equal fingerprints mean equal images and labels in an equal order. Unequal
            ones usually mean other data, but may also come from another PNG encoder.
        stand_in: what this set stands in for and how it differs from that; "" if it is no
            stand-in.
    """

    name: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...] | None
    attribute_names: tuple[str, ...] | None
    num_examples: dict[str, int]
    license: str
    citation: str
    fingerprint: str
    stand_in: str
