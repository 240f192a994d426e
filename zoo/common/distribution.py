"""Strategies by name, and what several workers need beside what Keras does for them.

A worker is a process with replicas of its own, on one machine or on several; `TF_CONFIG` names all
of them. The cures for what Keras 3.15 breaks under `MultiWorkerMirroredStrategy` (keras issue
20585) stand here: `with_an_axis` and `shared_out`. `AdversarialModel` applies them, and leaves out
Keras's symbolic build of a model, which fails there too.
"""

import contextlib
import json
import os
from collections.abc import Iterator

import tensorflow as tf
from keras.src.trainers.data_adapters import data_adapter

STRATEGIES = ("auto", "one", "mirrored", "multiworker")


class WorkerError(RuntimeError):
    """Workers that can't work together; the message is one line and says what to do."""


# === Strategies ===


def make_strategy(name: str = "auto", replicas: int | None = None) -> tf.distribute.Strategy:
    """Returns a strategy by its name; build and compile the model in its `scope()`.

    Call it before TensorFlow does anything, which is too late to split a processor or to meet other
    workers.

    Args:
        name: `"one"` for a single replica, TensorFlow's default strategy; `"mirrored"` for one on
            each GPU of this machine; `"multiworker"` for those of all workers that `TF_CONFIG`
            names; `"auto"`, the default, for several workers if `TF_CONFIG` names them, or else
            mirrored if there are several GPUs, or else one.
        replicas: how many on this machine, of `"mirrored"`, which `"auto"` then is: so many of its
            GPUs or, if it has none, so many shares of the processor, to try things out. Defaults to
            `None`, every GPU.

    Raises:
        ValueError: for another name, replicas that can't be had, or a `TF_CONFIG` that names no
            cluster of workers and which of them this is.
    """
    if name not in STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}. Received: {name!r}")
    if name == "auto":
        name = _best_strategy(replicas)
    if name == "mirrored":
        return tf.distribute.MirroredStrategy(_local_devices(replicas))
    if replicas not in (None, 1):
        raise ValueError(
            f"Only mirrored takes a number of replicas; {name} has one, or one a GPU of each "
            f"worker. Received: strategy={name}, replicas={replicas}"
        )
    if name == "multiworker":
        _check_workers()
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.get_strategy()


def _best_strategy(replicas: int | None) -> str:
    if replicas is None and num_workers() > 1:
        return "multiworker"
    num_gpus = len(tf.config.list_physical_devices("GPU"))
    return "mirrored" if (num_gpus if replicas is None else replicas) > 1 else "one"


def _local_devices(replicas: int | None) -> list[str] | None:
    if replicas is None:
        return None
    gpus = tf.config.list_physical_devices("GPU")
    if replicas > len(gpus) > 0:
        raise ValueError(f"There are {len(gpus)} GPUs here. Received: replicas={replicas}")
    if not gpus:
        _split_processor(replicas)
    return [f"{'GPU' if gpus else 'CPU'}:{number}" for number in range(replicas)]


def _split_processor(parts: int) -> None:
    (processor, *_) = tf.config.list_physical_devices("CPU")
    configured = tf.config.get_logical_device_configuration(processor) or [None]
    if len(configured) >= parts:
        return
    try:
        tf.config.set_logical_device_configuration(
            processor, [tf.config.LogicalDeviceConfiguration()] * parts
        )
    except RuntimeError as error:
        raise ValueError(
            f"The processor can be split only before TensorFlow does anything. Received: "
            f"replicas={parts}, of a processor in {len(configured)}"
        ) from error


def refuse_unequal_shares(batch_size: int, strategy: tf.distribute.Strategy) -> None:
    """Refuses a batch that the replicas can't share equally.

    Raises:
        ValueError: naming both numbers.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise ValueError(
            f"batch_size must be a multiple of the {replicas} replicas that share it. "
            f"Received: {batch_size}"
        )


# === TF_CONFIG ===


def _cluster() -> tuple[dict, dict]:
    """Returns cluster and task of `TF_CONFIG`, empty where it does not name them."""
    text = os.environ.get("TF_CONFIG") or "{}"
    try:
        config = json.loads(text)
        return dict(config.get("cluster") or {}), dict(config.get("task") or {})
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(
            "TF_CONFIG must be JSON with a cluster and a task, see docs/distributed.md. "
            f"Received: {text[:100]}"
        ) from error


def num_workers() -> int:
    """Returns how many processes TF_CONFIG names to train together; 0 if it names none.

    Raises:
        ValueError: if it is no such JSON.
    """
    cluster, _ = _cluster()
    return sum(len(cluster.get(job) or ()) for job in ("chief", "worker"))


def _check_workers() -> None:
    cluster, task = _cluster()
    if not cluster:
        raise ValueError(
            "multiworker needs TF_CONFIG in the environment, which names all workers and which of "
            "them this is; see docs/distributed.md. Received: none."
        )
    job, number = task.get("type"), task.get("index")
    others = sorted(cluster.keys() - {"chief", "worker"})
    is_known = isinstance(number, int) and 0 <= number < len(cluster.get(job) or ())
    if others or not is_known:
        raise ValueError(
            "TF_CONFIG must name a cluster of a chief, workers or both, and as task one of them. "
            f"Received: a cluster of {', '.join(sorted(cluster))}; task={json.dumps(task)}"
        )


# === Workers ===


def has_workers(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether a strategy has replicas in several processes."""
    resolver = strategy.cluster_resolver
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) and bool(
        resolver and resolver.cluster_spec().as_dict()
    )


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether this process is the one that writes: the chief, or the only one."""
    if not has_workers(strategy):
        return True
    resolver = strategy.cluster_resolver
    jobs = resolver.cluster_spec().jobs
    return resolver.task_type == ("chief" if "chief" in jobs else "worker") and not resolver.task_id


def gathered(strategy: tf.distribute.Strategy, number: int) -> list[int]:
    """Returns the numbers that all workers came here with, in their order; waits for all.

    Args:
        strategy: of all of them.
        number: this one's, below 2^63.
    """
    if not has_workers(strategy):
        return [number]
    found = strategy.gather(tf.constant([number], tf.int64), axis=0)
    return [int(each) for each in found.numpy()]


def require_agreement(
    strategy: tf.distribute.Strategy, number: int, what: str, advice: str
) -> None:
    """Refuses workers that came here with different numbers.

    Args:
        strategy: of all of them.
        number: this one's.
        what: the number is.
        advice: a sentence.

    Raises:
        WorkerError: on each of them.
    """
    numbers = gathered(strategy, number)
    if len(set(numbers)) > 1:
        raise WorkerError(
            f"Workers must agree on {what}. Received: {', '.join(map(str, numbers))}. {advice}"
        )


@contextlib.contextmanager
def chief_first(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Has the chief go through a block of code, and then the other workers."""
    first = is_chief(strategy)
    if not first:
        gathered(strategy, 0)
    yield
    if first:
        gathered(strategy, 0)


# === Cures ===


def with_an_axis(logs, strategy: tf.distribute.Strategy):
    """Returns the logs of a step as Keras can average them over replicas: along an axis.

    Of several workers it averages over the axis 0, which a scalar has not.
    """
    if not has_workers(strategy):
        return logs
    return tf.nest.map_structure(lambda value: tf.reshape(value, [1]), logs)


def shared_out(data, strategy: tf.distribute.Strategy):
    """Returns data of which each worker draws the rows of its own replicas.

    All workers make the same batches; replica r of n takes rows r·b/n to (r+1)·b/n, so that
    together they train on the batch that one would. TensorFlow itself would first try to share
    out files, and deals out parts of batches in another order if workers have several replicas.

    Args:
        data: a `tf.data.Dataset` of batches, the same on each worker; or `None`.
        strategy: nothing is changed but for one of several workers.

    Raises:
        ValueError: of several workers, if the data are of another kind, of which nobody can tell
            whether the workers' batches are the same.
    """
    if data is None or not has_workers(strategy):
        return data
    if not isinstance(data, tf.data.Dataset):
        raise ValueError(
            "Several workers need arrays or a tf.data.Dataset, for each must make the same "
            f"batches. Received: {type(data).__name__}"
        )
    return _SharedOut(data, strategy)


def share_of(data: tf.data.Dataset, context: tf.distribute.InputContext) -> tf.data.Dataset:
    """Returns the rows of a worker's replicas, an element for each replica in turn.

    Args:
        data: batches of all replicas.
        context: says which worker it is.
    """
    replicas = context.num_replicas_in_sync
    own = replicas // context.num_input_pipelines
    first = context.input_pipeline_id * own

    def shares(*batch):
        def rows_of(replica):
            def cut(leaf):
                rows = tf.shape(leaf, tf.int64)[0]
                return leaf[rows * replica // replicas : rows * (replica + 1) // replicas]

            return tf.nest.map_structure(cut, batch if len(batch) > 1 else batch[0])

        return tf.data.Dataset.range(first, first + own).map(rows_of)

    options = tf.data.Options()
    options.autotune.enabled = False
    return data.flat_map(shares).prefetch(2).with_options(options)


class _SharedOut(data_adapter.DataAdapter):
    """What Keras takes for data: shares of batches, of which it knows how many there are."""

    def __init__(self, data: tf.data.Dataset, strategy: tf.distribute.Strategy) -> None:
        self._data = data
        self._strategy = strategy

    def get_tf_dataset(self) -> tf.distribute.DistributedDataset:
        return self._strategy.distribute_datasets_from_function(
            lambda context: share_of(self._data, context)
        )

    @property
    def num_batches(self) -> int | None:
        number = int(self._data.cardinality())
        return None if number < 0 else number

    @property
    def batch_size(self) -> int | None:
        return tf.nest.flatten(self._data.element_spec)[0].shape[0]

    @property
    def has_partial_batch(self) -> bool | None:
        return None

    @property
    def partial_batch_size(self) -> int | None:
        return None
