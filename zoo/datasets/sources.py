"""Where images come from: a data set of TFDS, ours among them, a folder, or two."""

from zoo.datasets.decoding import ValueRange
from zoo.datasets.disk import DataDir
from zoo.datasets.folder import PREFIX, FolderSource
from zoo.datasets.tfds_images import TfdsSource
from zoo.datasets.two_folders import TwoFoldersSource, names_two_folders

Source = TfdsSource | FolderSource | TwoFoldersSource


def find_source(
    name: str,
    image_size: int | tuple[int, int] | None,
    channels: int | None,
    drop_duplicates: str,
    value_range: ValueRange,
    data_dir: DataDir,
) -> Source:
    """Gives the source of that name, without preparing or reading it; arguments as for `open`.

    Raises:
        ValueError: if there is none, or its images can't be made so.
    """
    kind = TfdsSource
    if str(name).startswith(PREFIX):
        kind = TwoFoldersSource if names_two_folders(name) else FolderSource
    return kind(name, image_size, channels, drop_duplicates, value_range, data_dir)
