"""What every recipe does between its data and its table: fit, resume, export, report."""

import contextlib
import dataclasses
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import export
from recipes.common import report_page
from zoo.common.adversarial import AdversarialModel
from zoo.common.distribution import chief_first, has_workers, is_chief, require_agreement
from zoo.common.files import free_path, is_partial, replaced_folder
from zoo.common.messages import counted
from zoo.datasets import FolderScan
from zoo.metrics import Stamp, refuse_different
from zoo.runs import (
    CheckpointError,
    HealthMonitor,
    HistoryFile,
    PlayersTensorBoard,
    ProgressBar,
    RunCheckpoint,
    SampleGrid,
    StopOnNonFinite,
    StopOnQuality,
    StopOnSignal,
    fit_from,
)
from zoo.runs.checkpoints import RunState
from zoo.runs.epochs import is_due
from zoo.runs.folder import RunFolder
from zoo.runs.training_state import optimizers_of, steps_done
from zoo.runs.workers import ReplicaCount, callbacks_of


class TrainingError(RuntimeError):
    """A training that came to nothing; the message is one line and says what to do."""


@dataclasses.dataclass(frozen=True)
class Saving:
    """When a run is saved, beside ends of epochs; it changes nothing of what is trained.

    Attributes:
        every_steps: train steps between checkpoints within an epoch; None for none by steps.
        every_minutes: after which to save within an epoch; None for none by time.
        keep: how many of the newest checkpoints are kept. The best one is kept beside them.
    """

    every_steps: int | None = None
    every_minutes: float | None = 10.0
    keep: int = 2


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        stop_reason: one line.
        epochs: how many were trained in all, resumed ones included.
        history: one row of logs an epoch.
        is_broken: whether a number that is not finite ended it.
        keeps_best: whether early stopping watched it, so that the best epoch's weights are back.
    """

    stop_reason: str
    epochs: int
    history: list[dict[str, Any]]
    is_broken: bool
    keeps_best: bool

    def describe_weights(self, are_averaged: bool, best: str = "") -> str:
        """Returns in words which weights the run ended with: what its scores are of.

        Args:
            are_averaged: whether they are moving averages.
            best: what early stopping takes for the best, for example "the least error"; recipes
                without early stopping leave it out.
        """
        kind = "averaged weights" if are_averaged else "weights"
        broke = "; the run broke" if self.is_broken else ""
        if self.keeps_best:
            return f"{kind} of the epoch with {best}{broke}"
        return f"{kind} of the last {'good state' if self.is_broken else 'step'}{broke}"


def fit(
    model: AdversarialModel,
    data_from: Callable[[int], tf.data.Dataset],
    run: RunFolder,
    *,
    epochs: int,
    steps_per_epoch: int,
    validation_data: tf.data.Dataset,
    monitor: str,
    mode: str = "min",
    stamp: Stamp | None = None,
    dataset_fingerprint: str | None = None,
    patience: int | None = None,
    evaluate_every: int = 1,
    num_samples: int = 64,
    draw_samples: Callable[[int, int], np.ndarray] | None = None,
    on_begin: Callable[[], None] | None = None,
    saving: Saving | None = None,
    resume_command: str = "",
) -> Outcome:
    """Trains `model` in the folder of `run`, from its newest checkpoint if there is one.

    Nothing in the folder changes before that checkpoint is found good and loaded. Of several
    workers each reads it there, and the chief alone writes.

    Args:
        model: compiled.
        data_from: maps a step to the endless data set that begins with that step's batch.
        run: where everything that the run leaves goes.
        epochs: in all.
        steps_per_epoch: steps in an epoch.
        validation_data: what `model.evaluate` takes.
        monitor: quality measure to show and to stop on.
        mode: "min" if smaller is better, the default, or "max".
        stamp: what that measure is taken on. A run that was stopping on it is not resumed on
            another. Defaults to none, not known.
        dataset_fingerprint: digest of the data, for the run's `environment.json`.
        patience: epochs without improvement after which to stop, with the best weights restored.
            Defaults to `None`: train to the end and keep the last weights. A run that stopped so
            stays stopped, also with more epochs.
        evaluate_every: epochs from one after which the model is validated, looked at for ills,
            asked for samples and saved, to the next. That is done after the last epoch in any case,
            and all but saving after the first. With `patience` it is 1. Defaults to 1.
        num_samples: images in the sample grid.
        draw_samples: draws them, as for `SampleGrid`. Defaults to `None`: the model's `generate`.
        on_begin: called when the folder is the run's, before the first step.
        saving: when to save. Defaults to `None`: as `Saving` does by itself.
        resume_command: what to type to go on, for who interrupts the run. Defaults to "", not said.

    Returns:
        How it ended.

    Raises:
        CheckpointError: if no checkpoint can be used.
        RunFolderError: if the folder can't be written, or another process is at work in it.
        OSError: if a checkpoint can't be written.
        SystemExit: if a signal asked for the end, with the code of `StopOnSignal`.
        WorkerError: if not all workers found the same checkpoint.
    """
    saving = saving or Saving()
    strategy = model.distribute_strategy
    writes = is_chief(strategy)
    on_quality = None
    if patience is not None:
        taken_on = dataclasses.asdict(stamp) if stamp else None
        on_quality = StopOnQuality(monitor, patience, mode, stamp=taken_on)
        evaluate_every = 1  # what decides the training must not hang on how often one looks
    health = HealthMonitor(data_from(0), run.health_json, every_epochs=evaluate_every)
    states = {"health": health, "replicas": ReplicaCount(strategy)}
    states |= {"stop_on_quality": on_quality} if on_quality else {}
    state, stop = _restored(model, run, states, monitor, stamp)
    # An unbroken run would have gone no further either.
    has_stopped = stop is not None and stop["wait"] >= patience
    history_csv = run.history_csv if writes else None
    history = HistoryFile(history_csv, state.history if state else ())
    on_non_finite = StopOnNonFinite(ignore=_norms_that_may_overflow(model))
    samples = SampleGrid(
        run.samples, num_images=num_samples, draw=draw_samples, every_epochs=evaluate_every
    )
    # What one worker traces, or looks for, alone would put it out of step with the others.
    by_itself = not has_workers(strategy)
    batch_spec = data_from(0).element_spec if by_itself else None
    tensorboard = PlayersTensorBoard(
        run.tensorboard, samples=samples, batch_spec=batch_spec, health=health
    )
    save = RunCheckpoint(
        run.checkpoints,
        saving.keep,
        evaluate_every,
        history=history,
        states=states | {"tensorboard": tensorboard},
        every_steps=saving.every_steps,
        every_minutes=saving.every_minutes,
        best=monitor,
        mode=mode,
        guard=on_non_finite if by_itself else None,
        resumed=state,
    )
    on_signal = StopOnSignal(save.save if writes else lambda: run.path, resume_command)
    callbacks = [
        on_non_finite,
        samples,
        health,
        tensorboard,
        *([on_quality] if on_quality else []),
        history,
        save,
        ProgressBar(epochs, validation_key=monitor),
        on_signal,
    ]
    if writes:
        run.begin(dataset_fingerprint)
        run.write_model(model)
        if on_begin is not None:
            on_begin()
        print(f"Training on {_devices(strategy)}; the run is in {run.path}", file=sys.stderr)
    try:
        fit_from(
            dataclasses.replace(state, epoch=epochs) if has_stopped else state,
            model,
            data_from,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            validation_data=validation_data,
            validation_freq=[n for n in range(1, epochs + 1) if is_due(n, evaluate_every, epochs)],
            callbacks=callbacks_of(strategy, callbacks),
        )
    finally:
        on_signal.release()
    if has_stopped:
        on_quality.stop_reason = on_quality.standstill()
    return Outcome(
        stop_reason=_stop_reason(run, epochs, on_non_finite, on_quality),
        epochs=len(history.rows),
        history=history.rows,
        is_broken=on_non_finite.stop_reason is not None,
        # A run that broke within its first epoch has none.
        keeps_best=on_quality is not None and on_quality.best_weights is not None,
    )


def _restored(
    model: AdversarialModel,
    run: RunFolder,
    states: Mapping[str, Any],
    monitor: str,
    stamp: Stamp | None,
) -> tuple[RunState | None, Mapping[str, Any] | None]:
    """Returns the newest checkpoint, which is loaded, and what early stopping said in it."""
    strategy = model.distribute_strategy
    state, stop = None, None
    with chief_first(strategy):  # which sets aside what is damaged
        if run.latest_checkpoint is not None:
            if is_chief(strategy):
                run.lock()
            with _warnings_as_lines():
                state = RunCheckpoint.restore(model, run.checkpoints, states)
            stop = state.states.get("stop_on_quality")
            _refuse_other_stamp(monitor, stop, stamp)
    require_agreement(
        strategy,
        steps_done(model),
        "the step to go on from",
        "Give them one --workdir, on a disk that all see.",
    )
    return state, stop


def _norms_that_may_overflow(model: AdversarialModel) -> tuple[str, ...]:
    """Names the logs that an overflow, which loss scaling skips, makes infinite."""
    return tuple(
        f"{player}_gradient_norm"
        for player, optimizer in optimizers_of(model).items()
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    )


def _stop_reason(
    run: RunFolder,
    epochs: int,
    on_non_finite: StopOnNonFinite,
    on_quality: StopOnQuality | None,
) -> str:
    if on_non_finite.stop_reason:
        newest = run.latest_checkpoint
        saved = f"; the last good checkpoint is {newest.name}" if newest is not None else ""
        return f"{on_non_finite.stop_reason}{saved}"
    if on_quality is not None and on_quality.stop_reason:
        return on_quality.stop_reason
    return f"all {counted(epochs, 'epoch')} done"


def _refuse_other_stamp(monitor: str, stop: Mapping[str, Any] | None, stamp: Stamp | None) -> None:
    """Refuses to compare a measure with a best value that was taken on something else."""
    # Checkpoints from before there were stamps have none.
    before = (stop or {}).get("stamp")
    if not before or not stamp:
        return
    try:
        refuse_different({"the best epoch": Stamp(**before), "this run": stamp})
    except ValueError as error:
        raise CheckpointError(f"{monitor} can't go on from its best value. {error}") from error


@contextlib.contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Prints warnings without the lines of code that gave them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        print(f"Warning: {warning.message}", file=sys.stderr)


def tell_of_skipped_images(scans: Sequence[FolderScan], report: Path) -> None:
    """Says in one line how many images of folders are used, and where the others are listed."""
    num_used = sum(len(scan.files) for scan in scans)
    num_skipped = sum(len(scan.skipped) for scan in scans)
    print(
        f"{counted(num_used, 'image')} used, {counted(num_skipped, 'file')} skipped; {report} "
        "lists these, and doubles.",
        file=sys.stderr,
    )


def _devices(strategy: tf.distribute.Strategy) -> str:
    """Names what TensorFlow found, for it says nothing of a GPU that it can't use."""
    gpus = tf.config.list_physical_devices("GPU")
    found = f"{len(gpus)} GPU" if gpus else f"the CPU, {os.cpu_count()} cores, no GPU"
    replicas = strategy.num_replicas_in_sync
    shared = f", as {replicas} replicas that share each batch" if replicas > 1 else ""
    return f"{found}{shared}"


def draw_training(run: RunFolder, outcome: Outcome) -> None:
    """Draws how a training went: its curves, and the animation of its samples."""
    if outcome.history:
        report_page.write_curves(outcome.history, run.curves_png)
    report_page.write_gif(run.samples, run.samples_gif)


def export_and_report(
    model: AdversarialModel,
    run: RunFolder,
    outcome: Outcome,
    *,
    title: str,
    headline: str,
    table: list[tuple[str, str, str]],
    resume_command: str,
    notice: str = "",
    data_license: str = "",
    pictures: Sequence[tuple[Path, str]] = (),
) -> None:
    """Writes what a run leaves at its end: the export, and the page of all that is in its folder.

    Args:
        model: trained.
        run: the run's folder.
        outcome: what `fit` returned.
        title: of the page.
        headline: one line that says how it went.
        table: the results: a name, a value and a remark for each row.
        resume_command: what to type to train longer.
        notice: what a reader must know before quoting a number.
        data_license: of the data, in words.
        pictures: further ones for the page, each with its caption. Defaults to none.
    """
    _renew_export(
        model,
        run.export,
        export.details_of_run(run.path, data_license=data_license, notice=notice),
    )
    report_page.write_report(
        run,
        title=title,
        outcome=headline,
        stop_reason=outcome.stop_reason,
        summary_rows=table,
        resume_command=resume_command,
        load_example=(
            f"import tensorflow as tf\n\nmodel = tf.saved_model.load({str(run.export)!r})"
        ),
        notice=notice,
        pictures=pictures,
    )


def keep_earlier_cards(version: Path) -> None:
    """Copies the cards of an export that a run is about to make anew, which may be edited by hand.

    Args:
        version: the export's folder; its cards go to `<version>.about.earlier` beside it.
    """
    about = version.with_name(f"{version.name}.about")
    cards = sorted(about.glob("*.md"))
    if cards:
        with replaced_folder(free_path(f"{about}.earlier")) as folder:
            for card in cards:
                shutil.copy2(card, folder)


def _copy(path: Path, to: Path) -> None:
    """Copies a file, a folder or a link, which stays one."""
    if path.is_dir() and not path.is_symlink():
        shutil.copytree(path, to, symlinks=True)
    else:
        shutil.copy2(path, to, follow_symlinks=False)


def _renew_export(model: AdversarialModel, version: Path, details: export.Details) -> None:
    """Exports a run, in place of what it exported before; what others put beside it stays."""
    with replaced_folder(version.parent) as folder:
        export.save(model, folder, int(version.name), details=details, verify=False)
        for path in sorted(version.parent.glob("*")):
            is_old = path.name in (version.name, f"{version.name}.about")
            if not (is_old or is_partial(path)):
                _copy(path, folder / path.name)


def format_table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Returns rows as text, aligned under the names of their columns."""
    widths = [max(len(line[i]) for line in (columns, *rows)) for i in range(len(columns))]
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (columns, rule, *rows)
    )
