"""Networks that translate images to images of the same size, beside the one of CycleGAN's paper.

They take images in [-1, 1] of any size that their strides divide, and give as many.
"""

import keras
import tensorflow as tf
from keras import initializers, layers

from zoo.common.layers import ReflectionPadding2D

# Layers that make of each image what they would make of it in any batch.
_EACH_IMAGE_ALONE = (
    *(layers.InputLayer, layers.Conv2D, layers.Conv2DTranspose, layers.LayerNormalization),
    *(layers.ReLU, layers.LeakyReLU, layers.Activation, layers.Add, layers.Concatenate),
    *(layers.ZeroPadding2D, layers.Cropping2D, ReflectionPadding2D),
)

# === Parts ===


def instance_norm(x):
    """Normalises each channel of each image, as CycleGAN's authors do: without scale and offset."""
    # Over height and width: bit for bit group normalisation with a group a channel, which reshapes
    # to and fro, so that a step takes a quarter longer to trace.
    return layers.LayerNormalization(axis=(1, 2), epsilon=1e-5, center=False, scale=False)(x)


def convolution(x, filters: int, kernel_size: int, strides: int = 1, padding: str = "valid"):
    """Applies a convolution whose weights start at N(0, 0.02)."""
    initializer = initializers.RandomNormal(0.0, 0.02)
    return layers.Conv2D(filters, kernel_size, strides, padding, kernel_initializer=initializer)(x)


def transposed_convolution(x, filters: int, kernel_size: int):
    """Doubles both sides by a transposed convolution whose weights start at N(0, 0.02)."""
    initializer = initializers.RandomNormal(0.0, 0.02)
    return layers.Conv2DTranspose(filters, kernel_size, 2, "same", kernel_initializer=initializer)(
        x
    )


def output_convolution(x, filters: int):
    """Applies a 7×7 convolution under reflection padding, the last of a residual generator."""
    # A convolution, for the transpose of one is one too, of the kernel turned around. With as few
    # filters as images have channels, this way takes a third of the time where AVX-512 is missing.
    initializer = initializers.RandomNormal(0.0, 0.02)
    x = ReflectionPadding2D(3)(x)
    x = layers.Conv2DTranspose(filters, 7, padding="same", kernel_initializer=initializer)(x)
    return layers.Cropping2D(3)(x)


def _residual_block(x):
    filters = x.shape[-1]
    y = convolution(ReflectionPadding2D(1)(x), filters, 3)
    y = layers.ReLU()(instance_norm(y))
    y = convolution(ReflectionPadding2D(1)(y), filters, 3)
    return layers.Add()([x, instance_norm(y)])


def residual_features(images, base_filters: int, num_blocks: int):
    """Returns what the first convolution gives, and what is there before the last one.

    Between lie two convolutions of stride 2, the residual blocks at ¼ of the size and two
    transposed convolutions: the generator of Johnson et al. 2016 as CycleGAN has it.

    Args:
        images: `(batch, height, width, channels)`, symbolic; 4 divides both sides.
        base_filters: filters at the full size; twice and four times as many at ½ and ¼ of it.
        num_blocks: residual blocks.
    """
    first = convolution(ReflectionPadding2D(3)(images), base_filters, 7)
    x = layers.ReLU()(instance_norm(first))
    for scale in (2, 4):
        x = convolution(x, scale * base_filters, 3, 2, "same")
        x = layers.ReLU()(instance_norm(x))
    for _ in range(num_blocks):
        x = _residual_block(x)
    for scale in (2, 1):
        x = transposed_convolution(x, scale * base_filters, 3)
        x = layers.ReLU()(instance_norm(x))
    return first, x


# === Generators ===


def build_residual_skip_generator(
    channels: int = 3, base_filters: int = 64, num_blocks: int = 6, name: str = "generator"
) -> keras.Model:
    """Returns CycleGAN's generator with a connection that keeps colours.

    The last convolution also sees what the first one gave, before it was normalised, so that the
    generator knows how bright an image is and of what colour cast. The U-Net's outermost connection
    is the same.

    Args:
        channels: of the images.
        base_filters: filters at the full size; twice and four times as many at ½ and ¼ of it.
        num_blocks: residual blocks at ¼ of the size.
        name: of the network.
    """
    images = keras.Input((None, None, channels), name="images")
    first, x = residual_features(images, base_filters, num_blocks)
    x = output_convolution(layers.Concatenate()([x, first]), channels)
    return keras.Model(images, layers.Activation("tanh", dtype="float32")(x), name=name)


def build_attention_generator(
    channels: int = 3, base_filters: int = 64, num_blocks: int = 6, name: str = "generator"
) -> keras.Model:
    """Returns CycleGAN's generator with a mask, which changes an image in places alone.

        G(x) = mask(x) · content(x) + (1 − mask(x)) · x,  mask(x) in (0, 1) for each pixel

    What is to stay is copied, not drawn anew; what is to go is left out of the sum, and need not be
    cancelled. The layers `mask` and `content` give both parts.

    Args:
        channels: of the images.
        base_filters, num_blocks, name: as for `build_residual_skip_generator`.

    Reference: [Tang et al., 2019](https://arxiv.org/abs/1903.12296). Theirs has a loss that keeps
    the mask from opening or shutting everywhere, and discriminators that see what it lets through.
    """
    images = keras.Input((None, None, channels), name="images")
    _, x = residual_features(images, base_filters, num_blocks)
    x = output_convolution(x, channels + 1)
    content = layers.Activation("tanh", dtype="float32", name="content")(x[..., :channels])
    # A generator that copies its input loses nothing by the cycle, so a mask would soon be shut. If
    # it is normalised, it is open somewhere in every image and shut elsewhere.
    contrast = initializers.Constant(3.0)
    openness = layers.GroupNormalization(groups=-1, epsilon=1e-5, gamma_initializer=contrast)
    mask = layers.Activation("sigmoid", dtype="float32", name="mask")(openness(x[..., channels:]))
    return keras.Model(images, images + mask * (content - images), name=name)


def build_u_net_generator(
    channels: int = 3, base_filters: int = 64, num_scales: int = 5, name: str = "generator"
) -> keras.Model:
    """Returns a U-Net, whose every scale hands its details across to the way back up.

    Args:
        channels: of the images.
        base_filters: filters at ½ of the size; twice as many at each coarser scale, up to 8 times.
        num_scales: halvings; 2 to the power of it must divide the size of the images.
        name: of the network.
    """
    images = keras.Input((None, None, channels), name="images")
    filters = [base_filters * min(8, 2**scale) for scale in range(num_scales)]
    x, details = images, []
    for scale, number in enumerate(filters):
        x = convolution(x, number, 4, 2, "same")
        x = instance_norm(x) if 0 < scale < num_scales - 1 else x
        details.append(x)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
    for number, detail in zip(filters[-2::-1], details[-2::-1], strict=True):
        x = instance_norm(transposed_convolution(layers.ReLU()(x), number, 4))
        x = layers.Concatenate()([x, detail])
    x = transposed_convolution(layers.ReLU()(x), channels, 4)
    return keras.Model(images, layers.Activation("tanh", dtype="float32")(x), name=name)


def build_generator(
    architecture: str, channels: int, base_filters: int, num_blocks: int, name: str
) -> keras.Model:
    """Returns the generator of one of `ARCHITECTURES`; a U-Net has scales and no blocks."""
    if architecture == "u_net":
        return build_u_net_generator(channels, base_filters, name=name)
    build = {
        "residual_skip": build_residual_skip_generator,
        "attention": build_attention_generator,
    }[architecture]
    return build(channels, base_filters, num_blocks, name)


def train_on_both(network: keras.Model, images, others) -> tuple[tf.Tensor, tf.Tensor]:
    """Calls a network in training on two batches; once on both, if it treats each image alone.

    Then weights are read and their gradients written once, which with few images a batch is much of
    a step; and the numbers differ by rounding. A network with batch norm, dropout or layers of
    which nothing is known is called twice.

    Args:
        network: of one input and one output.
        images, others: `(batch, height, width, channels)`, of one size; as many or not.

    Returns:
        What it gives of either.
    """
    if any(type(layer) not in _EACH_IMAGE_ALONE for layer in network.operations):
        return network(images, training=True), network(others, training=True)
    given = network(tf.concat([images, others], axis=0), training=True)
    return given[: tf.shape(images)[0]], given[tf.shape(images)[0] :]


def multiple_of_sides(network: keras.Model) -> int:
    """Finds what must divide the sides of images for a network to give images of the same size.

    Args:
        network: images → images.

    Returns:
        A power of two to 256; 1 if the network takes images of one size alone, which its input
        says, or none of these.
    """
    height, width, channels = network.input_shape[1:]
    if height is None and width is None:
        for multiple in (2**halvings for halvings in range(9)):
            # Odd beyond the multiple, and wide enough for paddings by reflection.
            images = keras.KerasTensor((1, 15 * multiple, 15 * multiple, channels))
            try:
                if network.compute_output_spec(images).shape == images.shape:
                    return multiple
            except ValueError:  # maps that don't fit together
                continue
    return 1


ARCHITECTURES = ("residual_skip", "attention", "u_net")
