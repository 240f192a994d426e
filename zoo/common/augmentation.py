"""Differentiable augmentation: the same random changes for real and for generated images.

A discriminator that sees every image changed at random can't learn the few it is given by heart.
The generator's gradient passes through the change, so it learns the images as they were.

References: [Zhao et al., 2020](https://arxiv.org/abs/2006.10738) (changes, there "DiffAugment"),
[Karras et al., 2020](https://arxiv.org/abs/2006.06676) (how many images to change, there "ADA").
"""

import keras
import tensorflow as tf

from zoo.common.checks import as_integer
from zoo.common.replicas import draw_uniform, global_mean

# In the order in which they are done.
AUGMENTATIONS = ("colour", "shift", "cutout")
ALL_AUGMENTATIONS = ",".join(AUGMENTATIONS)
SHIFTED_SHARE = 1 / 8
CUT_SHARE = 1 / 2


def check_augmentation(augmentation: str) -> None:
    """Refuses what names no changes of images.

    Raises:
        ValueError: naming those there are.
    """
    names = augmentation.split(",") if isinstance(augmentation, str) and augmentation else []
    valid = isinstance(augmentation, str) and set(names) <= set(AUGMENTATIONS)
    if not valid or len(set(names)) < len(names):
        raise ValueError(
            f"`augmentation` must name some of {', '.join(AUGMENTATIONS)}, with commas between, or "
            f"be '' for none. Received: augmentation={augmentation!r}"
        )


def augment(images: tf.Tensor, augmentation: str, seed, probability=1.0) -> tf.Tensor:
    """Changes each image at random, in ways that let gradients through.

    - `colour`: brightness by up to ±0.5, saturation by a factor of 0 to 2, contrast of 0.5 to 1.5;
    - `shift`: by up to an eighth of the side either way; mirrored pixels come in at the border;
    - `cutout`: a rectangle of half the sides, anywhere, becomes 0, grey.

    Draws are for the global batch, so two replicas draw together what one would alone.

    Args:
        images: `(batch, height, width, channels)`, pixels in [-1, 1]; they may leave it.
        augmentation: names of the changes, with commas between; see `check_augmentation`.
        seed: two integers, as for `tf.random.stateless_uniform`. The same seed changes other images
            of as many in the same ways.
        probability: with which each of the changes is made to an image, a float or scalar tensor.
            At 0 images are as they were, bit for bit.

    Returns:
        The changed images.
    """
    names = augmentation.split(",") if augmentation else []
    seeds = tf.unstack(tf.random.split(seed, num=2 * len(AUGMENTATIONS)))
    for number, name in enumerate(AUGMENTATIONS):
        if name not in names:
            continue
        changed = _CHANGES[name](images, seeds[2 * number])
        is_changed = draw_uniform((tf.shape(images)[0], 1, 1, 1), seeds[2 * number + 1])
        images = tf.where(is_changed < probability, changed, images)
    return images


def change_colours(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Changes brightness, saturation and contrast of each image.

    Args:
        images: `(batch, height, width, channels)`.
        draws: `(batch, 3)` in [0, 1]: how much to brighten, saturate and stretch; ½ is not at all.
    """
    brightness, saturation, contrast = (
        tf.cast(draw[:, tf.newaxis, tf.newaxis, tf.newaxis], images.dtype)
        for draw in tf.unstack(draws, axis=1)
    )
    images += brightness - 0.5
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    images = grey + (images - grey) * (2.0 * saturation)
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + (images - mean) * (contrast + 0.5)


def _change_colours_at_random(images: tf.Tensor, seed) -> tf.Tensor:
    return change_colours(images, draw_uniform((tf.shape(images)[0], 3), seed))


def draw_shifts(batch_size, most: int, seed) -> tf.Tensor:
    """Draws how far each image of this replica is to be shifted.

    Args:
        batch_size: images of this replica.
        most: pixels, up to which each shift is, either way.
        seed: two integers, as for `tf.random.stateless_uniform`.

    Returns:
        int32 `(batch_size, 2)`: pixels down and pixels to the right, from -most to most.
    """
    draws = tf.floor(draw_uniform((batch_size, 2), seed) * (2 * most + 1))
    return tf.cast(draws, tf.int32) - most


def shift_images(images: tf.Tensor, shifts: tf.Tensor) -> tf.Tensor:
    """Shifts each image by its own number of pixels; mirrored pixels come in at the border.

    Args:
        images: `(batch, height, width, channels)`.
        shifts: int32 `(batch, 2)`, down and to the right, no larger than height and width.

    Returns:
        The shifted images, differentiable with respect to `images`.
    """
    rows = _mirrored(shifts[:, :1], images.shape[1])
    columns = _mirrored(shifts[:, 1:], images.shape[2])
    images = tf.gather(images, rows, axis=1, batch_dims=1)
    return tf.gather(images, columns, axis=2, batch_dims=1)


def _mirrored(shifts: tf.Tensor, size: int) -> tf.Tensor:
    """Returns which pixel of `size` lands on each, `(batch, size)`; beyond the border, mirrored."""
    source = tf.range(size) - shifts
    source = tf.where(source < 0, -1 - source, source)
    return tf.where(source >= size, 2 * size - 1 - source, source)


def _shift_at_random(images: tf.Tensor, seed) -> tf.Tensor:
    most = int(SHIFTED_SHARE * min(images.shape[1:3]))
    return shift_images(images, draw_shifts(tf.shape(images)[0], most, seed))


def cut_out(images: tf.Tensor, centres: tf.Tensor) -> tf.Tensor:
    """Makes a rectangle of each image grey, half as high and wide as the image.

    Args:
        images: `(batch, height, width, channels)`.
        centres: `(batch, 2)` in [0, 1], down and to the right; what is beyond the border is lost.
    """
    masks = []
    for centre, size in zip(tf.unstack(centres, axis=1), images.shape[1:3], strict=True):
        cut = int(CUT_SHARE * size)
        first = tf.cast(tf.floor(centre * (size + 1)), tf.int32) - cut // 2
        places = tf.range(size) - first[:, tf.newaxis]
        masks.append((places >= 0) & (places < cut))
    is_cut = masks[0][:, :, tf.newaxis, tf.newaxis] & masks[1][:, tf.newaxis, :, tf.newaxis]
    return tf.where(is_cut, tf.zeros_like(images), images)


def _cut_out_at_random(images: tf.Tensor, seed) -> tf.Tensor:
    return cut_out(images, draw_uniform((tf.shape(images)[0], 2), seed))


_CHANGES = {
    "colour": _change_colours_at_random,
    "shift": _shift_at_random,
    "cutout": _cut_out_at_random,
}


class AdaptiveProbability(keras.layers.Layer):
    """With which probability images are to be changed: as often as the discriminator overfits.

    The sign of D's logits tells it: r = E[sign D(x)] over real images goes to 1 when D knows them.
    At every 4th step the probability p moves towards more if r is above the target, else to less:

        p ← p + sign(r − target) · images of the last 4 batches / `num_images`,  within [0, 1]

    with r the mean over those steps. It is saved with the model that has it as an attribute.

    Args:
        num_images: images over which p could go from 0 to 1. Defaults to 500,000, as in the
            authors' code.
        target: of r. Defaults to 0.6, as there.
        interval: steps from one change of p to the next. Defaults to 4, as there.

    Raises:
        ValueError: if `num_images` or `interval` is not a positive integer.

    Reference: [Karras et al., 2020](https://arxiv.org/abs/2006.06676), section 3
    """

    def __init__(self, num_images: int = 500_000, target: float = 0.6, interval: int = 4, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(trainable=False, **kwargs)
        self.num_images = as_integer("num_images", num_images)
        self.target = target
        self.interval = as_integer("interval", interval)
        # Equal on every replica, so that any one of them speaks for all.
        options = {
            "shape": (),
            "initializer": "zeros",
            "trainable": False,
            "aggregation": "only_first_replica",
        }
        self.probability = self.add_weight(name="probability", **options)
        self.sum_of_signs = self.add_weight(name="sum_of_signs", **options)
        self.num_steps = self.add_weight(name="num_steps", dtype="int64", **options)
        self.built = True

    def update(self, real_logits: tf.Tensor) -> tf.Tensor:
        """Counts what D says of a batch of real images, and moves p at every `interval`-th time.

        Args:
            real_logits: `(batch, ...)`, above 0 where D takes an image for real; for objectives
                of which that is another number, less `Objective.undecided_output`.

        Returns:
            p from now on, a scalar.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        global_batch = tf.cast(tf.shape(real_logits)[0] * replicas, tf.float32)
        sign = global_mean(tf.reduce_mean(tf.sign(tf.cast(real_logits, tf.float32))))
        num_steps = self.num_steps.value + 1
        sum_of_signs = self.sum_of_signs.value + sign
        is_due = tf.equal(num_steps, self.interval)
        direction = tf.sign(sum_of_signs / self.interval - self.target)
        step = direction * global_batch * self.interval / self.num_images
        moved = tf.clip_by_value(self.probability.value + step, 0.0, 1.0)
        probability = tf.where(is_due, moved, self.probability.value)
        self.probability.assign(probability)
        self.sum_of_signs.assign(tf.where(is_due, 0.0, sum_of_signs))
        self.num_steps.assign(tf.where(is_due, tf.zeros_like(num_steps), num_steps))
        return probability

    def get_config(self):
        """Returns the arguments that rebuild this one, at probability 0."""
        return {
            **super().get_config(),
            "num_images": self.num_images,
            "target": self.target,
            "interval": self.interval,
        }
