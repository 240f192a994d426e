"""`drawn_horse2zebra`: a stand-in for `cycle_gan/horse2zebra` that needs no network."""

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from zoo.datasets.drawn_horse2zebra import render

_NUM_EXAMPLES = {
    "64x64": {"trainA": 1_000, "trainB": 1_000, "testA": 128, "testB": 128},
    "tiny": {"trainA": 64, "trainB": 64, "testA": 16, "testB": 16},
}


class Builder(tfds.core.GeneratorBasedBuilder):
    """Drawn horses and zebras, with the names of features and splits of TFDS `cycle_gan`.

    Examples are `{"image": uint8 (64, 64, 3), "label": 0 for A, 1 for B, "mask": uint8 (64, 64,
    1)}`, in the order of their indices: example i of `testA` and of `testB` show the same animal,
    as a horse and as a zebra, and are equal where the mask is 0. `tiny` holds the first examples of
    each split of `64x64`, the default.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: dict[str, str] = {"1.0.0": "Initial release."}  # noqa: RUF012 - as TFDS has it
    BUILDER_CONFIGS = [  # noqa: RUF012 - as TFDS has it
        tfds.core.BuilderConfig(name="64x64", description="Enough to train on."),
        tfds.core.BuilderConfig(name="tiny", description="The first few of each split, for tests."),
    ]
    # TFDS would look for these two with importlib_resources, on which it does not depend.
    code_path = epath.Path(__file__)
    pkg_dir_path = code_path.parent

    def _info(self) -> tfds.core.DatasetInfo:
        size = render.IMAGE_SIZE
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(size, size, 3)),
                "label": tfds.features.ClassLabel(names=["A", "B"]),
                "mask": tfds.features.Image(shape=(size, size, 1)),
            }
        )
        return self.dataset_info_from_configs(
            features=features,
            supervised_keys=("image", "label"),
            # TFDS would shuffle each split differently, and the test splits belong together.
            disable_shuffling=True,
            license="Drawn by keras-gan-zoo: Apache-2.0.",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        del dl_manager  # Nothing is downloaded.
        return {
            split: self._generate_examples(split, num_examples)
            for split, num_examples in _NUM_EXAMPLES[self.builder_config.name].items()
        }

    def _generate_examples(
        self, split: str, num_examples: int
    ) -> Iterator[tuple[int, dict[str, np.ndarray | str]]]:
        for index in range(num_examples):
            sample = render.draw_sample(split, index)
            yield index, {"image": sample.image, "label": split[-1], "mask": sample.mask}
