"""Exports as their consumers see them; that they stand alone is in the contract test."""

import os
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import export
from tests.case import ramp_images
from tests.cases.semi_supervised_gan import CASE as SEMI_SUPERVISED
from tests.dense_gan import dense_gan
from zoo import SemiSupervisedGAN, VanillaGAN

# None of ASCII alone, so that whichever is the likeliest is no such name.
NAMES = ["zéro", "één", "två", "três", "四", "fünf", "šest", "siedém", "åtte", "dziewięć"]


@pytest.fixture(scope="module")
def model() -> SemiSupervisedGAN:
    keras.utils.set_random_seed(0)
    config = SEMI_SUPERVISED.build().get_config()
    return SemiSupervisedGAN.from_config(config | {"class_names": NAMES})


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "deep" / "down"
    assert export.save(model, folder, verify=False) == folder / "1"
    return folder


def images_in_0_1(batch_size: int) -> np.ndarray:
    return (ramp_images(batch_size) + 1) / 2


def test_classify_names_the_likeliest_class(model, folder):
    loaded = export.load(folder)
    outputs = loaded.classify(images_in_0_1(6))
    probabilities = model.predict(ramp_images(6), verbose=0)
    np.testing.assert_allclose(outputs["probabilities"], probabilities, atol=1e-6)
    np.testing.assert_allclose(outputs["probabilities"].numpy().sum(axis=1), 1, atol=1e-5)
    names = [name.decode() for name in outputs["labels"].numpy()]
    assert names == [NAMES[k] for k in probabilities.argmax(axis=1)]


def test_only_networks_that_are_asked_are_packed(model, folder):
    """And the states of its noise, which the call in training draws from."""
    variables = export.load(folder).variables_of_signatures
    packed = sum(int(tf.size(v)) for v in variables if v.dtype.is_floating)
    asked = model.generator.count_params() + model.averaged_discriminator.count_params()
    assert packed == asked < model.count_params()


def test_generate_gives_what_the_model_generates(model, folder):
    generate = export.load(folder).signatures["generate"]
    arguments = {"num": tf.constant(5), "seed": tf.constant(2**40, tf.int64)}
    images = generate(**arguments, truncation=tf.constant(1.0))["images"].numpy()
    assert images.min() >= 0 and images.max() <= 1
    np.testing.assert_allclose(images * 2 - 1, model.generate(5, seed=2**40), atol=1e-5)
    typical = generate(**arguments, truncation=tf.constant(0.0))["images"].numpy()
    assert np.ptp(typical, axis=0).max() < 1e-6 < np.ptp(images, axis=0).max()


def test_serving_default_is_classify_and_takes_any_batch(folder):
    served = export.load(folder).signatures["serving_default"]
    assert set(served.structured_outputs) == {"probabilities", "labels"}
    for batch_size in (1, 4):
        outputs = served(images=tf.constant(images_in_0_1(batch_size)))
        assert outputs["probabilities"].shape == (batch_size, 10)


def test_labels_travel_with_a_moved_export(folder, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    loaded = export.load(moved)
    path = loaded.labels.asset_path.numpy().decode()
    assert path.startswith(str(moved))
    with open(path, encoding="utf-8") as file:
        assert file.read().splitlines() == NAMES


def test_a_version_is_never_overwritten(model, folder):
    before = sorted(os.walk(folder))
    with pytest.raises(FileExistsError, match=r"1 exists already.*version=2"):
        export.save(model, folder, verify=False)
    assert sorted(os.walk(folder)) == before


def test_load_takes_the_newest_version_or_the_one_named(model, tmp_path):
    for version in (2, 10):
        export.save(model, tmp_path, version=version, verify=False)
    (tmp_path / "notes").mkdir()
    shutil.rmtree(tmp_path / "2" / "variables")
    export.load(tmp_path)
    export.load(tmp_path / "10")
    with pytest.raises(ValueError, match="2 is damaged.*Export the model again"):
        export.load(tmp_path / "2")


def test_a_crash_leaves_nothing_behind(model, tmp_path, monkeypatch):
    def crash(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(tf.saved_model, "save", crash)
    with pytest.raises(KeyboardInterrupt):
        export.save(model, tmp_path / "export", verify=False)
    assert list((tmp_path / "export").iterdir()) == []


# === Called and fine-tuned ===


def test_the_root_gives_logits_of_images(model, folder):
    loaded = export.load(folder)
    logits = loaded(images_in_0_1(3))
    np.testing.assert_allclose(
        tf.nn.softmax(logits), model.predict(ramp_images(3), verbose=0), atol=1e-5
    )
    training = [loaded(images_in_0_1(3), training=True) for _ in range(2)]
    assert np.ptp(training, axis=0).max() > 0  # of the noise in the network


def test_latents_become_the_images_that_generate_makes_of_them(model, folder):
    latents = model.latents_for(4, seed=9)
    images = export.load(folder).from_latents(latents)["images"]
    np.testing.assert_allclose(images, (model.generate(4, seed=9) + 1) / 2, atol=1e-6)


def test_latents_are_drawn_as_generate_draws_them_and_their_bounds_told(model, folder):
    drawn = export.load(folder).draw_latents(4, 9)
    np.testing.assert_array_equal(drawn["latents"], model.latents_for(4, seed=9))
    lowest, highest = model.prior.bounds()
    np.testing.assert_array_equal([drawn["lowest"], drawn["highest"]], [lowest, highest])


def test_a_loaded_model_may_be_called_at_once(folder):
    images = export.load(folder).generate(2, 1, 1.0)["images"]
    assert images.shape == (2, 28, 28, 1)


def test_lists_of_variables_are_those_of_the_call(model, folder):
    loaded = export.load(folder)
    assert {v.name for v in loaded.trainable_variables} <= {v.name for v in loaded.variables}
    network = model.averaged_discriminator
    count = sum(int(tf.size(v)) for v in loaded.trainable_variables)
    assert count == sum(int(tf.size(w)) for w in model.discriminator.trainable_weights) > 0
    assert not network.trainable_weights  # in training it is an average


def test_fine_tuning_changes_the_weights_and_lowers_the_loss(folder):
    loaded = export.load(folder)
    images, labels = images_in_0_1(8), np.arange(8) % 10
    optimizer = keras.optimizers.Adam(0.02)
    before = [variable.numpy() for variable in loaded.trainable_variables]
    losses = []
    for _ in range(20):
        with tf.GradientTape() as tape:
            logits = loaded(images, training=True)
            errors = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(errors) + sum(each() for each in loaded.regularization_losses)
        gradients = tape.gradient(loss, loaded.trainable_variables)
        optimizer.apply_gradients(zip(gradients, loaded.trainable_variables, strict=True))
        losses.append(float(loss))
    assert losses[-1] < 0.85 * losses[0]
    for old, variable in zip(before, loaded.trainable_variables, strict=True):
        assert np.any(old != variable.numpy())
    np.testing.assert_allclose(  # the signatures answer with the tuned weights
        loaded.classify(images)["probabilities"], tf.nn.softmax(loaded(images)), atol=1e-6
    )


def test_penalties_on_weights_go_along(tmp_path):
    latents = keras.Input((3,))
    pixels = keras.layers.Dense(784, "tanh", kernel_regularizer=keras.regularizers.L2(0.5))(latents)
    generator = keras.Model(latents, keras.layers.Reshape((28, 28, 1))(pixels))
    model = VanillaGAN(latent_dim=3, generator=generator)
    export.save(model, tmp_path, verify=False)
    (penalty,) = export.load(tmp_path).regularization_losses
    assert float(penalty()) == pytest.approx(float(sum(generator.losses)))


# === Refusals of what is out of range ===


@pytest.fixture(scope="module")
def loaded(folder):
    return export.load(folder)


IMAGES = np.full((2, 28, 28, 1), 0.5, "float32")
WITH_NAN = IMAGES.copy()
WITH_NAN[1, 3, 4, 0] = np.nan


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES[0], r"\(batch, 28, 28, 1\), batch one or more. Received: shape.*28 28 1"),
        (IMAGES[..., 0], r"shape \(batch, 28, 28, 1\)"),
        (np.repeat(IMAGES, 3, axis=-1), r"shape \(batch, 28, 28, 1\).*2 28 28 3"),
        (IMAGES[:, 1:], r"shape \(batch, 28, 28, 1\).*2 27 28 1"),
        (IMAGES[:0], r"batch one or more. Received: shape.*0 28 28 1"),
        (IMAGES.astype("float64"), "expected to be a float tensor but is a double tensor"),
        (WITH_NAN, r"pixels in \[0, 1\].*not a number.*nan"),
        (255 * IMAGES, r"pixels in \[0, 1\], of bytes images / 255.*127.5"),
        (IMAGES - 1, r"pixels in \[0, 1\].*-0.5"),
    ],
)
def test_images_that_cannot_be_judged_are_refused(loaded, images, message):
    """By the signature too, which is all that TF Serving sees."""
    images = tf.constant(images)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        loaded.signatures["classify"](images=images)
    refusals = (tf.errors.InvalidArgumentError, TypeError, ValueError)
    for function in (loaded.classify, loaded):
        with pytest.raises(refusals, match=rf"{message}|Can not cast|Expected"):
            function(images)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1, 1.0), r"`num` must be from 1 to 100,000.*\[0\]"),
        ((-5, 1, 1.0), r"`num` must be from 1 to 100,000.*\[-5\]"),
        ((10**9, 1, 1.0), r"`num` must be from 1 to 100,000.*\[1000000000\]"),
        ((2, -1, 1.0), r"`seed` must be 0 or more.*\[-1\]"),
        ((2, 1, 1.5), r"`truncation` must be from 0.*to 1.*\[1.5\]"),
        ((2, 1, -0.1), r"`truncation` must be from 0.*\[-0.1\]"),
        ((2, 1, float("nan")), r"`truncation` must be from 0.*\[nan\]"),
    ],
)
def test_what_cannot_be_generated_is_refused(loaded, arguments, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        loaded.generate(*arguments)
    if arguments[2] == 1.0:
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            loaded.draw_latents(*arguments[:2])


def test_latents_that_are_no_latents_are_refused(loaded):
    from_latents = loaded.signatures["from_latents"]
    for latents, message in (
        (np.zeros((2, 8), "float32"), r"shape \(batch, 7\).*2 8"),
        (np.zeros((0, 7), "float32"), r"batch one or more"),
        (np.full((2, 7), np.inf, "float32"), "must be finite"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            from_latents(latents=tf.constant(latents))


def test_functions_without_checks_have_no_assertions(model):
    """And the others no branches, which cost more than the checks."""
    for checks in (True, False):
        functions = model.export_signatures(checks).values()
        traces = [function.get_concrete_function() for function in functions]
        traces += model.export_call(checks).traces
        kinds = [{each.type for each in trace.graph.get_operations()} for trace in traces]
        assert ["Assert" in each for each in kinds] == [checks] * len(kinds)
        assert not set().union(*kinds) & {"If", "StatelessIf"}


# === Folders ===


@pytest.mark.parametrize("version", [0, -1, "1", True, 1.0])
def test_a_version_that_is_no_number_is_named(model, tmp_path, version):
    with pytest.raises(ValueError, match=f"version={version!r}"):
        export.save(model, tmp_path, version=version, verify=False)


def test_only_models_of_the_zoo_are_exported(tmp_path):
    with pytest.raises(TypeError, match="Received: Sequential"):
        export.save(keras.Sequential(), tmp_path)


def test_a_folder_that_cannot_be_written_is_named(model, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match="can't write an export to .*file"):
        export.save(model, tmp_path / "file" / "export")


def test_a_folder_without_an_export_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="No export in"):
        export.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="No export in .*missing"):
        export.load(tmp_path / "missing")


def test_a_model_of_several_replicas_is_exported(tmp_path, two_replicas):
    with two_replicas.scope():
        model = dense_gan()
    images = export.load(export.save(model, tmp_path, verify=False)).generate(
        np.int32(2), np.int64(1), np.float32(1.0)
    )["images"]
    np.testing.assert_allclose(images, (model.generate(2, seed=1) + 1) / 2, atol=1e-6)
