"""The extractor around the Inception network, with a small module in its place."""

import numpy as np
import pytest
import tensorflow as tf

from zoo import metrics


class MeanColours(tf.Module):
    """Takes and gives what TF-GAN's module does; its features are the mean of each channel."""

    @tf.function(input_signature=[tf.TensorSpec((None, 299, 299, 3), tf.float32)])
    def __call__(self, images):
        means = tf.reduce_mean(images, axis=(1, 2), keepdims=True)
        return {"pool_3": tf.pad(means, [[0, 0], [0, 0], [0, 0], [0, 2045]]), "logits": means}


@pytest.fixture(scope="module")
def extractor(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("hub") / "module")
    tf.saved_model.save(MeanColours(), folder)
    return metrics.inception_extractor(folder)


def test_resizes_and_gives_the_features_of_the_last_pooling(extractor):
    colours = np.array([[-1.0, 0.0, 0.5], [0.25, 1.0, -0.5]], np.float32)
    features = extractor(np.ones((2, 8, 6, 3), np.float32) * colours[:, None, None])
    assert features.shape == (2, 2048) and features.dtype == tf.float32
    np.testing.assert_allclose(features[:, :3], colours, atol=1e-5)


def test_grey_images_become_three_equal_channels(extractor):
    features = extractor(np.full((1, 8, 8, 1), 0.5, np.float32))
    np.testing.assert_allclose(features[0, :4], [0.5, 0.5, 0.5, 0.0], atol=1e-5)


def test_serves_a_measure(extractor):
    measure = metrics.KernelDistance(extractor, block_size=4)
    real = np.random.RandomState(0).uniform(-1, 1, (4, 8, 8, 3)).astype(np.float32)
    measure.update_state(real, -real)
    assert np.isfinite(measure.result())
    assert not extractor.weights


def test_scores_are_stamped_with_the_module_and_the_resizing(extractor):
    (stamp,) = metrics.stamps_of(
        metrics.FrechetDistance(extractor), num_real=4, num_generated=4, split="", seed=0
    ).values()
    assert len(stamp.extractor) == 12 and int(stamp.extractor, 16)
    assert stamp.resizing == "299 pixels, bilinear, not antialiased"


def test_without_the_module_it_says_what_to_use(tmp_path):
    with pytest.raises(RuntimeError, match="could not be loaded.*load_classifier") as raised:
        metrics.inception_extractor(str(tmp_path / "nothing"))
    assert "\n" not in str(raised.value)
