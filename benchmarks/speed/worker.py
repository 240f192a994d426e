"""One contender in a process of its own: it takes numbers of steps and gives their times.

    python -m benchmarks.speed.worker fit DCGAN

takes two steps, so that it has traced and compiled, and says `gflop` of a step in a line of JSON;
only the default setting counts it, for that is another trace. Then it reads a number of steps a
line, takes them and answers with a line: `milliseconds` of each step, and `peak_mb`, the most
memory that the process had so far.
"""

import itertools
import json
import os
import sys
import time
from collections.abc import Callable

from benchmarks.speed.alone import peak_mb

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

Timer = Callable[[int], list[float]]

DEFAULT = "fit"
_BFLOAT16 = "bfloat16"
# Ours, by what `compile` is given beside the defaults.
OURS = {
    DEFAULT: {},
    "8 steps a call": {"steps_per_execution": 8},
    "XLA": {"jit_compile": True},
}
# On a GPU the default is XLA.
OURS_ON_A_GPU = {
    DEFAULT: {},
    "8 steps a call": {"steps_per_execution": 8},
    "without XLA": {"jit_compile": False},
    _BFLOAT16: {},
    f"{_BFLOAT16} and 8 steps a call": {"steps_per_execution": 8},
}
PLAIN_KERAS = "plain Keras"
# Whether each is compiled.
TORCH = {
    "PyTorch": False,
    "torch.compile": True,
    f"PyTorch in {_BFLOAT16}": False,
    f"torch.compile in {_BFLOAT16}": True,
}


def main(contender: str, variant: str) -> None:
    """Answers until there is no further line."""
    build = _of_torch if contender in TORCH else _of_keras
    gflop, milliseconds = build(contender, variant)
    milliseconds(2)
    print(json.dumps({"gflop": gflop}), flush=True)
    for line in sys.stdin:
        answer = {"milliseconds": milliseconds(int(line)), "peak_mb": peak_mb()}
        print(json.dumps(answer), flush=True)


def _of_keras(contender: str, variant: str) -> tuple[float | None, Timer]:
    import zoo  # noqa: F401, I001 - before keras: it sets the environment that TensorFlow reads

    import keras
    import tensorflow as tf

    from benchmarks.speed.flops import gigaflop_of_step
    from benchmarks.speed.games import GAMES, batch_of, endless
    from benchmarks.speed.plain_keras import PLAIN

    class Clock(keras.callbacks.Callback):
        """Notes when steps end; to read a log waits for the device."""

        def on_train_begin(self, logs=None):
            self.times = []

        def on_train_batch_begin(self, batch, logs=None):
            self.times = self.times or [time.perf_counter()]

        def on_train_batch_end(self, batch, logs=None):
            float(next(iter(logs.values())))
            self.times.append(time.perf_counter())

    keras.utils.set_random_seed(0)
    if _BFLOAT16 in contender:
        keras.config.set_dtype_policy("mixed_bfloat16")
    game = GAMES[variant]
    model = game.build()
    batch = batch_of(model.batch_spec, game.batch_size)
    options = (OURS | OURS_ON_A_GPU).get(contender, {})
    model.compile(**options)
    gflop = None
    if contender == DEFAULT:
        gflop = gigaflop_of_step(model, tf.nest.map_structure(tf.type_spec_from_value, batch))
    if contender == PLAIN_KERAS:
        model = PLAIN[variant](model)
        model.compile()
    data, clock = endless(batch), Clock()
    steps_a_call = options.get("steps_per_execution", 1)

    def milliseconds(steps: int) -> list[float]:
        calls = -(-steps // steps_a_call)
        model.fit(data, steps_per_epoch=calls * steps_a_call, verbose=0, callbacks=[clock])
        calls = itertools.pairwise(clock.times)
        return [1000 * (later - earlier) / steps_a_call for earlier, later in calls]

    return gflop, milliseconds


def _of_torch(contender: str, variant: str) -> tuple[None, Timer]:
    from benchmarks.speed import pytorch

    step = pytorch.STEPS[variant](TORCH[contender])
    if _BFLOAT16 in contender:
        step = pytorch.in_bfloat16(step)
    return None, lambda steps: pytorch.milliseconds(step, steps)


if __name__ == "__main__":
    main(*sys.argv[1:])
