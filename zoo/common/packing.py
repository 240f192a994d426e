"""Packing: a discriminator that judges several images at once sees a generator repeat itself."""

import tensorflow as tf

from zoo.common.checks import with_images


def packed(images: tf.Tensor, num_images: int) -> tf.Tensor:
    """Packs images that follow each other in the batch, all real or all generated.

    A discriminator of packs takes `num_images` times as many channels, and gives one logit a pack;
    else it is as before. Those left over at the end fill no pack and are left out.

    Args:
        images: `(batch, height, width, channels)`, or points `(batch, numbers)`.
        num_images: m, of each pack. With 1 they stay as they are.

    Returns:
        `(packs, height, width, m · channels)`, the channels of the first image of a pack first; or
        `(packs, m · numbers)`.

    Raises:
        InvalidArgumentError: when the step runs, if there are too few for one pack, of which a loss
            would be no number.

    Reference: [Lin et al., 2018](https://arxiv.org/abs/1712.04086)
    """
    if num_images == 1:
        return images
    images = with_images(
        images,
        num_images,
        f"A batch, or a replica's share of it, must fill a pack of {num_images} images; leave out "
        "a smaller last one by drop_remainder=True.",
    )
    num_packs = tf.shape(images)[0] // num_images
    of_one = images.shape[1:]
    packs = tf.reshape(images[: num_packs * num_images], (num_packs, num_images, *of_one))
    last = len(of_one)
    packs = tf.transpose(packs, (0, *range(2, last + 1), 1, last + 1))
    return tf.reshape(packs, (num_packs, *of_one[:-1], num_images * of_one[-1]))


def check_packs(batch, num_images: int) -> None:
    """Refuses a batch that does not fill its packs.

    Raises:
        ValueError: naming its size.
    """
    if len(batch) % num_images:
        raise ValueError(
            f"The images of a batch must fill packs of packing={num_images}. Received: a batch of "
            f"{len(batch)}"
        )
