"""Feature matching and the losses of the K-class discriminator against their formulas."""

import numpy as np
import pytest
import tensorflow as tf

from tests.loss_checks import (
    assert_gradient_is_the_slope,
    assert_two_replicas_equal_one,
    softplus,
    tensor,
)
from zoo.common import semi_supervised_losses as losses
from zoo.common.tfgan import tfgan


def log_sum_exp(logits: np.ndarray) -> np.ndarray:
    return np.logaddexp.reduce(logits, axis=-1)


# === Feature matching ===


def test_feature_matching_by_hand() -> None:
    real_features = tensor(np.array([[1.0, 2.0], [3.0, 6.0]]))
    generated_features = tensor(np.array([[0.0, 0.0], [2.0, 2.0], [1.0, 1.0]]))
    # Means (2, 4) and (1, 1): differences 1 and 3.
    assert float(losses.feature_matching(real_features, generated_features)) == 5.0
    assert float(losses.feature_matching(real_features, generated_features, order=1)) == 2.0


@pytest.mark.parametrize("order", [1, 2])
def test_feature_matching_has_the_slope_of_its_formula(order: int) -> None:
    random = np.random.default_rng(0)
    real_features, generated_features = random.normal(size=(2, 3, 2, 2))

    def expected(generated: np.ndarray) -> float:
        difference = real_features.mean(axis=0) - generated.mean(axis=0)
        return np.mean(np.abs(difference) ** order)

    assert_gradient_is_the_slope(
        lambda generated: losses.feature_matching(tensor(real_features), generated, order),
        expected,
        generated_features,
    )


def test_feature_matching_refuses_what_it_cannot_match() -> None:
    with pytest.raises(ValueError, match="`order=3`"):
        losses.feature_matching(tf.zeros((2, 3)), tf.zeros((2, 3)), order=3)
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 1\)"):
        losses.feature_matching(tf.zeros((2, 3)), tf.zeros((2, 1)))


# === The semi-supervised discriminator ===


def random_logits(num_classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    real_logits, generated_logits = random.normal(scale=4.0, size=(2, 6, num_classes))
    return real_logits, generated_logits


def test_classes_and_the_fake_class_normalise() -> None:
    logits, _ = random_logits()
    with_fake = tf.concat([tensor(logits), tf.zeros((6, 1))], axis=-1)
    probabilities = tf.nn.softmax(with_fake).numpy()
    real = losses.real_probability(tensor(logits))
    assert real.shape == (6,)
    np.testing.assert_allclose(real, probabilities[:, :10].sum(axis=-1), rtol=1e-5)
    joint = real[:, None] * tf.nn.softmax(tensor(logits))
    np.testing.assert_allclose(joint, probabilities[:, :10], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(1 - real, probabilities[:, 10], rtol=1e-4, atol=1e-7)


def test_unlabelled_loss_is_the_formula_of_the_paper() -> None:
    real_logits, generated_logits = random_logits()
    real, generated = log_sum_exp(real_logits), log_sum_exp(generated_logits)
    expected = (
        -0.5 * np.mean(real) + 0.5 * np.mean(softplus(real)) + 0.5 * np.mean(softplus(generated))
    )
    loss = losses.unlabelled_loss(tensor(real_logits), tensor(generated_logits))
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_unlabelled_loss_of_one_class_is_half_the_two_player_loss() -> None:
    real_logits = tf.constant([[-5.0], [1.4], [12.5], [2.7]])
    generated_logits = tf.constant([[10.0], [4.4], [-5.5], [3.6]])
    two_player_loss = tfgan().losses.wargs.modified_discriminator_loss(
        real_logits, generated_logits, label_smoothing=0.0
    )
    np.testing.assert_allclose(
        losses.unlabelled_loss(real_logits, generated_logits), two_player_loss / 2, rtol=1e-6
    )


def test_unlabelled_loss_has_the_slope_of_its_formula() -> None:
    real_logits, generated_logits = random_logits(num_classes=3)
    assert_gradient_is_the_slope(
        lambda logits: losses.unlabelled_loss(logits, tensor(generated_logits)),
        lambda logits: 0.5 * np.mean(softplus(-log_sum_exp(logits))),
        real_logits,
    )
    assert_gradient_is_the_slope(
        lambda logits: losses.unlabelled_loss(tensor(real_logits), logits),
        lambda logits: 0.5 * np.mean(softplus(log_sum_exp(logits))),
        generated_logits,
    )


def test_unlabelled_loss_keeps_its_digits_when_the_discriminator_is_sure() -> None:
    """In float32, softplus(20) − 20 is 0; the loss is 2e-9."""
    loss = losses.unlabelled_loss(tf.constant([[20.0]]), tf.constant([[-20.0]]))
    np.testing.assert_allclose(loss, np.log1p(np.exp(-20.0)), rtol=1e-5)


def test_labelled_loss_is_the_cross_entropy_of_the_real_classes() -> None:
    logits, _ = random_logits()
    labels = np.array([0, 9, 3, 3, 1, 7])
    expected = np.mean(log_sum_exp(logits) - logits[np.arange(6), labels])
    loss = losses.labelled_loss(tensor(logits), tf.constant(labels))
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    assert_gradient_is_the_slope(
        lambda logits: losses.labelled_loss(logits, tf.constant(labels)),
        lambda logits: np.mean(log_sum_exp(logits) - logits[np.arange(6), labels]),
        logits,
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_semi_supervised_losses_are_finite_for_large_logits(dtype: str) -> None:
    logits = tf.Variable([[-1e4, -1e4], [1e4, 1e4], [-1e4, 1e4]], dtype=dtype)
    with tf.GradientTape(persistent=True) as tape:
        values = [
            losses.labelled_loss(logits, tf.constant([0, 1, 0])),
            losses.unlabelled_loss(logits, logits[::-1]),
            tf.reduce_sum(losses.real_probability(logits)),
        ]
    for value in values:
        assert value.dtype == tf.float32
        assert np.isfinite(value)
        assert np.all(np.isfinite(tf.cast(tape.gradient(value, logits), tf.float32)))


# === Replicas ===


def test_two_replicas_equal_one(two_replicas: tf.distribute.Strategy) -> None:
    assert_two_replicas_equal_one(
        two_replicas,
        {
            "squared": lambda images, features: losses.feature_matching(images[:, :2], features),
            "absolute": lambda images, features: losses.feature_matching(
                images[:, :2], features, order=1
            ),
            "unlabelled": lambda images, features: losses.unlabelled_loss(features, -features),
        },
    )
