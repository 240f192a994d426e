"""`drawn_house_numbers`: a stand-in for `svhn_cropped` that needs no network."""

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from zoo.datasets.drawn_house_numbers import layout, render

_LICENSE = (
    "Drawn by keras-gan-zoo: Apache-2.0. Digits after the fonts DejaVu (Bitstream Vera licence), "
    "STIX General (STIX font licence), Computer Modern (BaKoMa fonts licence), Aileron (CC0)."
)


_NUM_EXAMPLES = {
    "full": {"train": 20_000, "validation": 2_000, "test": 4_000, "extra": 20_000},
    "tiny": {"train": 256, "validation": 64, "test": 64, "extra": 256},
}


class Builder(tfds.core.GeneratorBasedBuilder):
    """Drawn house numbers, with the feature names of TFDS `svhn_cropped`.

    Examples are `{"image": uint8 (32, 32, 3), "label": int64 in [0, 10)}`. The fonts of `test` are
    in no other split. `tiny` holds the first examples of each split of `full`, the default.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: dict[str, str] = {"1.0.0": "Initial release."}  # noqa: RUF012 - as TFDS has it
    BUILDER_CONFIGS = [  # noqa: RUF012 - as TFDS has it
        tfds.core.BuilderConfig(name="full", description="Enough to train on."),
        tfds.core.BuilderConfig(name="tiny", description="The first few of each split, for tests."),
    ]
    # TFDS would look for these two with importlib_resources, on which it does not depend.
    code_path = epath.Path(__file__)
    pkg_dir_path = code_path.parent

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(layout.FRAME_SIZE, layout.FRAME_SIZE, 3)),
                "label": tfds.features.ClassLabel(num_classes=render.NUM_CLASSES),
            }
        )
        return self.dataset_info_from_configs(
            features=features,
            supervised_keys=("image", "label"),
            license=_LICENSE,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        del dl_manager  # Nothing is downloaded.
        return {
            split: self._generate_examples(split, num_examples)
            for split, num_examples in _NUM_EXAMPLES[self.builder_config.name].items()
        }

    def _generate_examples(
        self, split: str, num_examples: int
    ) -> Iterator[tuple[int, dict[str, np.ndarray | int]]]:
        for index in range(num_examples):
            sample = render.draw_sample(split, index)
            yield index, {"image": sample.image, "label": sample.label}
