"""Where images come from: a data set of TFDS, ours among them, or a folder."""

from zoo.datasets.description import DatasetDescription
from zoo.datasets.disk import DataDir
from zoo.datasets.folder import PREFIX, FolderSource
from zoo.datasets.tfds_images import TfdsSource


def find_source(
    name: str,
    image_size: int | tuple[int, int] | None,
    channels: int | None,
    drop_duplicates: str,
    data_dir: DataDir,
) -> TfdsSource | FolderSource:
    """Gives the source of that name, without preparing or reading it; arguments as for `load`.

    Raises:
        ValueError: if there is none, or its images can't be made so.
    """
    kind = FolderSource if str(name).startswith(PREFIX) else TfdsSource
    return kind(name, image_size, channels, drop_duplicates, data_dir)


def describe(
    name: str,
    data_dir: DataDir = None,
    *,
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    drop_duplicates: str = "none",
) -> DatasetDescription:
    """Tells what a data set holds, after preparing it if it is not yet on disk.

    Args:
        name: `"mnist_small"`, any image data set of TFDS, or `"folder:PATH"`.
        data_dir: where data sets are kept. Defaults to TFDS's own place, `TFDS_DATA_DIR` or
            `~/tensorflow_datasets`.
        image_size: as for `load`.
        channels: as for `load`.
        drop_duplicates: as for `load`.

    Returns:
        A `DatasetDescription`.

    Raises:
        ValueError: if there is no such data set or folder, its images vary in size and
            `image_size` is not given, or `data_dir` can't be written.
        RuntimeError: if it could not be downloaded, prepared or decoded.
    """
    return find_source(name, image_size, channels, drop_duplicates, data_dir).describe()
