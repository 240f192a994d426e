"""Packs a trained model as a SavedModel."""

import contextlib
import logging
import os
import pathlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping

import keras
import tensorflow as tf

from export import recording, verification
from export.model_card import Details, write_card
from zoo.common.adversarial import AdversarialModel
from zoo.common.checks import as_integer
from zoo.common.exported_discriminators import discriminator_signatures
from zoo.common.exported_functions import ReusableCall
from zoo.common.files import new_folders


def save(
    model: AdversarialModel,
    folder: str | os.PathLike[str],
    version: int = 1,
    *,
    include_discriminator: bool = False,
    details: Details | None = None,
    verify: bool = True,
) -> pathlib.Path:
    """Exports `model` as a SavedModel at `folder/<version>/`, the layout that TF Serving reads.

    Images go in and come out as float32 in [0, 1], batch sizes are free. The signatures are what
    `model.export_signatures()` gives, such as

    - `generate(num: int32, seed: int64, truncation: float32)` → `images`; truncation below 1 gives
      more typical and less varied ones, see `zoo.common.priors.Prior.truncate`;
    - `draw_latents(num, seed)` → `latents`, and between which numbers they lie; `from_latents(
      latents)` → `images`;
    - `classify(images)` → `probabilities` `(batch, K)` and `labels`, the name of the likeliest
      class of each image; the K names, one a line, are packed as the asset `labels.txt`;
    - `a_to_b(images)` and `b_to_a(images)` → `images`, translated;
    - with its discriminator, those of `zoo.common.exported_discriminators`: `discriminate(images)`
      → `logits`, and if it has convolutions `features(images)` → `features` `(batch, n)`.

    They refuse what is out of range: an empty batch, pixels outside [0, 1], a NaN, a negative seed.
    What that costs is in docs/exports.md; `model.export_signatures(checks=False)` are the functions
    without.

    The root has TF-Hub's reusable interface: `loaded(inputs, training=False)`, which makes images
    of latents, logits of images if the model classifies, and translates A to B;
    `variables`, `trainable_variables` and `regularization_losses` of that call, to fine-tune it.

    Beside it, `folder/<version>.about/` tells of it: `manifest.json` has the SHA-256 of each file,
    versions, and the form and the value range of each input and output; `recorded.npz` what
    `export.verify` compares with; `model_card.md` is the card, in TF-Hub's form, `README.md` the
    same for Hugging Face, and `samples.png` its picture: these are to be completed by hand, and not
    in the manifest. Both folders appear whole or not at all; processes that save at once do not
    disturb each other. What a killed one leaves, a hidden folder, the next save removes.

    Args:
        model: a model of the zoo.
        folder: where versions of this export live; made if there is none.
        version: name of the subfolder, a positive integer. Defaults to 1.
        include_discriminator: whether to pack it too. Defaults to False: it is as large as the
            generator, and only who wants its features asks for it.
        details: what the card tells of the training, such as `export.details_of_run(folder)`.
            Defaults to nothing.
        verify: whether to see first that it gives in a fresh process what the model gives, by
            `export.verify`. Defaults to True; see there what it costs.

    Returns:
        The path `folder/<version>`.

    Raises:
        TypeError: if `model` is not a model of the zoo.
        ValueError: if `version` is not a positive integer.
        VerificationError: if the export does not give what the model gives; it is not kept then.
        OSError: if the folder can't be written.
        FileExistsError: if that version exists already; it is left as it is.
    """
    if not isinstance(model, AdversarialModel):
        raise TypeError(f"export.save() takes a model of the zoo. Received: {type(model).__name__}")
    version = as_integer("version", version)
    target = pathlib.Path(folder) / str(version)
    about = target.with_name(f"{version}.about")
    with _telling_why(target, version), new_folders(about, target) as (about_partial, partial):
        _fill(model, include_discriminator, details or Details(), version, partial, about_partial)
        if verify:
            verification.verify(partial)
    return target


@contextlib.contextmanager
def _telling_why(target: pathlib.Path, version: int) -> Iterator[None]:
    """Says which export can't be written, and what to do."""
    try:
        if target.exists():
            raise FileExistsError
        yield
    except OSError as error:
        if isinstance(error, FileExistsError) and target.exists():
            raise FileExistsError(
                f"{target} exists already, and an export is never overwritten. Save under another "
                f"version, such as version={version + 1}, or remove it."
            ) from None
        raise OSError(
            error.errno,
            f"can't write an export to {target}: {error.strerror or error}; name a folder that can "
            "be written",
        ) from error


def _fill(
    model: AdversarialModel,
    include_discriminator: bool,
    details: Details,
    version: int,
    folder: pathlib.Path,
    about: pathlib.Path,
) -> None:
    """Writes the SavedModel, and what is about it."""
    signatures, call = model.export_signatures(), model.export_call()
    if include_discriminator:
        signatures |= discriminator_signatures(model)
    _write(model, signatures, call, folder)
    manifest = recording.write_record(
        model, signatures, call, folder, about, version, details.dataset
    )
    write_card(model, version, manifest, details, about)


class _Reusable(tf.Module):
    """What is saved. Its lists of variables are given, where those of a module are of all of it."""

    variables = None
    trainable_variables = None


def _write(
    model: AdversarialModel,
    signatures: Mapping[str, tf.types.experimental.PolymorphicFunction],
    call: ReusableCall,
    folder: pathlib.Path,
) -> None:
    module = _Reusable()
    module.__call__ = call.function
    module.variables = _variables_of(call.traces)
    module.trainable_variables = [each for each in module.variables if each.trainable]
    module.regularization_losses = _losses_of(model, module.variables)
    # What a signature closes over must hang on the module, or it is not saved.
    traces = [function.get_concrete_function() for function in signatures.values()]
    module.variables_of_signatures = _variables_of([*traces, *call.traces])
    for name, function in signatures.items():
        if name != "serving_default":
            setattr(module, name, function)
    with tempfile.TemporaryDirectory() as assets:
        class_names = getattr(model, "class_names", None)
        if class_names:
            labels = pathlib.Path(assets) / "labels.txt"
            labels.write_text("".join(f"{name}\n" for name in class_names), encoding="utf-8")
            module.labels = tf.saved_model.Asset(str(labels))
        with _quiet_tensorflow():
            tf.saved_model.save(module, str(folder), signatures=dict(signatures))


@contextlib.contextmanager
def _quiet_tensorflow() -> Iterator[None]:
    """Hides TensorFlow's note of where it wrote, which is a folder that is renamed right after."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _variables_of(traces: Iterable[tf.types.experimental.ConcreteFunction]) -> list[tf.Variable]:
    """Returns what they read: the networks that no function calls stay at home."""
    read = [variable for trace in traces for variable in trace.graph.variables]
    return list({id(variable): variable for variable in read}.values())


def _losses_of(
    model: keras.Model, variables: Iterable[tf.Variable]
) -> list[tf.types.experimental.PolymorphicFunction]:
    """Returns a function without arguments for each penalty on the weights among `variables`."""
    read = {id(variable) for variable in variables}
    return [
        _penalty_on(weight)
        for weight in model.weights
        if weight.regularizer is not None and id(weight.value) in read
    ]


def _penalty_on(weight: keras.Variable) -> tf.types.experimental.PolymorphicFunction:
    @tf.function(input_signature=[], autograph=False)
    def penalty():
        return weight.regularizer(weight.value)

    return penalty
