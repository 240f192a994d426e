"""What a run says of the balance between its players."""

import sys
from collections.abc import Mapping

import keras
from tqdm import tqdm


class DiscriminatorWinNotice(keras.callbacks.Callback):
    """Says once, in a line on standard error, that the discriminator has won.

    It has where it takes next to none of the generated images for real (`generated_score`) for two
    epochs on end; the generator then hardly learns any more. Of variants whose discriminator gives
    no probability, and so no such score, nothing is said.

    Args:
        floor: mean `generated_score` of an epoch below which it has won. Defaults to 0.01: the
            semi-supervised game stays above 0.05 in balance, and falls to 0.001 when it is lost.
    """

    def __init__(self, floor: float = 0.01) -> None:
        super().__init__()
        self.floor = floor
        self._epochs_below = 0
        self._has_told = False

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self._epochs_below = 0
        self._has_told = False

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        score = (logs or {}).get("generated_score")
        is_below = score is not None and score < self.floor
        self._epochs_below = self._epochs_below + 1 if is_below else 0
        if self._epochs_below < 2 or self._has_told:
            return
        self._has_told = True
        tqdm.write(
            f"The discriminator has won: since epoch {epoch} it takes {score:.1%} of the generated "
            "images for real. Go back to an earlier checkpoint, with a lower learning rate of the "
            "generator.",
            file=sys.stderr,
        )
