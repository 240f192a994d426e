"""TensorBoard for several players: their rates, the sample grid, and who trains on what."""

import os
import re
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from zoo.common.checks import as_integer
from zoo.runs.health import HealthMonitor
from zoo.runs.samples import SampleGrid
from zoo.runs.training_state import is_discarded, optimizers_of, steps_done


class PlayersTensorBoard(keras.callbacks.Callback):
    """Writes scalars, pictures and the graph of the train step, all against `model.step`.

    Keras's own `TensorBoard` counts steps anew after a resume, sees one learning rate, and writes
    no graph of a `train_step`. This one writes

    - `step/<log>`: each log as it stands at a step, the mean since the epoch began, gradient norms
      among them;
    - `epoch/<log>`: each log of an epoch, training and validation under one name in one chart;
    - `learning_rate/<player>`;
    - `samples`: each grid that a `SampleGrid` draws;
    - `health/<measure>`: what a `HealthMonitor` measured, and as text `health`, what it named;
    - the graph of `train_step`, where the name scopes `<player>_player` show which networks each
      player's loss runs through and which it trains.

    A resumed run adds files to the folder, and its steps go on where they stopped: what the earlier
    part wrote of later steps, which come again, no longer counts. Give this callback to
    `RunCheckpoint` among its `states`, so that what a checkpoint's steps wrote is on disk with it.

    Args:
        folder: for the event files, in `train/` and `validation/`.
        every_steps: steps between scalars of batches. Defaults to 10: writing every one of a
            small model's costs as much as the steps.
        samples: the `SampleGrid` of this run, placed before this callback. Without it there are
            no pictures.
        batch_spec: `element_spec` of the training data, with which `train_step` is traced once
            more after the first step. Without it there is no graph.
        health: the `HealthMonitor` of this run, placed before this callback. Without it there is
            nothing of it.

    Raises:
        ValueError: if `every_steps` is no positive integer.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        every_steps: int = 10,
        samples: SampleGrid | None = None,
        batch_spec: Any = None,
        health: HealthMonitor | None = None,
    ) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.every_steps = as_integer("every_steps", every_steps)
        self.samples = samples
        self.batch_spec = batch_spec
        self.health = health
        self._writers: dict[str, tf.summary.SummaryWriter] = {}
        self._step = 0
        self._picture_step: int | None = None
        self._graph_is_due = False

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self._step = steps_done(self.model)
        self._picture_step = None
        self._graph_is_due = self.batch_spec is not None
        if self._step:
            self._discard_later_steps()
        self._write_picture()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        previous, self._step = self._step, steps_done(self.model)
        if self._graph_is_due:
            self._write_graph()
        if previous == 0 or self._step // self.every_steps > previous // self.every_steps:
            self._write_scalars("train", "step", logs or {})
            self._write_scalars("train", "learning_rate", self._learning_rates())
        self._write_picture()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        if is_discarded(self.model, epoch):
            return
        logs = logs or {}
        training = {name: value for name, value in logs.items() if not name.startswith("val_")}
        validation = {name[4:]: value for name, value in logs.items() if name.startswith("val_")}
        self._write_scalars("train", "epoch", training)
        self._write_scalars("train", "learning_rate", self._learning_rates())
        self._write_scalars("validation", "epoch", validation)
        self._write_picture()
        self._write_health()
        self._flush()

    def save_state(self, folder: Path) -> dict[str, Any]:
        """Sees to it that all is on disk; there is nothing to carry over a resume."""
        self._flush()
        return {}

    def restore_state(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Does nothing: the files are there, and steps go on."""

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _flush(self) -> None:
        for writer in self._writers.values():
            writer.flush()

    def _discard_later_steps(self) -> None:
        """Has TensorBoard leave out what was written of the steps that come now."""
        for folder in sorted(self.folder.glob("*/")):
            _wait_for_a_second_without_file(folder)
            name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.restart"
            start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
            version = tf.compat.v1.Event(wall_time=time.time(), file_version="brain.Event:2")
            restart = tf.compat.v1.Event(
                wall_time=time.time(), step=self._step + 1, session_log=start
            )
            with tf.io.TFRecordWriter(str(folder / name)) as file:
                # The first start of all is to TensorBoard none that comes again.
                for event in (version, restart, restart):
                    file.write(event.SerializeToString())

    def _writer(self, name: str) -> tf.summary.SummaryWriter:
        if name not in self._writers:
            _wait_for_a_second_without_file(self.folder / name)
            self._writers[name] = tf.summary.create_file_writer(str(self.folder / name))
        return self._writers[name]

    def _write_scalars(self, writer: str, group: str, values: Mapping[str, float]) -> None:
        if not values:
            return
        with self._writer(writer).as_default(step=self._step):
            for name, value in values.items():
                tf.summary.scalar(f"{group}/{name}", value)

    def _learning_rates(self) -> dict[str, float]:
        return {
            player: float(tf.convert_to_tensor(optimizer.learning_rate))
            for player, optimizer in optimizers_of(self.model).items()
        }

    def _write_picture(self) -> None:
        if self.samples is None or self.samples.latest is None:
            return
        if self.samples.latest_step != self._picture_step:
            self._picture_step = self.samples.latest_step
            with self._writer("train").as_default(step=self._picture_step):
                tf.summary.image("samples", self.samples.latest[None])

    def _write_health(self) -> None:
        if self.health is None:
            return
        if self.health.latest_step == self._step:
            self._write_scalars("train", "health", self.health.latest)
        with self._writer("train").as_default(step=self._step):
            for finding in self.health.findings:
                if finding["step"] == self._step:
                    tf.summary.text("health", f"{finding['seen']}. {finding['remedy']}")

    def _write_graph(self) -> None:
        self._graph_is_due = False
        graph = graph_of_step(self.model, self.batch_spec)
        with self._writer("train").as_default(step=self._step):
            tf.summary.graph(readable_graph(graph))


def graph_of_step(model: keras.Model, batch_spec: Any) -> tf.Graph:
    """Returns the graph of `model.train_step`, of few scopes at the top: those of its players.

    Args:
        model: compiled.
        batch_spec: `element_spec` of the training data. The batch is named as by
            `model.batch_spec`, if there is one.
    """
    strategy = model.distribute_strategy
    names = getattr(model, "batch_spec", batch_spec)

    @tf.function(autograph=False)
    def train_step(data):
        # What has no scope of its own is of no player: parts of a batch, packs, pools.
        with tf.name_scope("rest"):
            strategy.run(model.train_step, args=(data,))

    def named(spec: tf.TensorSpec, name: tf.TensorSpec) -> tf.TensorSpec:
        return tf.TensorSpec(spec.shape, spec.dtype, name.name)

    # Keras hides the function that it trains with, so the step is traced anew, never run.
    with strategy.scope():
        spec = tf.nest.map_structure(named, batch_spec, names)
        return train_step.get_concrete_function(spec).graph


def readable_graph(graph: tf.Graph) -> tf.compat.v1.GraphDef:
    """Returns a graph in which a loss's gradient lies in the scope of the player whose loss it is.

    TensorFlow puts those of all players into one scope, in which all of them would seem to meet.
    """
    shown = graph.as_graph_def()
    for node in shown.node:
        node.name = _with_its_player(node.name)
        node.input[:] = map(_with_its_player, node.input)
        node.attr.pop("_class", None)  # names of others, where they are to run
    return shown


def _with_its_player(name: str) -> str:
    name = re.sub(r"^(\^?)gradient_tape/(\w+_player)/", r"\1\2/gradient/", name)
    return re.sub(r"^(\^?)gradient_tape/", r"\1rest/gradient/", name)


def _wait_for_a_second_without_file(folder: Path) -> None:
    """Returns in a second in which no event file of `folder` was begun.

    TensorBoard reads files in the order of their names, `events.out.tfevents.<second>.<host>.
    <process>.<number>`. Of two that one process begins within a second, number 10 comes before 9.
    """
    begun = {path.name.split(".")[3] for path in folder.glob("events.out.tfevents.*")}
    while f"{int(time.time()):010d}" in begun:
        time.sleep(0.02)
