"""Images of one domain with what they are in the other, where that is known."""

import dataclasses

import numpy as np

DIRECTIONS = ("a_to_b", "b_to_a")


@dataclasses.dataclass(frozen=True, eq=False)
class TranslationTruth:
    """Images, and what they are to be translated to.

    Attributes:
        inputs: float32 `(num_images, height, width, channels)`, pixels in [-1, 1].
        answers: float32 `(num_answers, num_images, height, width, channels)`: each right answer for
            each image, one where the input determines it.
        masks: bool `(num_images, height, width, 1)`, true where the translated thing is. Outside of
            it every answer equals the input.

    Raises:
        ValueError: if the shapes do not fit.
    """

    inputs: np.ndarray
    answers: np.ndarray
    masks: np.ndarray

    def __post_init__(self):
        wanted = self.inputs.shape
        if self.answers.ndim != 5 or not len(self.answers) or self.answers.shape[1:] != wanted:
            raise ValueError(
                f"`answers` must have the shape (num_answers, {', '.join(map(str, wanted))}), as "
                f"`inputs` has. Received: answers.shape={self.answers.shape}"
            )
        check_masks(self.masks, wanted)


def check_masks(masks: np.ndarray, shape_of_images: tuple[int, ...]) -> None:
    """Raises a ValueError unless the masks are bool, one for each image of that shape."""
    wanted = (*shape_of_images[:-1], 1)
    if masks.dtype != bool or masks.shape != wanted:
        raise ValueError(
            f"Masks must be bool of shape {wanted}. Received: {masks.dtype} of shape {masks.shape}"
        )
