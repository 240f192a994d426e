"""What one probe batch tells of a model in training: numbers, at ends of epochs, beside the game.

Images are looked at as the model makes them outside of training, by its averages if it has them.
For gradients the networks are called as in training, and all that such a call changes, batch norm's
averages and the states of noise layers, is put back: a run that is looked at goes on as one that is
not.
"""

import contextlib
from collections.abc import Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

from zoo.common.adversarial import AdversarialModel
from zoo.common.latent_model import LatentModel
from zoo.common.packing import packed
from zoo.common.probes import Probe

MAX_IMAGES = 64
# As many again for gradients would take twice as long, and tell as much.
_GRADIENT_IMAGES = 32
# Images that are made again in other company.
_KEPT_IMAGES = 16
# Cells along either side of what is left of an image to see where it moves.
_COARSE_SIDE = 8
# Of the variance within mean images that of the data's needs, to say what is light and what dark.
_LEAST_CONTRAST = 0.05


def probe_batch(data: tf.data.Dataset, max_images: int = MAX_IMAGES):
    """Returns the first rows of a data set as one batch, of its structure.

    Args:
        data: batches as for `fit`.
        max_images: rows, of which there may be fewer. Defaults to 64.
    """
    batches = [next(iter(data))]
    batch_size = len(tf.nest.flatten(batches[0])[0])
    if batch_size < max_images:
        batches = list(data.take(-(-max_images // batch_size)))
    joined = tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), *batches)
    return tf.nest.map_structure(lambda rows: rows[:max_images], joined)


def measure(model: AdversarialModel, batch, batch_size: int) -> tuple[dict[str, float], list]:
    """Looks at a model.

    Under several replicas it does so without company and gradients.

    Args:
        model: compiled.
        batch: of `probe_batch`.
        batch_size: images that the generator makes in a call in training.

    Returns:
        The numbers by name, and where the generated images lie: those of each generator, coarsened
        and averaged, in units of the spread of real ones. Of several generators a name ends with
        `_` and what tells them apart:

        - `variety`, the variance among generated images, over that among real ones;
        - `nearest`, the distance of a generated image to the one most like it, likewise;
        - `lightness`, the correlation of the mean images, or of translations with their sources,
          unless the data themselves say nothing of it;
        - `company`, how far the same latents' image moves with the company it has in its batch,
          over the distance of two images; 0 without batch norm;
        - `<player>_real_gradient_norm`, `<player>_generated_gradient_norm`: what either half of the
          images adds to the gradient of the objective; of models that have one.
    """
    numbers, centres = _of_probes(model.probe(batch))
    if model.distribute_strategy.num_replicas_in_sync > 1:
        return numbers, centres
    with unchanged(model):
        numbers |= _company(model, batch_size)
        some = tf.nest.map_structure(lambda rows: rows[:_GRADIENT_IMAGES], batch)
        numbers |= gradient_halves(model, some)
    return numbers, centres


@contextlib.contextmanager
def unchanged(model: keras.Model) -> Iterator[None]:
    """Puts all variables of a model's networks back as they were."""
    networks = {id(n): n for networks in model.players.values() for n in networks}.values()
    # Spectral norm writes to what is trained, so it is not enough to keep the other variables.
    variables = {id(v): v for network in networks for v in network.variables}.values()
    kept = [(variable, tf.identity(variable.value)) for variable in variables]
    try:
        yield
    finally:
        for variable, value in kept:
            variable.assign(value)


# === Images ===


def _of_probes(probes: Mapping[str, Probe]) -> tuple[dict[str, float], list]:
    numbers, centres = {}, []
    for name, probe in probes.items():
        ending = f"_{name}" if name else ""
        for key, value in _of_probe(probe).items():
            numbers[f"{key}{ending}"] = value
        centres += _centre(probe)
    return numbers, centres


def _of_probe(probe: Probe) -> dict[str, float]:
    real, generated = (_rows(images) for images in (probe.real_images, probe.generated_images))
    numbers = {
        "variety": _ratio(generated.var(axis=0).sum(), real.var(axis=0).sum()),
        "nearest": _ratio(_nearest(generated), _nearest(real)),
    }
    if probe.real_images.shape.rank == 4:
        lightness = _lightness(probe)
        if lightness is not None:
            numbers["lightness"] = lightness
    return numbers


def _rows(images: tf.Tensor) -> np.ndarray:
    return np.asarray(images, np.float32).reshape(len(images), -1)


def _ratio(of_generated: float, of_real: float) -> float:
    return float(of_generated / max(of_real, 1e-12))


def _nearest(rows: np.ndarray) -> float:
    """Returns the median distance of a row to the nearest other."""
    squares = np.square(rows).sum(axis=1)
    distances = squares[:, None] + squares - 2.0 * rows @ rows.T
    np.fill_diagonal(distances, np.inf)
    return float(np.sqrt(np.maximum(np.median(distances.min(axis=1)), 0.0)))


def _lightness(probe: Probe) -> float | None:
    real, generated = _rows(probe.real_images), _rows(probe.generated_images)
    if probe.source_images is None:
        has_contrast = real.mean(axis=0).var() > _LEAST_CONTRAST * real.var()
        return _correlation(generated.mean(axis=0), real.mean(axis=0)) if has_contrast else None
    source = _rows(probe.source_images)
    if _correlation(source.mean(axis=0), real.mean(axis=0)) < -0.5:
        return None  # the domains themselves are each other's negatives
    pairs = zip(generated, source, strict=True)
    return float(np.mean([_correlation(made, of) for made, of in pairs]))


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first - first.mean(), second - second.mean()
    scale = np.sqrt(np.square(first).sum() * np.square(second).sum())
    return float((first * second).sum() / scale) if scale > 1e-6 else 0.0


def _centre(probe: Probe) -> list[float]:
    real, generated = (_rows(_coarse(i)) for i in (probe.real_images, probe.generated_images))
    spread = max(np.sqrt(real.var(axis=0).sum()), 1e-6)
    return [float(number) for number in (generated.mean(axis=0) - real.mean(axis=0)) / spread]


def _coarse(images: tf.Tensor) -> tf.Tensor:
    if images.shape.rank != 4:
        return images
    side = min(_COARSE_SIDE, *images.shape[1:3])
    return tf.image.resize(tf.cast(images, tf.float32), (side, side), "area")


# === Company ===


def _company(model: AdversarialModel, batch_size: int) -> dict[str, float]:
    if not isinstance(model, LatentModel) or model.condition is not None or batch_size < 2:
        return {}
    kinds = (type(layer) for layer in model.generator._flatten_layers())
    if not any(issubclass(kind, keras.layers.BatchNormalization) for kind in kinds):
        return {}
    size = min(batch_size, MAX_IMAGES)
    num_kept = max(1, size // 4)
    moved, images = [], []
    for number in range(-(-_KEPT_IMAGES // num_kept)):
        seed = model.stream_seed("company", number)
        latents = model.prior.draw(2 * size - num_kept, seed)
        first, second = latents[:size], tf.concat([latents[:num_kept], latents[size:]], axis=0)
        with unchanged(model):  # or noise layers would draw other noise
            one = _rows(model.generator(first, training=True))
        other = _rows(model.generator(second, training=True))
        moved.append(np.square(one[:num_kept] - other[:num_kept]).sum(axis=1).mean())
        images += [one, other]
    # Two draws from one distribution lie twice its variance apart.
    return {"company": _ratio(np.mean(moved), 2.0 * np.concatenate(images).var(axis=0).sum())}


# === Gradients ===


def gradient_halves(model: AdversarialModel, batch) -> dict[str, float]:
    """Returns how much of each player's gradient comes of real and of generated images.

    Two feedback loops make the game: the discriminator is corrected by real images, which are the
    truth, and the generator by the discriminator, which it in turn corrects. The discriminator's
    gradient is the sum of both halves. The generator's has but one, for no real image passes
    through it. Penalties, and changes of images, are left out.

    Args:
        model: of two players with an objective and no condition; for others there are no numbers.
        batch: as `train_step` takes it. The networks are called as in training, so do it within
            `unchanged`.
    """
    objective = model.objective
    discriminator = getattr(model, "discriminator", None)
    if objective is None or discriminator is None or getattr(model, "condition", None) is not None:
        return {}
    packing = getattr(model, "packing", 1)
    with tf.GradientTape(persistent=True) as tape:
        (probe,) = model.probe(batch, training=True).values()
        real_logits = discriminator(packed(probe.real_images, packing), training=True)
        generated_logits = discriminator(packed(probe.generated_images, packing), training=True)
        seed = model.stream_seed("probe_labels")
        stop = tf.stop_gradient
        losses = {
            "discriminator_real": objective.discriminator_loss(
                real_logits, stop(generated_logits), seed=seed
            ),
            "discriminator_generated": objective.discriminator_loss(
                stop(real_logits), generated_logits, seed=seed
            ),
            "generator_generated": objective.generator_loss(generated_logits, real_logits),
        }
    norms = {}
    for name, loss in losses.items():
        variables = model.trainable_variables_of(name.partition("_")[0])
        gradients = [g for g in tape.gradient(loss, variables) if g is not None]
        norms[f"{name}_gradient_norm"] = float(tf.linalg.global_norm(gradients))
    return norms
