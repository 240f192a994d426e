"""TF-GAN comes in at its first use, whole, and leaves nothing behind in TensorFlow."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from zoo.common.tfgan import tfgan

FIRST_USE_IN_A_GRAPH = """
import zoo
import sys
import tensorflow as tf
from zoo.common import objectives

@tf.function(jit_compile={jit_compile})
def loss(logits):
    return objectives.Objective("minimax").generator_loss(logits)

assert "tensorflow_gan" not in sys.modules
first = loss(tf.constant([0.5, 1.5]))
assert "tensorflow_gan" in sys.modules
assert not hasattr(tf, "estimator")
assert loss(tf.constant([0.5, 1.5])) == first
"""


def test_returns_one_module_with_losses_and_distances() -> None:
    assert tfgan() is tfgan()
    assert tfgan().__version__ == "2.1.0"
    assert callable(tfgan().losses.wargs.modified_generator_loss)
    assert callable(tfgan().eval.frechet_classifier_distance_from_activations)
    assert callable(tfgan().eval.image_grid)


def test_leaves_no_estimator_in_tensorflow() -> None:
    tfgan()
    assert not hasattr(tf, "estimator")


# With and without XLA the import comes in Python that is traced; XLA compiles what this leaves.
# Without XLA, tests/zoo_test.py asks the same of a process that it has.
@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_first_use_may_come_while_a_graph_is_traced(jit_compile: bool) -> None:
    script = FIRST_USE_IN_A_GRAPH.format(jit_compile=jit_compile)
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=300
    )
    assert finished.returncode == 0, finished.stderr


def test_its_label_smoothing_takes_half_of_what_is_asked() -> None:
    """Why `objectives` asks for twice: s here makes the real target 1 − s/2."""
    logits, smoothing = np.array([0.3, -1.2]), 0.2
    loss = tfgan().losses.wargs.modified_discriminator_loss(
        tf.constant(logits, tf.float32),
        tf.zeros(2),
        label_smoothing=smoothing,
        generated_weights=0.0,
    )
    expected = np.mean(np.logaddexp(0, logits) - (1 - smoothing / 2) * logits)
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
