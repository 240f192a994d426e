"""How much arithmetic a step is, and how much a machine can do at best."""

import time
from typing import Any

import tensorflow as tf

from zoo.common.adversarial import AdversarialModel
from zoo.runs.tensorboard import graph_of_step


def gigaflop_of_step(model: AdversarialModel, batch_spec: Any) -> float:
    """Returns the floating-point operations of a train step, in 10⁹.

    Counted from the graph by TensorFlow's profiler: convolutions, their gradients and matrix
    products, a multiplication and an addition each, and the operations an element that it knows.

    Args:
        model: compiled.
        batch_spec: of a batch, of known size.
    """
    graph = graph_of_step(model, batch_spec)
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    counted = tf.compat.v1.profiler.profile(graph, options=options)
    return counted.total_float_ops / 1e9


def gigaflops_of_products(size: int = 4096, products: int = 3) -> list[float]:
    """Returns how fast float32 matrices of that size are multiplied, 10⁹ operations a second.

    Args:
        size: rows and columns.
        products: how many are timed, one by one.
    """
    matrix = tf.random.normal((size, size))
    multiply = tf.function(lambda a: tf.reduce_sum(tf.linalg.matmul(a, a)))
    float(multiply(matrix))
    speeds = []
    for _ in range(products):
        start = time.perf_counter()
        float(multiply(matrix))
        speeds.append(2 * size**3 / 1e9 / (time.perf_counter() - start))
    return speeds
