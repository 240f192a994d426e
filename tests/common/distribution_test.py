"""Strategies by name, shares of batches, and what replicas refuse; `replicas_test` trains them."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.case import generation_measures, ramp_images
from tests.cases.vanilla_gan import CASE
from zoo.common import distribution
from zoo.common.distribution import make_strategy, share_of

WORKERS = {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)


def name_workers(monkeypatch, cluster=None, **task) -> None:
    config = {"cluster": WORKERS if cluster is None else cluster, "task": task}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))


# === Names ===


def test_auto_without_gpus_is_the_strategy_that_tensorflow_has_by_itself():
    for name in ("auto", "one"):
        assert make_strategy(name) is tf.distribute.get_strategy()
    assert make_strategy("auto", replicas=1) is tf.distribute.get_strategy()


def test_replicas_of_a_processor():
    for name in ("auto", "mirrored"):
        strategy = make_strategy(name, replicas=2)
        assert strategy.num_replicas_in_sync == 2
        assert isinstance(strategy, tf.distribute.MirroredStrategy)
        assert distribution.is_chief(strategy) and not distribution.has_workers(strategy)


def test_auto_takes_the_workers_that_there_are(monkeypatch):
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", lambda: "all of them")
    name_workers(monkeypatch, type="worker", index=1)
    assert make_strategy("auto") == make_strategy("multiworker") == "all of them"
    assert make_strategy("one") is tf.distribute.get_strategy()
    name_workers(monkeypatch, {"worker": ["127.0.0.1:1"]}, type="worker", index=0)
    assert make_strategy("auto") is tf.distribute.get_strategy()
    name_workers(monkeypatch, {"chief": ["a:1"], "worker": ["b:1"]}, type="chief", index=0)
    assert make_strategy("auto") == "all of them"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "none"}, "one of auto, one, mirrored, multiworker. Received: 'none'"),
        ({"name": "one", "replicas": 2}, "Only mirrored takes .* strategy=one, replicas=2"),
        ({"name": "multiworker", "replicas": 2}, "strategy=multiworker, replicas=2"),
        ({"name": "multiworker"}, "needs TF_CONFIG .* Received: none"),
        ({"replicas": 3}, "before TensorFlow does anything. Received: replicas=3, .* in 2"),
    ],
)
def test_what_cannot_be_had_is_refused(arguments, message):
    tf.constant(0)  # TensorFlow has begun
    with pytest.raises(ValueError, match=message):
        make_strategy(**arguments)


def test_a_cluster_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{")
    with pytest.raises(ValueError, match="TF_CONFIG must be JSON .* Received: {"):
        make_strategy("auto")
    for task in (
        {},
        {"type": "worker"},
        {"type": "worker", "index": 2},
        {"type": "ps", "index": 0},
    ):
        name_workers(monkeypatch, **task)
        with pytest.raises(ValueError, match="as task one of them. Received: a cluster of worker"):
            make_strategy("multiworker")
    name_workers(monkeypatch, {**WORKERS, "ps": ["c:1"]}, type="worker", index=0)
    with pytest.raises(ValueError, match="a cluster of ps, worker"):
        make_strategy("multiworker")


# === Shares ===


def rows_of_all(data: tf.data.Dataset, workers: int, replicas: int) -> list[list[np.ndarray]]:
    """The rows of each replica of all workers in their order, batch by batch."""
    own = replicas // workers
    parts = []
    for worker in range(workers):
        context = tf.distribute.InputContext(workers, worker, replicas)
        found = list(share_of(data, context).as_numpy_iterator())
        parts.append([found[first : first + own] for first in range(0, len(found), own)])
    return [[rows for part in step for rows in part] for step in zip(*parts, strict=True)]


@pytest.mark.parametrize(("workers", "replicas"), [(2, 2), (2, 4), (4, 4)])
def test_shares_of_the_workers_are_the_batch_bit_for_bit(workers, replicas, data_dir):
    import zoo

    data = zoo.datasets.load(
        "mnist_small", batch_size=8, shuffle=True, repeat=True, seed=3, data_dir=data_dir
    ).take(2)
    wholes = list(data.as_numpy_iterator())
    for whole, parts in zip(wholes, rows_of_all(data, workers, replicas), strict=True):
        assert [len(part) for part in parts] == [8 // replicas] * replicas
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_rows_stay_together_and_a_short_batch_is_shared_too():
    rows = (np.arange(11), (np.arange(11) * 2.0, np.arange(11) * 3))
    data = tf.data.Dataset.from_tensor_slices(rows).batch(6)
    first, last = rows_of_all(data, 2, 2)
    assert [part[0].tolist() for part in first] == [[0, 1, 2], [3, 4, 5]]
    assert [part[0].tolist() for part in last] == [[6, 7], [8, 9, 10]]
    for numbers, (doubled, tripled) in (*first, *last):
        np.testing.assert_array_equal(doubled, 2.0 * numbers)
        np.testing.assert_array_equal(tripled, 3 * numbers)


def test_one_worker_keeps_its_data_and_logs_as_they_are(two_replicas):
    data, logs = tf.data.Dataset.range(3), {"loss": tf.constant(1.0)}
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        assert distribution.shared_out(data, strategy) is data
        assert distribution.with_an_axis(logs, strategy) is logs
        assert distribution.gathered(strategy, 7) == [7]


def test_workers_need_data_that_can_be_the_same(monkeypatch):
    monkeypatch.setattr(distribution, "has_workers", lambda strategy: True)
    with pytest.raises(ValueError, match="arrays or a tf.data.Dataset.* Received: generator"):
        distribution.shared_out((i for i in ()), tf.distribute.get_strategy())
    logs = distribution.with_an_axis({"loss": tf.constant(1.0)}, tf.distribute.get_strategy())
    assert logs["loss"].shape == (1,)


# === XLA ===


def test_several_replicas_refuse_what_they_cannot(two_replicas):
    with two_replicas.scope():
        model = CASE.build_without_noise()
        with pytest.raises(ValueError, match="XLA .* jit_compile=True for 2 replicas"):
            model.compile(jit_compile=True)
        with pytest.raises(ValueError, match="steps_per_execution=5 for 2 replicas"):
            model.compile(steps_per_execution=5)
        model.compile(jit_compile="auto", steps_per_execution=1)
    assert not model.jit_compile


def test_compile_is_within_the_scope_of_the_model_wherever_it_is_called(two_replicas):
    with two_replicas.scope():
        model = CASE.build_without_noise()
    made_outside = keras.optimizers.SGD(0.1)
    with pytest.raises(ValueError, match="`generator_optimizer` must be made where the model was"):
        model.compile(generator_optimizer=made_outside)
    model.compile(generator_optimizer="sgd")
    model.fit(CASE.batch(4), batch_size=4, verbose=0)
    assert model.step.numpy() == 1
    with two_replicas.scope():
        made_within = keras.optimizers.SGD(0.1)
    alone = CASE.build_without_noise()
    with pytest.raises(ValueError, match="Received: SGD of another scope"):
        alone.compile(generator_optimizer=made_within)
    with two_replicas.scope(), pytest.raises(ValueError, match="make it there, too"):
        alone.compile()


def test_a_single_batch_is_shared_out_too(two_replicas):
    def trained(strategy):
        keras.utils.set_random_seed(2)
        with strategy.scope():
            model = CASE.build_without_noise()
            optimizers = {f"{p}_optimizer": keras.optimizers.SGD(0.05) for p in model.players}
            model.compile(**optimizers, quality_measures=[generation_measures()[0]])
        logs = model.train_on_batch(CASE.batch(8), return_dict=True)
        distance = model.test_on_batch(CASE.batch(7))
        return model, logs, distance

    (one, logs, distance), (two, logs_of_two, distance_of_two) = map(
        trained, (tf.distribute.get_strategy(), two_replicas)
    )
    for a, b in zip(one.weights, two.weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=2e-6, err_msg=a.path)
    for name in ("generator_loss", "discriminator_loss"):
        assert logs[name] == pytest.approx(logs_of_two[name], rel=1e-5)
    assert distance == pytest.approx(distance_of_two, rel=1e-4)
    two.train_on_batch(CASE.batch(3))  # of which the second replica has the first row, too
    assert all(np.isfinite(weight).all() for weight in two.get_weights())


class OutsideOfXla(keras.metrics.Mean):
    """A measure that XLA can't compile."""

    direction = "min"

    def update_state(self, real_images, generated_images):
        gap = tf.numpy_function(
            lambda a, b: np.float32(a.mean() - b.mean()),
            [real_images, generated_images],
            tf.float32,
        )
        super().update_state(tf.reshape(gap, ()))


def test_evaluation_alone_is_without_xla():
    model = CASE.build_without_noise()
    model.compile(quality_measures=[OutsideOfXla(name="gap")], jit_compile=True)
    logs = model.evaluate(ramp_images(4), verbose=0, return_dict=True)
    assert np.isfinite(logs["gap"])
    assert model.jit_compile
    model.set_quality_measures([OutsideOfXla(name="other")])
    assert model.jit_compile
