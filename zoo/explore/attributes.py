"""What a classifier says of the attributes of images, such as smiles and glasses."""

from collections.abc import Mapping

import keras
import numpy as np

from zoo.explore.subjects import BATCH_SIZE, images_of
from zoo.metrics.classifier import Classifier


class Attributes:
    """Tells which attributes images have, by a classifier of the data set's own attributes.

    Args:
        classifier: as `zoo.metrics.load_classifier` gives it.
        command: what is asked, for the message.

    Attributes:
        names: of the attributes.
        description: of the classifier, to quote beside every number.

    Raises:
        ValueError: if the classifier knows no attributes.
    """

    def __init__(self, classifier: Classifier, command: str) -> None:
        if classifier.attribute_model is None:
            raise ValueError(
                f"{command} needs images whose attributes are known, such as drawn_faces or "
                f"celeb_a. Received: {classifier.description}"
            )
        self._model: keras.Model = classifier.attribute_model
        self.names: tuple[str, ...] = classifier.attribute_names
        self.description = classifier.description

    def index(self, name: str) -> int:
        """Returns the number of an attribute; a ValueError that names all if there is none."""
        if name not in self.names:
            raise ValueError(
                f"There is no attribute {name!r}; the classifier knows {', '.join(self.names)}."
            )
        return self.names.index(name)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Returns the probability of each attribute, float32 `(number, attributes)`."""
        return self._model.predict(np.asarray(images), batch_size=BATCH_SIZE, verbose=0)

    def of_latents(self, model: keras.Model, latents) -> np.ndarray:
        """Returns the probabilities for the images that latents make, a batch at a time."""
        parts = [
            self.probabilities(images_of(model, latents[first : first + BATCH_SIZE]))
            for first in range(0, len(latents), BATCH_SIZE)
        ]
        return np.concatenate(parts)


def shown(wanted: Mapping[str, bool]) -> str:
    """Writes attributes as a row's name: `Smiling` above `not Male`."""
    return "\n".join(name if present else f"not {name}" for name, present in wanted.items())


def rows_with(
    probabilities: np.ndarray, attributes: Attributes, wanted: Mapping[str, bool], least: float
) -> np.ndarray:
    """Returns the rows with attributes as wanted, each of a probability of `least` or more."""
    fits = np.ones(len(probabilities), bool)
    for name, present in wanted.items():
        column = probabilities[:, attributes.index(name)]
        fits &= (column if present else 1.0 - column) >= least
    return np.flatnonzero(fits)


def direction_of(
    latents: np.ndarray, probabilities: np.ndarray, attributes: Attributes, name: str
) -> np.ndarray:
    """Returns the direction in which an attribute appears: that of a logistic regression's weights.

    Args:
        latents: float32 `(number, latent_dim)`.
        probabilities: of the images they make.
        attributes: that gave these.
        name: of the attribute.

    Returns:
        float32 `(latent_dim,)`, of length 1.

    Raises:
        ValueError: if all or none of the images have the attribute.
    """
    from sklearn.linear_model import LogisticRegression

    has = probabilities[:, attributes.index(name)] >= 0.5
    if has.all() or not has.any():
        raise ValueError(
            f"{'All' if has.all() else 'None'} of {len(has)} generated images have the attribute "
            f"{name!r}, so nothing tells where it lies. Take another attribute, or train the model "
            "for longer."
        )
    fitted = LogisticRegression(C=0.1, class_weight="balanced", max_iter=500).fit(latents, has)
    weights = fitted.coef_[0]
    return (weights / np.linalg.norm(weights)).astype(np.float32)
