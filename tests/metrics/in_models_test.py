"""Measures inside Keras: replicas, `evaluate`, early stopping, and what a model saves."""

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo import metrics
from zoo.common.measure_logs import results_of

MAKERS = {
    "frechet_distance": metrics.FrechetDistance,
    "kernel_distance": lambda network: metrics.KernelDistance(network, block_size=10),
    "mean_confidence": metrics.MeanConfidence,
    "class_imbalance": metrics.ClassImbalance,
    "classifier_score": metrics.ClassifierScore,
    "precision_recall": metrics.PrecisionRecall,
    "density_coverage": metrics.DensityCoverage,
    "sliced_wasserstein": metrics.SlicedWassersteinDistance,
    "memorisation": lambda network: metrics.Memorisation(network, TRAINING),
}
# Where the value depends on which images lie together in a block, and so on the replicas.
DEPENDENT_ON_BLOCKS = "kernel_distance"
LOGS = (
    *("frechet_distance", "kernel_distance", "mean_confidence", "class_imbalance"),
    *("classifier_score", "precision", "recall", "density", "coverage", "sliced_wasserstein"),
    *("authenticity", "real_authenticity", "data_copying"),
)
RANDOM = np.random.RandomState(0)
TRAINING = RANDOM.uniform(-1, 1, size=(30, 2, 2, 1)).astype(np.float32)
REAL = RANDOM.uniform(-1, 1, size=(46, 2, 2, 1)).astype(np.float32)


class Brightener(keras.Model):
    """Generates noise around its one weight; training takes the weight to the images' mean."""

    def __init__(self, measures) -> None:
        super().__init__()
        self.brightness = self.add_weight(shape=(), initializer="ones", name="brightness")
        self.measures = measures
        self.built = True

    def _maybe_symbolic_build(self, *args, **kwargs) -> None:
        return

    def generate(self, num_images, seed=0):
        noise = tf.random.stateless_uniform((num_images, 2, 2, 1), (seed, 0), -1.0, 1.0)
        return 0.2 * noise + self.brightness

    def train_step(self, real_images):
        self.brightness.assign_add(0.5 * (tf.reduce_mean(real_images) - self.brightness))
        return {"loss": self.brightness}

    def test_step(self, real_images):
        generated_images = self.generate(tf.shape(real_images)[0])
        for measure in self.measures:
            measure.update_state(real_images, generated_images)
        return results_of(self.measures)


class Copier(Brightener):
    """Its images are those it is tested with, darkened: they don't depend on the batches."""

    def test_step(self, real_images):
        for measure in self.measures:
            measure.update_state(real_images, 0.5 * real_images**2)
        return results_of(self.measures)


def evaluate(model, batch_size, images=REAL, run_eagerly=False):
    model.compile(run_eagerly=run_eagerly)
    data = tf.data.Dataset.from_tensor_slices(images).batch(batch_size)
    return model.evaluate(data, verbose=0, return_dict=True)


# === Replicas ===


@pytest.mark.slow
def test_two_replicas_equal_one(pixels, two_replicas):
    """41 images in batches of 8 leave one in the last: a replica's share of it is empty."""
    one = evaluate(Copier([make(pixels) for make in MAKERS.values()]), 8, REAL[:41])
    with two_replicas.scope():
        model = Copier([make(pixels) for make in MAKERS.values()])
    two = evaluate(model, 8, REAL[:41])
    # Read outside of the strategy's scope, they are of both replicas all the same.
    for values in (two, results_of(model.measures)):
        for name in set(LOGS) - {DEPENDENT_ON_BLOCKS}:
            assert float(values[name]) == pytest.approx(one[name], rel=1e-6)


def test_each_replica_fills_blocks_of_its_own(pixels, two_replicas):
    """Of 40 images in batches of 8, a replica sees the first, the other the second four of each."""
    real = REAL[:40]
    shares = real.reshape(5, 2, 4, 2, 2, 1)
    expected = []
    for replica in range(2):
        share = shares[:, replica].reshape(20, 2, 2, 1)
        measure = metrics.KernelDistance(pixels, block_size=10)
        measure.update_state(share, 0.5 * share**2)
        expected.append(float(measure.result()))
    with two_replicas.scope():
        model = Copier([metrics.KernelDistance(pixels, block_size=10)])
    value = evaluate(model, 8, real)["kernel_distance"]
    assert value == pytest.approx(np.mean(expected), rel=1e-5)


# === Models ===


def test_each_evaluation_begins_anew(pixels):
    model = Brightener([make(pixels) for make in MAKERS.values()])
    first = evaluate(model, 16, run_eagerly=True)
    assert set(first) == set(LOGS)
    assert model.evaluate(REAL, batch_size=16, verbose=0, return_dict=True) == pytest.approx(first)


def test_early_stopping_can_watch_a_measure(pixels):
    model = Brightener([metrics.FrechetDistance(pixels)])
    model.compile()
    data = tf.data.Dataset.from_tensor_slices(REAL).batch(46)
    stopping = keras.callbacks.EarlyStopping(
        "val_frechet_distance", min_delta=1e-3, patience=2, mode="min"
    )
    history = model.fit(data, validation_data=data, epochs=60, verbose=0, callbacks=[stopping])
    distances = history.history["val_frechet_distance"]
    assert distances[0] > distances[1] > distances[2]
    assert len(distances) < 60
    assert np.all(np.isfinite(distances))


def test_early_stopping_can_watch_one_of_several_logs(pixels):
    model = Brightener([metrics.PrecisionRecall(pixels)])
    model.compile()
    data = tf.data.Dataset.from_tensor_slices(REAL).batch(46)
    stopping = keras.callbacks.EarlyStopping("val_recall", patience=2, mode="max")
    history = model.fit(data, validation_data=data, epochs=30, verbose=0, callbacks=[stopping])
    values = history.history["val_recall"]
    assert len(values) < 30
    assert stopping.best == max(values)


def shapes_in(path) -> list[tuple[int, ...]]:
    """The shapes of all arrays in a `.weights.h5` file."""
    shapes = []
    with h5py.File(path) as file:
        file.visititems(
            lambda _, item: shapes.append(item.shape) if isinstance(item, h5py.Dataset) else None
        )
    return shapes


def test_a_model_neither_trains_nor_saves_what_a_measure_holds(tmp_path):
    extractor = keras.Sequential(
        [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
    )
    model = Brightener([make(extractor) for make in MAKERS.values()])
    model.test_step(REAL)
    assert len(model.metrics) == len(MAKERS)
    assert [weight.name for weight in model.weights] == ["brightness"]
    assert [weight.name for weight in model.trainable_variables] == ["brightness"]
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    assert shapes_in(path) == [()]


def test_weights_move_between_models_with_and_without_measures(pixels, tmp_path):
    plain, measured = Brightener([]), Brightener([metrics.FrechetDistance(pixels)])
    measured.brightness.assign(0.25)
    distance = float(measured.test_step(REAL)["frechet_distance"])
    path = tmp_path / "model.weights.h5"
    measured.save_weights(path)
    plain.load_weights(path)
    assert float(plain.brightness) == 0.25
    plain.save_weights(path)
    measured.load_weights(path)
    assert float(measured.measures[0].result()) == distance


def test_a_mixed_policy_leaves_measures_in_full_precision(pixels):
    # Graphs take the dtype of the measures as eager steps do, and seconds to trace.
    expected = evaluate(Copier([make(pixels) for make in MAKERS.values()]), 16, run_eagerly=True)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = Copier([make(pixels) for make in MAKERS.values()])
        values = evaluate(model, 16, run_eagerly=True)
    finally:
        keras.config.set_dtype_policy("float32")
    assert values == pytest.approx(expected, rel=1e-6)


# === Without a model ===


def generate(num_images, seed):
    return np.random.RandomState(seed).uniform(0, 1, size=(num_images, 2, 2, 1))


def test_evaluate_measures_once_over_all_batches(pixels):
    real = np.abs(REAL)  # as those that are generated, which are taken for probabilities
    data = tf.data.Dataset.from_tensor_slices(real).batch(20)
    measures = [make(pixels) for make in MAKERS.values()]
    values = metrics.evaluate(measures, data, generate, seed=3)
    generated = np.concatenate([generate(20, 3), generate(20, 4), generate(6, 5)])
    again = [make(pixels) for make in MAKERS.values()]
    for measure in again:
        measure.update_state(real, generated)
    expected = {name: float(value) for name, value in results_of(again).items()}
    assert values == pytest.approx(expected, rel=1e-5)
    assert metrics.evaluate(measures, data, generate, seed=3) == values


@pytest.mark.parametrize(
    ("data", "given", "message"),
    [
        (REAL, lambda number, seed: REAL[:7], "`generate` must .* Received: 7 in place of 20"),
        (REAL, lambda number, seed: np.uint8(REAL[:20]), "Pixels of `generate` .* uint8"),
        ((REAL, np.zeros(len(REAL))), generate, "`real_images` must give images alone"),
    ],
    ids=["number", "bytes", "labels"],
)
def test_evaluate_refuses_what_are_no_images_of_the_kind(pixels, data, given, message):
    data = tf.data.Dataset.from_tensor_slices(data).batch(20)
    with pytest.raises(ValueError, match=message):
        metrics.evaluate([metrics.FrechetDistance(pixels)], data, given)


def test_evaluate_warns_of_images_in_0_1(pixels):
    data = tf.data.Dataset.from_tensor_slices(REAL).batch(20)
    with pytest.warns(UserWarning, match=r"exports are in \[0, 1\]"):
        metrics.evaluate([metrics.FrechetDistance(pixels)], data, generate)


def test_evaluate_does_not_take_what_is_no_number_for_an_image_in_0_1(pixels):
    data = tf.data.Dataset.from_tensor_slices(REAL).batch(20)
    scores = metrics.evaluate(
        [metrics.FrechetDistance(pixels)], data, lambda number, seed: np.nan * REAL[:number]
    )
    assert np.isnan(scores["frechet_distance"])


def test_evaluate_refuses_an_empty_data_set(pixels):
    with pytest.raises(ValueError, match="at least one batch"):
        metrics.evaluate([metrics.FrechetDistance(pixels)], [], lambda num_images, seed: None)
