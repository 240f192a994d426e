"""Runs a recipe: from its flags to its model, from training to scores, table and page."""

import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
from absl import flags

import export
from recipes.common import command_line, training
from recipes.common.family import RunData
from recipes.common.hyper_parameters import HyperParameters
from recipes.common.recipe import Recipe
from zoo.common.adversarial import AdversarialModel
from zoo.common.command_errors import one_line_errors
from zoo.common.latent_model import LatentModel
from zoo.common.measure_logs import directions_of
from zoo.runs import CheckpointError, RunFolder, RunFolderError

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
        values, folder = command_line.configure(recipe.name, recipe.preset)
        recipe.check(values)
        data = recipe.family.make_data(values)
        folder.refuse_other_data(data.fingerprint)
        model = build_model(recipe, values, data)
    errors = one_line_errors(
        *(CheckpointError, RunFolderError, training.TrainingError, OSError),
        export.VerificationError,
    )
    with command_line.interruptible(folder), errors:
        results = train_and_report(recipe, values, data, model, folder)
    if results["is_broken"]:
        sys.exit(1)


# === Model ===


def build_model(recipe: Recipe, values: HyperParameters, data: RunData) -> AdversarialModel:
    """Returns the recipe's model, compiled and adapted to the data.

    Args:
        recipe: whose model to build.
        values: its hyper-parameters.
        data: made from them.

    Raises:
        ValueError: if the model refuses a value, or replicas can't share a batch.
    """
    keras.utils.set_random_seed(values.seed)
    keras.config.set_dtype_policy(values.precision)
    with training.strategy_scope(values.strategy, values.batch_size):
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
    data.prepare_compiling()
    with model.distribute_strategy.scope():
        optimizers = {
            f"{player}_optimizer": values.optimizer_of(player, data.steps_per_epoch)
            for player in model.players
        }
        model.compile(**optimizers, **values.compile_arguments(), **data.compile_arguments())
    recipe.family.adapt(model, data)
    return model


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
) -> dict[str, Any]:
    """Trains a model, scores it and fills the run folder.

    Args:
        recipe: of the run.
        values: its hyper-parameters.
        data: made from them.
        model: made from both.
        folder: a new one, or that of the run to resume.

    Returns:
        What `results.json` holds.

    Raises:
        CheckpointError: if the run to resume has a damaged checkpoint.
        RunFolderError: if the folder can't be written.
        TrainingError: if a training beside the model's fails; the rest is in the folder by then.
        VerificationError: if the export does not give what the model gives.
        OSError: if a file can't be written later on.
    """
    family = recipe.family
    monitor = values.monitor or family.monitor
    mode = _better(model, monitor)
    outcome = training.fit(
        model,
        data.train_from,
        folder,
        epochs=values.epochs,
        steps_per_epoch=data.steps_per_epoch,
        validation_data=data.validation,
        monitor=monitor,
        mode=mode,
        stamp=family.stamp_of_validation(data, model, monitor.removeprefix("val_")),
        dataset_fingerprint=data.fingerprint,
        patience=values.patience,
        num_samples=family.num_samples,
        draw_samples=family.sample_drawer(model, data),
        on_begin=lambda: data.write_skipped_images(folder.path / "skipped_images.csv"),
    )

    def write_and_report(results: dict[str, Any]) -> None:
        folder.write_results(results)
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

    pictures: list[tuple[Path, str]] = []
    best = family.best
    if values.monitor:
        best = f"the {'least' if mode == 'min' else 'largest'} {values.monitor}"
    results = {
        **family.score(values, data, model, outcome),
        "weights": outcome.describe_weights(bool(values.average_decay), best),
        "stop_reason": outcome.stop_reason,
        "is_broken": outcome.is_broken,
        "epochs": outcome.epochs,
        "smoke": values.smoke,
    }
    write_and_report(results)
    further = {} if outcome.is_broken else family.further_scores(values, data, model)
    if further:
        results |= further
        pictures += family.write_pictures(data, model, folder.path)
        write_and_report(results)
    if not (values.smoke or outcome.is_broken):  # it takes seconds, and what broke may give NaN
        export.verify(folder.export)
    print(training.format_table(family.columns, family.table(values, results)))
    ending = f"Stopped: {outcome.stop_reason}. Everything is in {folder.path}; "
    lines = (_protocol_line(results), f"{ending}open {folder.report_html}")
    print("\n".join(filter(None, lines)))
    return results


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
