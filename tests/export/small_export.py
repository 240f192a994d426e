"""A small model to export, and ways to damage what was exported."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import keras

import zoo

# By hand, so that no digest holds them.
TO_BE_COMPLETED = ("model_card.md", "README.md", "samples.png")
COPIES = ("truncated", "deleted", "flipped", "another's")


def small_model() -> zoo.VanillaGAN:
    """Of few layers, for each is traced several times."""
    keras.utils.set_random_seed(0)
    latents = keras.Input((3,))
    pixels = keras.layers.Dense(784, "tanh")(latents)
    images = keras.Input((28, 28, 1))
    logits = keras.layers.Dense(1)(keras.layers.Flatten()(images))
    return zoo.VanillaGAN(
        latent_dim=3,
        generator=keras.Model(latents, keras.layers.Reshape((28, 28, 1))(pixels)),
        discriminator=keras.Model(images, logits),
    )


def damaged(folder: Path, other: Path, place: Path, damage: str) -> Iterator[tuple[Path, Path]]:
    """Damages one file of a copy of an export after the other, but for the card.

    Args:
        folder: the export.
        other: another, of files of the same names.
        place: where the copies go.
        damage: one of `COPIES`.

    Yields:
        The file that is damaged, and the folder of the export.
    """
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    files = [path.relative_to(folder) for path in paths if path.name not in TO_BE_COMPLETED]
    assert len(files) >= 6  # four of the SavedModel, the manifest and what was recorded
    for number, name in enumerate(files):
        broken = place / f"{damage} {number}"
        shutil.copytree(folder, broken)
        path = broken / name
        content = bytearray(path.read_bytes())
        if damage == "truncated":
            path.write_bytes(content[: len(content) // 2])
        elif damage == "deleted":
            path.unlink()
        elif damage == "flipped":
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        else:
            shutil.copy(other / name, path)
        yield path, broken
        shutil.rmtree(broken)
