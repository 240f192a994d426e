"""One contender in a process of its own: it takes numbers of steps and gives their times.

    python -m benchmarks.speed.worker fit DCGAN

reads a number of steps a line, takes them and answers with a line of JSON: `milliseconds` of each
step, and `peak_mb`, the most memory that the process had so far. The first line says `gflop` of a
step, where that is known, and the networks' number of parameters.
"""

import itertools
import json
import os
import resource
import sys
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

Timer = Callable[[int], list[float]]

# Ours, by what `compile` is given beside the defaults.
OURS = {
    "fit": {},
    "fit, 8 steps a call": {"steps_per_execution": 8},
    "fit, XLA": {"jit_compile": True},
}
PLAIN_KERAS = "plain Keras"
TORCH = {"PyTorch": False, "torch.compile": True}


def main(contender: str, variant: str) -> None:
    """Answers until there is no further line."""
    build = _of_torch if contender in TORCH else _of_keras
    facts, milliseconds = build(contender, variant)
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        answer = {"milliseconds": milliseconds(int(line)), "peak_mb": _peak_mb()}
        print(json.dumps(answer), flush=True)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _of_keras(contender: str, variant: str) -> tuple[dict, Timer]:
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

        def on_train_batch_end(self, batch, logs=None):
            float(next(iter(logs.values())))
            self.times.append(time.perf_counter())

    keras.utils.set_random_seed(0)
    game = GAMES[variant]
    model = game.build()
    batch = batch_of(model.batch_spec, game.batch_size)
    options = OURS.get(contender, {})
    model.compile(**options)
    spec = tf.nest.map_structure(tf.type_spec_from_value, batch)
    facts = {"gflop": gigaflop_of_step(model, spec), "parameters": model.count_params()}
    if contender == PLAIN_KERAS:
        model = PLAIN[variant](model)
        model.compile()
    data, clock = endless(batch), Clock()
    steps_a_call = options.get("steps_per_execution", 1)

    def milliseconds(steps: int) -> list[float]:
        calls = -(-steps // steps_a_call) + 1  # the first only starts the clock
        model.fit(data, steps_per_epoch=calls * steps_a_call, verbose=0, callbacks=[clock])
        calls = itertools.pairwise(clock.times)
        return [1000 * (later - earlier) / steps_a_call for earlier, later in calls]

    return facts, milliseconds


def _of_torch(contender: str, variant: str) -> tuple[dict, Timer]:
    from benchmarks.speed import pytorch

    step = pytorch.STEPS[variant](TORCH[contender])
    return {"gflop": None, "parameters": None}, lambda steps: pytorch.milliseconds(step, steps)


if __name__ == "__main__":
    main(*sys.argv[1:])
