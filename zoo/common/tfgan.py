"""The one place that imports TF-GAN.

TF-GAN 2.1.0, its latest release, predates TensorFlow 2.16, which dropped `tf.estimator`: imported
as it is, it fails. Its losses, distances and image grids never touch an estimator, so it is
imported here with a stand-in for the missing module, at its first use and not before: it brings
TensorFlow Probability and `tf_keras` along, some seconds that `import zoo` should not cost.
"""

import contextlib
import functools
import sys
import types
import warnings
from collections.abc import Iterator

import tensorflow as tf

_ESTIMATOR_MODULE = "tensorflow_gan.python.estimator"


@functools.cache
def tfgan() -> types.ModuleType:
    """Imports TF-GAN at the first call and returns the module, as in `tfgan().losses.wargs`.

    Returns:
        The module `tensorflow_gan`, without its `estimator` part.

    Raises:
        ImportError: if TF-GAN, or something that it needs, is not installed.
    """
    # The first call may come while a `tf.function` is traced; what the import creates must not
    # end up in that graph.
    with tf.init_scope(), warnings.catch_warnings(), _estimator_stand_in():
        # It compares versions through `distutils` and loads `pkg_resources`: both are deprecated.
        warnings.simplefilter("ignore")
        import tensorflow_gan
    return tensorflow_gan


@contextlib.contextmanager
def _estimator_stand_in() -> Iterator[None]:
    """Gives TF-GAN what it asks of `tf.estimator` while it is imported, then takes it back."""
    sys.modules.setdefault(_ESTIMATOR_MODULE, types.ModuleType(_ESTIMATOR_MODULE))
    if hasattr(tf, "estimator"):
        yield
        return
    tf.estimator = types.SimpleNamespace(SessionRunHook=tf.compat.v1.train.SessionRunHook)
    try:
        yield
    finally:
        # Other libraries test `hasattr(tf, "estimator")` to learn whether estimators exist.
        del tf.estimator
