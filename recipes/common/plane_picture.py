"""A picture of the plane in training: real and generated points, what D says, where G is pulled."""

import numpy as np
import tensorflow as tf

import zoo
from zoo.common.batch_layers import MinibatchDiscrimination
from zoo.common.packing import packed

_PIXELS = 480
_CELLS = 96
_NUM_POINTS = 512
_NUM_REAL_POINTS = 256
_NUM_ARROWS = 64


def draw_plane(
    model: zoo.ModeLabGAN, mixture: zoo.datasets.PointMixture, seed: int = 0
) -> np.ndarray:
    """Draws where a generator's points are, and what moves them.

    Red is where the discriminator finds a point more real than the points of the picture are on
    average, blue where less; of a pack the other places hold real points. Where it judges a point
    by its company alone, as minibatch discrimination does, the ground stays white. Arrows show
    where the generator's loss pulls its points, through the unrolled steps if there are any: their
    length goes with the root of the pull.

    Args:
        model: of points, compiled.
        mixture: what they should be of.
        seed: of the generated points.

    Returns:
        float32 `(480, 480, 3)` in [-1, 1].
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    generated = tf.constant(model.generate(_NUM_POINTS, seed=seed))
    real = mixture.draw(_NUM_POINTS, (seed, 1))
    side = 1.4 * mixture.extent
    figure = Figure(figsize=(4.8, 4.8), dpi=_PIXELS / 4.8)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-side, side), ylim=(-side, side))
    axes.set_axis_off()
    if not _needs_company(model.discriminator):
        field = discriminator_field(model, real, generated, side)
        axes.imshow(
            field,
            extent=(-side, side, -side, side),
            origin="lower",
            cmap="RdBu_r",
            vmin=-1,
            vmax=1,
            alpha=0.6,
            interpolation="bilinear",
        )
    axes.scatter(*real[:_NUM_REAL_POINTS].numpy().T, s=14, marker="+", color="0.25", linewidths=0.7)
    axes.scatter(*generated.numpy().T, s=5, color="#0a7d32", linewidths=0)
    _draw_arrows(axes, model, real, generated, side)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    return pixels.astype(np.float32) / 127.5 - 1.0


def discriminator_field(
    model: zoo.ModeLabGAN, real: tf.Tensor, generated: tf.Tensor, side: float
) -> np.ndarray:
    """Returns what the discriminator says all over a square, with 0 for the average point.

    Args:
        model: of points.
        real, generated: points, as many of each.
        side: half of the square's.

    Returns:
        float32 `(96, 96)` in (-1, 1), from the bottom up; ½ is as far above the average as the
        furthest tenth of the points are from it.
    """
    ticks = np.linspace(-side, side, _CELLS, dtype=np.float32)
    places = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    number = len(real) // model.packing * model.packing
    of_real = model.discriminator(packed(real[:number], model.packing), training=False)
    of_generated = model.discriminator(packed(generated[:number], model.packing), training=False)
    of_points = np.concatenate([of_real, of_generated])[:, 0]
    company = real[: model.packing - 1].numpy().ravel()
    packs = np.concatenate([places, np.tile(company, (len(places), 1))], axis=-1)
    field = np.asarray(model.discriminator(packs.astype(np.float32), training=False))
    average = of_points.mean()
    scale = max(np.quantile(np.abs(of_points - average), 0.9), 1e-6)
    above = field.reshape(_CELLS, _CELLS) - average
    return above / (np.abs(above) + scale)


def _needs_company(discriminator) -> bool:
    return any(isinstance(x, MinibatchDiscrimination) for x in discriminator._flatten_layers())


def _draw_arrows(axes, model, real: tf.Tensor, generated: tf.Tensor, side: float) -> None:
    pulls = model.pulls(real, generated).numpy()
    lengths = np.linalg.norm(pulls, axis=-1, keepdims=True)
    longest = lengths[:_NUM_ARROWS].max()
    if not longest > 0:
        return
    shown = pulls / np.sqrt(np.maximum(lengths * longest, 1e-30))
    points, shown = generated.numpy()[:_NUM_ARROWS], shown[:_NUM_ARROWS] * 0.2 * side
    axes.quiver(*points.T, *shown.T, angles="xy", scale_units="xy", scale=1, width=0.003)
