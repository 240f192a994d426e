"""Replay: a discriminator that is also shown images of the past forgets less of it."""

import keras
import tensorflow as tf

from zoo.common.checks import as_integer


class ImagePool(keras.layers.Layer):
    """A pool of past images, out of which a discriminator is given old ones among the new.

        self.pool = ImagePool(image_shape)                                          # in __init__
        shown_images = self.pool(generated_images, seed=self.seed_for("pool"))      # in train_step

    Each image that comes in either goes to the discriminator as it is, or takes the place of a
    random image of the pool, which goes in its stead; both are equally likely. Until the pool is
    full, images are stored and go through as well.

    The pool is saved with the model that has it as an attribute. Under a strategy every replica
    holds the same pool, filled with the images of all replicas in their order: it does what one
    replica would do with the global batch, of which replicas must hold equal shares.

    Args:
        image_shape: (height, width, channels), or what else is generated, such as (2,) for points.
        size: how many images it holds. Defaults to 50, as in Zhu et al. 2017; with 0 images go
            through and nothing is stored.

    Raises:
        ValueError: if `size` is not an integer of 0 or more.

    References:
        [Shrivastava et al., 2016](https://arxiv.org/abs/1612.07828), section 2.3;
        [Zhu et al., 2017](https://arxiv.org/abs/1703.10593), section 4.
    """

    def __init__(self, image_shape, size: int = 50, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(trainable=False, **kwargs)
        self.size = size = as_integer("size", size, least=0)
        self.image_shape = tuple(image_shape)
        # Equal on every replica, so that any one of them speaks for all.
        options = {
            "initializer": "zeros",
            "trainable": False,
            "aggregation": "only_first_replica",
        }
        if size:
            self.images = self.add_weight(shape=(size, *self.image_shape), name="images", **options)
            # An int32 would stay with the processor, out of reach of XLA's code for a GPU.
            self.num_images = self.add_weight(shape=(), dtype="int64", name="num_images", **options)
        self.built = True

    def call(self, images, seed):
        """Returns as many images as came in, some of them from the past.

        Args:
            images: float32 `(batch, height, width, channels)`, this replica's.
            seed: integer tensor `(2,)`, the same on every replica.
        """
        if not self.size:
            return images
        replica = tf.distribute.get_replica_context()
        global_images = images
        if replica is not None and replica.num_replicas_in_sync > 1:
            gathered = replica.all_gather(images, axis=0)
            # In a graph it may not know their shape, which packs of images must.
            global_images = tf.ensure_shape(gathered, (None, *self.image_shape))
        chosen, pool, num_images = _pass_through(
            global_images, self.images.value, self.num_images.value, self.size, seed
        )
        # The pool is read above: what is written must wait for it.
        with tf.control_dependencies([chosen, pool, num_images]):
            self.images.assign(pool)
            self.num_images.assign(num_images)
        batch_size = tf.shape(images)[0]
        first = batch_size * (replica.replica_id_in_sync_group if replica is not None else 0)
        return chosen[first : first + batch_size]

    def get_config(self):
        """Returns the arguments that rebuild this pool, empty."""
        return {**super().get_config(), "image_shape": self.image_shape, "size": self.size}


def _pass_through(images, pool, num_images, size, seed):
    """Sends images through the pool one after another; returns those chosen, pool and number."""
    batch_size = tf.shape(images)[0]
    swaps, places = tf.unstack(tf.random.split(seed, 2))
    is_swapped = tf.random.stateless_uniform((batch_size,), swaps) < 0.5
    places = tf.random.stateless_uniform((batch_size,), places, 0, size, tf.int32)
    places = tf.cast(places, num_images.dtype)

    def send(row, chosen, pool, num_images):
        is_filling = num_images < size
        is_stored = is_filling | tf.gather(is_swapped, row)
        place = tf.where(is_filling, num_images, tf.gather(places, row))
        # Not pool[place]: XLA would compile the step anew for each place.
        past, new = tf.gather(pool, place), tf.gather(images, row)
        old = tf.where(is_stored & ~is_filling, past, new)
        kept = tf.where(is_stored, new, past)
        return (
            row + 1,
            chosen.write(row, old),
            tf.tensor_scatter_nd_update(pool, [[place]], [kept]),
            num_images + tf.cast(is_filling, num_images.dtype),
        )

    chosen = tf.TensorArray(images.dtype, size=batch_size, element_shape=images.shape[1:])
    _, chosen, pool, num_images = tf.while_loop(
        lambda row, *_: row < batch_size,
        send,
        (0, chosen, pool, num_images),
        # One after another: an image of the batch may be swapped out by a later one.
        parallel_iterations=1,
    )
    return chosen.stack(), pool, num_images
