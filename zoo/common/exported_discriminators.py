"""What an export tells by its model's discriminators: their judgement and their features."""

import keras
import tensorflow as tf

from zoo.common import batches
from zoo.common.adversarial import AdversarialModel
from zoo.common.convolution_features import ConvolutionFeatures, ends_of_convolutions, filled
from zoo.common.exported_functions import from_unit_range, require_images, require_rows

Function = tf.types.experimental.PolymorphicFunction


def discriminator_signatures(model: AdversarialModel, checks: bool = True) -> dict[str, Function]:
    """Returns the functions of a model's discriminators, for `export.save` to pack.

    For each of `model.judges`, `discriminate(images)` gives `logits`, what the model says of images
    in [0, 1], and `features(images)` gives `features`, see `ConvolutionFeatures`. A network without
    convolutions has no features. Of a model of points, `discriminate(points)`.

    Args:
        model: what is exported.
        checks: as for `AdversarialModel.export_signatures`.
    """
    functions = {}
    for suffix, network in model.judges.items():
        functions[f"discriminate{suffix}"] = _discriminate(model, network, checks)
        if ends_of_convolutions(network):
            functions[f"features{suffix}"] = _features(model, network, checks)
    return functions


def _discriminate(model: AdversarialModel, network: keras.Model, checks: bool) -> Function:
    # The sides that the network takes, any of one of patches; of packs, one image's channels.
    own, channels = network.input_shape[1:-1], model.image_shape[-1]
    spec = batches.images_spec((*own, channels), "images" if own else "points")

    @tf.function(input_signature=[spec], autograph=False)
    def discriminate(images):
        images = _prepared(images, checks)
        judgement = model.judgement(network, filled(images, network.input_shape[-1]))
        return {"logits": tf.cast(judgement, tf.float32)}

    return discriminate


def _features(model: AdversarialModel, network: keras.Model, checks: bool) -> Function:
    convolutions = ConvolutionFeatures(network)

    @tf.function(input_signature=[batches.images_spec(model.image_shape)], autograph=False)
    def features(images):
        return {"features": convolutions.of(_prepared(images, checks))}

    return features


def _prepared(images: tf.Tensor, checks: bool) -> tf.Tensor:
    if images.shape.rank == 2:  # points, which may lie anywhere
        return require_rows(images, "points") if checks else images
    return from_unit_range(require_images(images) if checks else images)
