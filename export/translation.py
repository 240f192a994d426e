"""Translates pictures of any size with an exported CycleGAN.

It takes the export alone, and none of the code that trained it: a SavedModel with signatures that
take and give `images`, float32 `(batch, height, width, channels)` in [0, 1].

Every picture in the input folder, at any depth, becomes a PNG of its size under its name in the
output folder: a/b.jpg becomes a/b.png, or a/b.jpg.png if a/b.png is a picture too. It is read as a
picture to train on is: turned as its EXIF orientation says, its colours made sRGB, or grey for a
model of grey images, 16 bits made 8, of an animation the first frame, and what is transparent laid
on white; the transparency then returns. What can't be read is skipped, and skipped_images.csv in
the output folder says why. Nothing in the input folder is changed.

After an interruption, the same command with --continue translates the rest. It looks at names
alone: what the output folder has stays as it is, whatever made it.

A network knows things at the size that they had in training. Photos that show them larger need
--shorter_side, the image_size of the training if they fill the photo as they did there: photos are
shrunk until their shorter side has that many pixels, translated, and enlarged to their size again,
no sharper than the network's images are. They also need less memory so: the network of the preset
`quick` takes some 0.8 GB for each million pixels that it sees at once.
"""

import argparse
import contextlib
import csv
import dataclasses
import io
import os
import pathlib
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import numpy as np
import tensorflow as tf
from PIL import ExifTags, Image, ImageOps
from tqdm import tqdm

from zoo.common import exports
from zoo.common.command_errors import one_line_errors
from zoo.common.files import write_atomically
from zoo.common.messages import counted, printable
from zoo.datasets.decoding import (
    ImageForm,
    UnusableImageError,
    checked_range,
    decode_image,
    recognise_image,
    without_pillow_warnings,
)
from zoo.datasets.listing import SkippedFile, list_files

SKIPPED_IMAGES = "skipped_images.csv"
# Networks that halve their images from 2 to 8 times; the paper's does it twice.
_MULTIPLES = tuple(2**halvings for halvings in range(2, 9))
_TURNED_ON_ITS_SIDE = (5, 6, 7, 8)


# === Network ===


@dataclasses.dataclass(frozen=True)
class Translator:
    """One direction of an exported CycleGAN.

    Attributes:
        signature: of the SavedModel.
        channels: of its images: 3 for colour, 1 for grey.
        multiple: what must divide the sides of an image.
    """

    signature: Any
    channels: int
    multiple: int

    def translate(self, pixels: np.ndarray, shorter_side: int | None = None) -> np.ndarray:
        """Translates an image of any size.

        Sides that the network can't take are extended by reflection on both ends, and cut off
        afterwards.

        Args:
            pixels: uint8 `(height, width, channels)`.
            shorter_side: pixels to which the shorter side is shrunk for the network, if it has
                more. Defaults to None: the network sees the image as it is.

        Returns:
            uint8 of the same shape.

        Raises:
            UnusableImageError: if it does not fit into the memory.
        """
        height, width, _ = pixels.shape
        try:
            if shorter_side and shorter_side < min(height, width):
                scale = shorter_side / min(height, width)
                small = _resized(pixels, round(scale * height), round(scale * width))
                return _resized(self._translate(small), height, width)
            return self._translate(pixels)
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            raise UnusableImageError(
                f"too large for the memory: {width}x{height}; a smaller --shorter_side needs less"
            ) from error

    def _translate(self, pixels: np.ndarray) -> np.ndarray:
        height, width, _ = pixels.shape
        (top, bottom), (left, right) = (_margins(side, self.multiple) for side in (height, width))
        padded = np.pad(pixels, ((top, bottom), (left, right), (0, 0)), "reflect")
        translated = _call(self.signature, padded[np.newaxis] / np.float32(255))[0]
        cut = translated[top : top + height, left : left + width]
        return np.clip(np.rint(255 * cut), 0, 255).astype(np.uint8)


def _margins(side: int, multiple: int) -> tuple[int, int]:
    # The reflecting layers of the paper's network need two pixels at its coarsest scale.
    padded = max(2 * multiple, -(-side // multiple) * multiple)
    return (padded - side) // 2, (padded - side + 1) // 2


def _resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    image = _as_image(pixels).resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.asarray(image).reshape(height, width, pixels.shape[-1])


def _as_image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def _call(signature: Any, images: np.ndarray) -> np.ndarray:
    return signature(images=tf.constant(images))["images"].numpy()


def load_translator(path: str | os.PathLike[str], direction: str) -> Translator:
    """Loads one direction of an export.

    Args:
        path: a SavedModel, a folder of numbered ones, or the folder of a run.
        direction: name of a signature.

    Raises:
        FileNotFoundError: if there is no export.
        ValueError: if it is damaged, or does not translate in that direction.
    """
    path = Path(path)
    if (path / "export").is_dir() and not (path / "saved_model.pb").is_file():
        path = path / "export"
    signatures = exports.load(path).signatures
    signature = _signature(signatures, direction, path)
    channels = signature.structured_input_signature[1]["images"].shape[-1]
    if channels not in (1, 3):
        raise ValueError(
            f"The export in {path} must take images of 3 or 1 channels. Received: {channels}"
        )
    return Translator(signature, channels, _multiple_of(signature, channels, path))


def _signature(signatures: Any, direction: str, path: Path) -> Any:
    directions = [
        name
        for name, signature in signatures.items()
        if set(signature.structured_input_signature[1]) == {"images"}
        and "images" in signature.structured_outputs
        and name != "serving_default"
    ]
    if direction in directions:
        return signatures[direction]
    found = f"it has {', '.join(directions)}" if directions else "it has none at all"
    others = ", ".join(name for name in signatures if name not in directions)
    raise ValueError(
        f"The export in {path} has no translation {direction!r}; {found}"
        + (f", and other signatures: {others}." if others and not directions else ".")
    )


def _multiple_of(signature: Any, channels: int, path: Path) -> int:
    """Finds by trial what must divide the sides of an image: a SavedModel does not tell."""
    for multiple in _MULTIPLES:
        images = np.zeros((1, 3 * multiple, 3 * multiple, channels), np.float32)
        # What a network makes of sides that don't fit is an error, or an image of another size.
        with contextlib.suppress(tf.errors.InvalidArgumentError, ValueError, TypeError):
            if _call(signature, images).shape == images.shape:
                return multiple
    raise ValueError(
        f"The export in {path} translates no images of {3 * _MULTIPLES[0]} to "
        f"{3 * _MULTIPLES[-1]} pixels a side to as many; export a model that takes any size."
    )


# === Files ===


def read_image(
    path: Path, channels: int, value_range: tuple[float, float] | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Reads an image at its own size.

    Args:
        path: of the file.
        channels: 3 for colour or 1 for grey.
        value_range: which values become black and white, if it has more than 8 bits; see
            `zoo.datasets.scan_folder`.

    Returns:
        uint8 `(height, width, channels)`, and its opacity, uint8 `(height, width, 1)`; None if it
        has no transparency.

    Raises:
        UnusableImageError: if it can't be used.
        OSError: if the file can't be read.
    """
    content = path.read_bytes()
    height, width = _sides(content)
    form = ImageForm(height, width, channels, value_range=value_range)
    pixels = decode_image(content, form).pixels
    opacity = _opacity(content)
    if opacity is not None and opacity.shape[:2] != pixels.shape[:2]:
        raise UnusableImageError("damaged: it is not of the size that it says")
    return pixels, opacity


def _sides(content: bytes) -> tuple[int, int]:
    """Gives the height and the width of an image that is turned as it should be."""
    # What is wrong with a file is told when it is decoded.
    width, height, orientation = 1, 1, None
    with contextlib.suppress(Exception), Image.open(io.BytesIO(content)) as image:
        width, height = image.size
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    return (width, height) if orientation in _TURNED_ON_ITS_SIDE else (height, width)


def _opacity(content: bytes) -> np.ndarray | None:
    with Image.open(io.BytesIO(content)) as image:
        # Of 16 bits, one level may be declared transparent; Pillow knows no opacity of such images.
        if not image.has_transparency_data or image.mode.startswith("I"):
            return None
        image.load()
        with contextlib.suppress(Exception):
            ImageOps.exif_transpose(image, in_place=True)
        return np.asarray(image.convert("RGBA"))[:, :, 3:]


def write_image(path: Path, pixels: np.ndarray, opacity: np.ndarray | None) -> None:
    """Writes a PNG in one rename, and the folders it lies in.

    Raises:
        OSError: if it can't be written.
    """
    if opacity is not None:
        pixels = np.concatenate([pixels, opacity], axis=-1)
    buffer = io.BytesIO()
    _as_image(pixels).save(buffer, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())


def output_names(paths: Sequence[str]) -> list[str]:
    """Gives each path the ending .png.

    Those that would be one file, or one with a folder, then keep their own ending as well; but a
    PNG its name, if it can. Names that differ in the case of letters alone count as one: on some
    disks they are.
    """
    folders = {str(folder).casefold() for path in paths for folder in PurePosixPath(path).parents}
    owners: dict[str, str] = {}
    for path in paths:
        if path.endswith(".png"):
            owners.setdefault(path.casefold(), path)
    keep: set[str] = set()
    while True:
        names = [f"{path if path in keep else os.path.splitext(path)[0]}.png" for path in paths]
        claims: dict[str, list[str]] = defaultdict(list)
        for path, name in zip(paths, names, strict=True):
            claims[name.casefold()].append(path)
        num_kept = len(keep)
        for name, claimants in claims.items():
            if len(claimants) > 1 or name in folders:
                movable = [path for path in claimants if path not in keep]
                keep.update([path for path in movable if path != owners.get(name)] or movable)
        if len(keep) == num_kept:
            return names


def _check_folders(inputs: Path, outputs: Path) -> None:
    if not inputs.is_dir():
        found = "is a file" if inputs.exists() else "does not exist"
        raise ValueError(f"INPUT_FOLDER must be a folder of pictures; {inputs} {found}.")
    if outputs.exists() and not outputs.is_dir():
        raise ValueError(f"OUTPUT_FOLDER must be a folder; {outputs} is a file.")
    real = [Path(os.path.realpath(path)) for path in (inputs, outputs)]
    if real[0] in (real[1], *real[1].parents) or real[1] in real[0].parents:
        raise ValueError(
            "OUTPUT_FOLDER and INPUT_FOLDER must not lie in each other, for no picture of yours is "
            f"ever overwritten. Received: {inputs} and {outputs}"
        )


def _refuse_folders(outputs: Path, names: Sequence[str]) -> None:
    for path in (outputs / name for name in (*names, SKIPPED_IMAGES)):
        if path.is_dir():
            raise ValueError(
                f"{path} is a folder, where a file is to be written; name another OUTPUT_FOLDER."
            )


def _refuse_existing(outputs: Path, names: Sequence[str]) -> None:
    existing = [name for name in (*names, SKIPPED_IMAGES) if os.path.lexists(outputs / name)]
    if existing:
        raise ValueError(
            f"{outputs} holds {len(existing)} of the files to be written, the first of them "
            f"{existing[0]}; name another OUTPUT_FOLDER, or add --continue to translate the others "
            "alone, --overwrite to replace them."
        )


# === Work ===


def translate_folder(
    translator: Translator,
    inputs: str | os.PathLike[str],
    outputs: str | os.PathLike[str],
    existing: str = "refuse",
    shorter_side: int | None = None,
    value_range: tuple[float, float] | None = None,
) -> tuple[int, int]:
    """Translates all pictures of a folder into another.

    Args:
        translator: the direction.
        inputs: the folder to read; nothing in it is changed.
        outputs: the folder to write, made if missing.
        existing: what to do if files to be written are there already: "refuse", the default,
            "replace" them, or "keep" them, which translates the others alone.
        shorter_side: see `Translator.translate`.
        value_range: see `read_image`.

    Returns:
        How many of the pictures are translated now, earlier ones included, and how many files
        were skipped.

    Raises:
        ValueError: if the folders can't be used so, or no file of the input is a picture.
        OSError: if a file can't be written.
    """
    inputs, outputs = Path(inputs), Path(outputs)
    _check_folders(inputs, outputs)
    with without_pillow_warnings():
        paths, skipped = _list_pictures(inputs)
        names = output_names(paths)
        _refuse_folders(outputs, names)
        if existing == "refuse":
            _refuse_existing(outputs, names)
        to_translate = [
            (path, name)
            for path, name in zip(paths, names, strict=True)
            if existing != "keep" or not (outputs / name).is_file()
        ]
        num_translated = len(paths)
        for path, name in tqdm(
            to_translate, desc="translating", unit="picture", disable=not sys.stderr.isatty()
        ):
            reason = _translate_file(
                translator, inputs / path, outputs / name, shorter_side, value_range
            )
            if reason:
                skipped.append(SkippedFile(path, reason))
                num_translated -= 1
    if not num_translated:
        raise ValueError(_nothing_usable(inputs, skipped))
    _write_skipped(outputs / SKIPPED_IMAGES, skipped)
    return num_translated, len(skipped)


def _list_pictures(inputs: Path) -> tuple[list[str], list[SkippedFile]]:
    """Tells pictures from files of other kinds, which take no picture's name."""
    found = list_files(inputs)
    paths, skipped = [], list(found.skipped)
    for file in found.files:
        try:
            with open(inputs / file.path, "rb") as opened:
                recognise_image(opened)
        except (UnusableImageError, OSError) as error:
            skipped.append(SkippedFile(file.path, _why_unusable(error)))
        else:
            paths.append(file.path)
    return paths, skipped


def _translate_file(
    translator: Translator,
    picture: Path,
    output: Path,
    shorter_side: int | None,
    value_range: tuple[float, float] | None,
) -> str | None:
    """Translates one picture; returns why that is not possible, or None."""
    try:
        pixels, opacity = read_image(picture, translator.channels, value_range)
        translated = translator.translate(pixels, shorter_side)
    except (UnusableImageError, OSError) as error:
        return _why_unusable(error)
    except MemoryError:
        return "too large for the memory"
    write_image(output, translated, opacity)
    return None


def _why_unusable(error: UnusableImageError | OSError) -> str:
    if isinstance(error, UnusableImageError):
        return str(error)
    return f"can't be read: {error.strerror or error}"


def _nothing_usable(inputs: Path, skipped: Sequence[SkippedFile]) -> str:
    kinds = Counter(file.reason.partition(":")[0] for file in skipped).most_common(5)
    reasons = ", ".join(f"{number:,} {kind}" for kind, number in kinds) or "it is empty"
    example = f", {printable(skipped[0].path)} for one" if skipped else ""
    return (
        f"{inputs} holds no picture that can be used ({reasons}){example}; name another "
        "INPUT_FOLDER."
    )


def _write_skipped(path: Path, skipped: Sequence[SkippedFile]) -> None:
    """Lists what was skipped, in the columns of a run's `skipped_images.csv`."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["path", "used", "remark"])
    rows = sorted((printable(path), reason) for path, reason in skipped)
    writer.writerows([path, "no", reason] for path, reason in rows)
    write_atomically(path, table.getvalue())


# === Command line ===


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}. See --help.\n")


def _positive_integer(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"must be a positive integer. Received: {text!r}")
    return int(text)


def _range(text: str) -> tuple[float, float]:
    try:
        return checked_range([float(limit) for limit in text.split(",")])
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"must be BLACK,WHITE, such as 0,4095. Received: {text!r}"
        ) from error


def _parse(arguments: Sequence[str], program: str) -> argparse.Namespace:
    parser = _Parser(
        prog=program,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    folder = {"type": lambda text: pathlib.Path(text).expanduser()}
    parser.add_argument(
        "export", metavar="EXPORT_OR_RUN", help="a SavedModel, or the folder of a run", **folder
    )
    parser.add_argument("inputs", metavar="INPUT_FOLDER", help="the pictures", **folder)
    parser.add_argument("outputs", metavar="OUTPUT_FOLDER", help="made if there is none", **folder)
    parser.add_argument(
        "--direction",
        default="a_to_b",
        help="a signature of the export: a_to_b, the default, or b_to_a",
    )
    parser.add_argument(
        "--shorter_side",
        metavar="PIXELS",
        type=_positive_integer,
        help="to which larger pictures are shrunk for the network, 64 for one that was trained at "
        "64x64, say; left out, none is",
    )
    parser.add_argument(
        "--value_range",
        metavar="BLACK,WHITE",
        type=_range,
        help="which values of grey pictures of 16 bits are black and white, as in training, such "
        "as 0,4095 for 12 bits; left out, 0,65535",
    )
    existing = {"dest": "existing", "action": "store_const", "default": "refuse"}
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--continue",
        const="keep",
        help="translate only what OUTPUT_FOLDER lacks, after an interruption of the same command",
        **existing,
    )
    either.add_argument(
        "--overwrite",
        const="replace",
        help="replace what is in OUTPUT_FOLDER already",
        **existing,
    )
    return parser.parse_args(arguments)


@contextlib.contextmanager
def _interruptible(existing: str, program: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        # What was to be replaced can't be told from what was.
        further = "--overwrite begins again" if existing == "replace" else "--continue goes on"
        print(f"\n{program}: interrupted; {further}.", file=sys.stderr)
        sys.exit(130)


def main(arguments: Sequence[str] | None = None, program: str = "translate.py") -> None:
    """Translates a folder as the command line says.

    Args:
        arguments: of the command line. Defaults to those of the process.
        program: what an error is introduced by.
    """
    arguments = _parse(sys.argv[1:] if arguments is None else arguments, program)
    with _interruptible(arguments.existing, program), one_line_errors():
        # Before the model, which takes a while to load.
        _check_folders(arguments.inputs, arguments.outputs)
        translator = load_translator(arguments.export, arguments.direction)
        num_pictures, num_skipped = translate_folder(
            translator,
            arguments.inputs,
            arguments.outputs,
            arguments.existing,
            arguments.shorter_side,
            arguments.value_range,
        )
    skipped = f"; {counted(num_skipped, 'file')} skipped, see {SKIPPED_IMAGES}"
    pictures = counted(num_pictures, "picture")
    print(f"{pictures} translated to {arguments.outputs}{skipped if num_skipped else ''}")
