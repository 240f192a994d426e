"""Runs a recipe: from its flags to its model, from training to scores, table and page."""

import functools
import hashlib
import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from absl import flags

import export
from recipes.common import command_line, training
from recipes.common.advice import advice_on_length
from recipes.common.family import RunData, largest_divisor
from recipes.common.hyper_parameters import HyperParameters
from recipes.common.recipe import Recipe
from zoo.common.adversarial import AdversarialModel
from zoo.common.command_errors import one_line_errors
from zoo.common.distribution import (
    WorkerError,
    chief_first,
    is_chief,
    make_strategy,
    refuse_unequal_shares,
    require_agreement,
)
from zoo.common.latent_model import LatentModel
from zoo.common.measure_logs import directions_of
from zoo.common.messages import counted
from zoo.runs import CheckpointError, RunFolder, RunFolderError
from zoo.runs.workers import ending_with_the_others

# Flags defined on behalf of a recipe are its own, so that its --help shows them.
flags.disclaim_key_flags()


def run(recipe: Recipe) -> None:
    """Runs a recipe as its command line says; ends the process with 1 if the run broke."""
    command_line.define_flags(
        recipe.preset,
        dataset=recipe.dataset,
        datasets_help=recipe.datasets_help,
        **recipe.own_flags,
    )
    command_line.run(lambda: _run_as_flags_say(recipe))


def _run_as_flags_say(recipe: Recipe) -> None:
    with one_line_errors():
        # First: workers can meet only before TensorFlow does anything.
        strategy = make_strategy(flags.FLAGS.strategy, flags.FLAGS.replicas)
    with one_line_errors(), ending_with_the_others(strategy, "See what it said."):
        values, folder = command_line.configure(recipe.name, recipe.preset, is_chief(strategy))
        recipe.check(values)
        with chief_first(strategy):  # what it makes and keeps, others may find
            data = recipe.family.make_data(values)
        folder.refuse_other_data(data.fingerprint)
        refuse_other_workers(strategy, values, data)
        model = build_model(recipe, values, data, strategy)
    is_resumed = folder.latest_checkpoint is not None
    advice = advice_on_length(values, data.steps_per_epoch, is_resumed)
    for line in filter(None, (advice, data.advice)) if is_chief(strategy) else ():
        print(line, file=sys.stderr)
    kinds = (
        *(CheckpointError, RunFolderError, training.TrainingError),
        *(export.VerificationError, WorkerError, OSError),
    )
    together = ending_with_the_others(
        strategy, f"Restart all workers, each with: {command_line.resume_command(folder)}"
    )
    with command_line.interruptible(folder), one_line_errors(*kinds), together:
        saving = command_line.saving()
        results = train_and_report(recipe, values, data, model, folder, saving)
        with chief_first(strategy):  # which may be writing still
            pass
    if results["is_broken"]:
        sys.exit(1)


# === Model ===


def refuse_other_workers(
    strategy: tf.distribute.Strategy, values: HyperParameters, data: RunData
) -> None:
    """Refuses workers that were started with other hyper-parameters, or on other data.

    Raises:
        WorkerError: on each of them.
    """
    told = repr((values, data.fingerprint)).encode()
    require_agreement(
        strategy,
        int.from_bytes(hashlib.sha256(told).digest()[:4], "big"),
        "hyper-parameters and data, of which this is a digest",
        "Start all with the same command, on the same data.",
    )


def build_model(
    recipe: Recipe,
    values: HyperParameters,
    data: RunData,
    strategy: tf.distribute.Strategy | None = None,
) -> AdversarialModel:
    """Returns the recipe's model, compiled and adapted to the data.

    Args:
        recipe: whose model to build.
        values: its hyper-parameters.
        data: made from them.
        strategy: in whose scope to build it. Defaults to TensorFlow's, of one replica.

    Raises:
        ValueError: if the model refuses a value, or replicas can't share a batch.
    """
    keras.utils.set_random_seed(values.seed)
    keras.config.set_dtype_policy(values.precision)
    strategy = strategy or tf.distribute.get_strategy()
    refuse_unequal_shares(values.batch_size, strategy)
    with strategy.scope():
        model = recipe.model(
            **_arguments_for(
                recipe.model,
                {
                    **vars(values),
                    **data.model_arguments,
                    **values.network_arguments(
                        data.model_arguments["image_shape"], data.steps_per_epoch
                    ),
                },
            )
        )
    with chief_first(strategy):
        data.prepare_compiling()
    with model.distribute_strategy.scope():
        optimizers = {
            f"{player}_optimizer": values.optimizer_of(player, data.steps_per_epoch)
            for player in model.players
        }
        model.compile(
            **optimizers,
            **values.compile_arguments(),
            **data.compile_arguments(),
            jit_compile={"auto": "auto", "on": True, "off": False}[values.jit],
            **_steps_in_a_call(values, data),
        )
    recipe.family.adapt(model, data)
    return model


def _steps_in_a_call(values: HyperParameters, data: RunData) -> dict[str, int]:
    """Returns how many train steps Keras takes in one call, if the recipe lets one choose."""
    wanted = vars(values).get("steps_per_execution")
    if wanted is None:
        return {}
    # Keras would overrun an epoch of which it is no divisor.
    taken = largest_divisor(data.steps_per_epoch, wanted)
    if taken != wanted:
        print(
            f"{counted(taken, 'step')} in a call, the most up to steps_per_execution={wanted} that "
            f"divide the {counted(data.steps_per_epoch, 'step')} of an epoch",
            file=sys.stderr,
        )
    return {"steps_per_execution": taken}


def _arguments_for(model: type[AdversarialModel], known: Mapping[str, Any]) -> dict[str, Any]:
    """Picks what the constructor has arguments for; the rest is of training."""
    arguments = inspect.signature(model.__init__).parameters
    return {name: known[name] for name in arguments if name in known}


# === Results ===


def train_and_report(
    recipe: Recipe,
    values: HyperParameters,
    data: RunData,
    model: AdversarialModel,
    folder: RunFolder,
    saving: training.Saving | None = None,
) -> dict[str, Any]:
    """Trains a model, scores it and fills the run folder.

    Args:
        recipe: of the run.
        values: its hyper-parameters.
        data: made from them.
        model: made from both.
        folder: a new one, or that of the run to resume.
        saving: when the run is saved. Defaults to `None`, as `training.fit` does by itself.

    Returns:
        What `results.json` holds.

    Raises:
        CheckpointError: if the run to resume has no checkpoint that can be used.
        RunFolderError: if the folder can't be written.
        TrainingError: if a training beside the model's fails; the rest is in the folder by then.
        VerificationError: if the export does not give what the model gives.
        OSError: if a file can't be written later on.
    """
    family = recipe.family
    monitor = values.monitor or family.monitor
    mode = _better(model, monitor)
    outcome = _train(recipe, values, data, model, folder, monitor, mode, saving)
    best = family.best
    if values.monitor:
        best = f"the {'least' if mode == 'min' else 'largest'} {values.monitor}"
    results = {
        **family.score(values, data, model, outcome),
        "weights": outcome.describe_weights(bool(values.average_decay), best),
        "stop_reason": outcome.stop_reason,
        "watched": monitor,
        "better": mode,
        "is_broken": outcome.is_broken,
        "epochs": outcome.epochs,
        "smoke": values.smoke,
    }
    if not is_chief(model.distribute_strategy):
        return results
    report = functools.partial(_report, recipe, values, data, model, folder, outcome)
    folder.write_results(results)
    training.draw_training(folder, outcome)
    training.keep_earlier_cards(folder.export)
    report(results)
    # They are taken of the networks alone, so that one worker can do it.
    further = {} if outcome.is_broken else family.further_scores(values, data, model)
    if further:
        results |= further
        folder.write_results(results)
        report(results, family.write_pictures(data, model, folder.path))
    if not (values.smoke or outcome.is_broken):  # it takes seconds, and what broke may give NaN
        export.verify(folder.export)
    print(training.format_table(family.columns, family.table(values, results)))
    ending = f"Stopped: {outcome.stop_reason}. Everything is in {folder.path}; "
    lines = (_protocol_line(results), f"{ending}open {folder.report_html}")
    print("\n".join(filter(None, lines)))
    return results


def _train(
    recipe: Recipe,
    values: HyperParameters,
    data: RunData,
    model: AdversarialModel,
    folder: RunFolder,
    monitor: str,
    mode: str,
    saving: training.Saving | None,
) -> training.Outcome:
    family, stamp = recipe.family, None
    if values.patience is not None:  # no other run hangs on what it was
        stamp = family.stamp_of_validation(data, model, monitor.removeprefix("val_"))
    return training.fit(
        model,
        data.train_from,
        folder,
        epochs=values.epochs,
        steps_per_epoch=data.steps_per_epoch,
        validation_data=data.validation,
        monitor=monitor,
        mode=mode,
        stamp=stamp,
        dataset_fingerprint=data.fingerprint,
        patience=values.patience,
        evaluate_every=values.evaluate_every,
        num_samples=family.num_samples,
        draw_samples=family.sample_drawer(model, data),
        on_begin=lambda: data.write_skipped_images(folder.path / "skipped_images.csv"),
        saving=saving,
        resume_command=command_line.resume_command(folder),
    )


def _report(
    recipe: Recipe,
    values: HyperParameters,
    data: RunData,
    model: AdversarialModel,
    folder: RunFolder,
    outcome: training.Outcome,
    results: dict[str, Any],
    pictures: Sequence[tuple[Path, str]] = (),
) -> None:
    family = recipe.family
    training.export_and_report(
        model,
        folder,
        outcome,
        title=f"{recipe.title} on {values.dataset}",
        headline=family.headline(results),
        table=family.table(values, results),
        resume_command=command_line.resume_command(folder, "--epochs=..."),
        pictures=pictures,
        notice=_joined(data.stand_in, _protocol_line(results), family.samples_note),
        data_license=data.license,
    )


def _better(model: AdversarialModel, monitor: str) -> str:
    """Returns "min" or "max", as the measure says of itself; errors and losses are "min"."""
    directions = {}
    measures = model.measures_in_use() if isinstance(model, LatentModel) else ()
    for measure in measures:
        directions |= directions_of(measure)
    return directions.get(monitor.removeprefix("val_")) or "min"


def _protocol_line(results: Mapping[str, Any]) -> str:
    return f"Scores: {results['protocol']}." if "protocol" in results else ""


def _joined(*sentences: str) -> str:
    return " ".join(filter(None, sentences))
