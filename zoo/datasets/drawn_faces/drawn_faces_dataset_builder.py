"""`drawn_faces`: a stand-in for `celeb_a` that needs no network."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from zoo.datasets.drawn_faces import appearance, render

_NUM_EXAMPLES = {"train": 20_000, "validation": 2_000, "test": 2_000, "quads": 2_000}
_NUM_TINY_EXAMPLES = {"train": 256, "validation": 64, "test": 64, "quads": 64}


@dataclasses.dataclass
class DrawnFacesConfig(tfds.core.BuilderConfig):
    """How large the pictures are, and how many.

    Attributes:
        image_size: height and width in pixels.
        num_examples: in each split.
    """

    image_size: int = 64
    num_examples: dict[str, int] = dataclasses.field(default_factory=_NUM_EXAMPLES.copy)


class Builder(tfds.core.GeneratorBasedBuilder):
    """Drawn faces, with the feature names of TFDS `celeb_a`.

    Examples are `{"image": uint8 (size, size, 3), "attributes": {name: bool}, "landmarks": {name:
    int64 in pixels}, "identity": {"Identity_No": int64}}`. The attributes are those of CelebA's 40
    that are drawn, `appearance.ATTRIBUTE_NAMES`. Identities are numbered within a split: a person
    has one picture there, but four in `quads`.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: dict[str, str] = {"1.0.0": "Initial release."}  # noqa: RUF012 - as TFDS has it
    BUILDER_CONFIGS = [  # noqa: RUF012 - as TFDS has it
        DrawnFacesConfig(name="64x64", description="The usual size."),
        DrawnFacesConfig(name="128x128", description="The same faces, larger.", image_size=128),
        DrawnFacesConfig(
            name="tiny",
            description="The first few of each split of 64x64, for tests.",
            num_examples=_NUM_TINY_EXAMPLES,
        ),
    ]
    # TFDS would look for these two with importlib_resources, on which it does not depend.
    code_path = epath.Path(__file__)
    pkg_dir_path = code_path.parent

    def _info(self) -> tfds.core.DatasetInfo:
        size = self.builder_config.image_size
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(size, size, 3)),
                "attributes": dict.fromkeys(appearance.ATTRIBUTE_NAMES, np.bool_),
                "landmarks": dict.fromkeys(render.LANDMARK_NAMES, np.int64),
                "identity": {"Identity_No": np.int64},
            }
        )
        return self.dataset_info_from_configs(
            features=features,
            license="Drawn by keras-gan-zoo: Apache-2.0.",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        del dl_manager  # Nothing is downloaded.
        return {
            split: self._generate_examples(split, num_examples)
            for split, num_examples in self.builder_config.num_examples.items()
        }

    def _generate_examples(
        self, split: str, num_examples: int
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        size = self.builder_config.image_size
        for index in range(num_examples):
            if split == "quads":
                identity, face = index // 4, appearance.sample_quad(split, index)
            else:
                identity, face = index, appearance.sample_appearance(split, index)
            yield (
                index,
                {
                    "image": render.render(face, size),
                    "attributes": appearance.attributes(face),
                    "landmarks": render.landmarks(face, size),
                    "identity": {"Identity_No": identity},
                },
            )
