"""What the replicas of a `tf.distribute` strategy do as one: means, and draws that they share."""

import tensorflow as tf


def global_mean(replica_mean: tf.Tensor) -> tf.Tensor:
    """Averages a mean over the replicas, if this runs in one of several; gradients pass through.

    Replicas must hold equal shares of the batch. They all come here or none does, so not within
    `tf.cond`.
    """
    replica_context = tf.distribute.get_replica_context()
    if replica_context is None or replica_context.num_replicas_in_sync == 1:
        return replica_mean
    return replica_context.all_reduce(tf.distribute.ReduceOp.MEAN, replica_mean)


def place_of_share(num_rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns where this replica's rows stand in a batch whose shares may be unequal.

    All replicas come here or none does, so not within `tf.cond`.

    Args:
        num_rows: int32 scalar, of this replica's share.

    Returns:
        How many rows there are on the replicas before this one, and on all; int32 scalars.
    """
    replica_context = tf.distribute.get_replica_context()
    if replica_context is None or replica_context.num_replicas_in_sync == 1:
        return tf.zeros((), tf.int32), num_rows
    replica = replica_context.replica_id_in_sync_group
    # Float32, which every device can sum, counts exactly to 16 million.
    own = tf.one_hot(replica, replica_context.num_replicas_in_sync) * tf.cast(num_rows, tf.float32)
    rows = tf.cast(replica_context.all_reduce(tf.distribute.ReduceOp.SUM, own), tf.int32)
    return tf.reduce_sum(rows[:replica]), tf.reduce_sum(rows)


def draw_uniform(shape, seed) -> tf.Tensor:
    """Draws numbers from U[0, 1) for the global batch, of which each replica takes its share.

    Two replicas of equal shares draw together what one would alone.

    Args:
        shape: of this replica's share, the batch first; the other dimensions are known.
        seed: two integers, as for `tf.random.stateless_uniform`, the same on every replica.

    Returns:
        float32 of that shape.
    """
    num_replicas = tf.distribute.get_strategy().num_replicas_in_sync
    replica_context = tf.distribute.get_replica_context()
    replica = replica_context.replica_id_in_sync_group if replica_context else 0
    return tf.gather(tf.random.stateless_uniform((num_replicas, *shape), seed), replica)
