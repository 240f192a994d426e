"""Models that make images of latents: draws, conditions, evaluation."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.case import generation_measures, ramp_images, ramp_labels
from tests.cases.vanilla_gan import CASE as VANILLA
from tests.three_players import CASE as CONDITIONAL
from tests.three_players import ThreePlayers
from zoo import metrics
from zoo.common.latent_model import LatentModel


def build(case=VANILLA, **compile_arguments) -> LatentModel:
    keras.utils.set_random_seed(0)
    model = case.build()
    model.compile(**compile_arguments)
    return model


class Recorder(keras.metrics.Metric):
    """Keeps the images that it is shown."""

    def __init__(self, name="recorder"):
        super().__init__(name=name)
        self.seen = []
        self.kept = []

    def update_state(self, real_images, generated_images):
        self.seen.append((real_images.numpy(), generated_images.numpy()))

    def result(self):
        return 7.0

    def reset_state(self):
        self.seen.clear()


# === Latents ===


def test_latents_differ_by_step_and_draw_and_repeat():
    model = build()
    first, second = model.draw_latents(3, draw=0), model.draw_latents(3, draw=1)
    np.testing.assert_array_equal(first, model.draw_latents(3, draw=0))
    assert not np.array_equal(first, second)
    model.step.assign(1)
    assert not np.array_equal(first, model.draw_latents(3, draw=0))


def test_replicas_share_out_the_latents_of_one(two_replicas):
    alone = build().draw_latents(6)
    with two_replicas.scope():
        model = VANILLA.build()
    shares = two_replicas.run(lambda: model.draw_latents(3))
    together = np.concatenate(two_replicas.experimental_local_results(shares))
    np.testing.assert_array_equal(alone, together)


# === Conditions ===


@pytest.fixture(scope="module")
def conditional() -> ThreePlayers:
    return build(CONDITIONAL)


def test_a_condition_is_one_for_all_or_one_for_each(conditional):
    two = conditional.generate(4, seed=1, condition=2)
    np.testing.assert_array_equal(two, conditional.generate(4, seed=1, condition=[2, 2, 2, 2]))
    mixed = conditional.generate(4, seed=1, condition=[0, 2, 2, 0], batch_size=3)
    same = [np.allclose(a, b) for a, b in zip(mixed, two, strict=True)]
    assert same == [False, True, True, False]


@pytest.mark.parametrize(
    ("condition", "received"),
    [
        (None, "Received: none"),
        ([0, 1], r"Received: int64 of shape \(2,\)"),
        ([0.0, 1.0, 2.0], r"Received: float64 of shape \(3,\)"),
        ([[0, 1, 2]], r"Received: int64 of shape \(1, 3\)"),
    ],
)
def test_a_condition_of_another_shape_or_type_is_refused(conditional, condition, received):
    with pytest.raises(ValueError, match=rf"`condition` must be int32 of shape \(\).*{received}"):
        conditional.generate(3, seed=1, condition=condition)


def test_evaluation_gives_the_generator_the_conditions_of_its_batch():
    recorder = Recorder()
    model = build(CONDITIONAL, quality_measures=[recorder], run_eagerly=True)
    images = ramp_images(3)
    for labels in ([0, 0, 0], [0, 2, 0]):
        model.evaluate(tf.data.Dataset.from_tensors((images, labels)), verbose=0)
        recorder.kept.append(recorder.seen[0][1])
    first, second = recorder.kept
    same = [np.allclose(a, b) for a, b in zip(first, second, strict=True)]
    assert same == [True, False, True]


def test_an_exported_condition_gives_an_image_a_row(conditional):
    generate = conditional.export_signatures()["generate"]
    assert [spec.name for spec in generate.input_signature] == ["condition", "seed", "truncation"]
    labels = ramp_labels(5, 3)
    images = generate(labels, np.int64(4), np.float32(1.0))["images"]
    expected = conditional.generate(5, seed=4, condition=labels)
    np.testing.assert_allclose(images, (expected + 1) / 2, atol=1e-6)


# === Evaluation ===


def test_evaluation_compares_as_many_generated_images_with_the_real_ones():
    recorder = Recorder()
    model = build(quality_measures=[recorder], run_eagerly=True)
    images = ramp_images(7)
    data = tf.data.Dataset.from_tensor_slices(images).batch(4)
    assert model.evaluate(data, verbose=0, return_dict=True) == {"recorder": 7.0}
    (first_real, first), (last_real, last) = recorder.seen
    np.testing.assert_array_equal(np.concatenate([first_real, last_real]), images)
    assert first.shape == first_real.shape
    assert last.shape == last_real.shape
    assert not np.array_equal(first[:3], last)  # each batch has latents of its own
    model.evaluate(data, verbose=0)
    np.testing.assert_array_equal(recorder.seen[0][1], first)  # and each evaluation the same


def test_replicas_of_unequal_shares_evaluate_what_one_does(two_replicas):
    images = ramp_images(8)
    data = tf.data.Dataset.from_tensor_slices(images).batch(5)  # shares of 3 and 2, of 2 and 1
    distance, _ = generation_measures()
    alone = build(quality_measures=[distance]).evaluate(data, verbose=0)
    with two_replicas.scope():
        distance, _ = generation_measures()
        model = build(quality_measures=[distance])
    assert model.evaluate(data, verbose=0) == pytest.approx(alone, rel=1e-5)


def test_evaluation_uses_the_average():
    recorder = Recorder()
    model = build(quality_measures=[recorder], run_eagerly=True)
    model.averaged_generator.layers[-2].bias.assign(tf.fill((784,), 100.0))
    model.evaluate(tf.data.Dataset.from_tensors(ramp_images(2)), verbose=0)
    np.testing.assert_array_equal(recorder.seen[0][1], 1.0)


def test_evaluation_without_measures_says_what_is_missing():
    with pytest.raises(ValueError, match="quality_measures=.*Received: none"):
        build().evaluate(ramp_images(2), verbose=0)


def test_validation_without_measures_is_refused_before_the_first_step():
    model = build(run_eagerly=True)
    images = ramp_images(4)
    for arguments in ({"validation_data": images}, {"validation_split": 0.5}):
        with pytest.raises(ValueError, match="set_quality_measures"):
            model.fit(images, verbose=0, **arguments)
    assert int(model.step) == 0


def test_too_few_images_for_a_measure_are_refused_before_the_first_step():
    images = keras.Input((28, 28, 1))
    pixels = keras.Model(images, layers.Flatten()(images))
    model = build(run_eagerly=True, quality_measures=[metrics.PrecisionRecall(pixels, k=3)])
    images = ramp_images(4)
    few = tf.data.Dataset.from_tensors(images[:3])
    for arguments in ({"validation_data": few}, {"validation_split": 0.5}):
        with pytest.raises(ValueError, match="precision_recall .* fewer than 4 images"):
            model.fit(images, verbose=0, **arguments)
    with pytest.raises(ValueError, match="Received: 3"):
        model.evaluate(images[:3], verbose=0)
    assert int(model.step) == 0
    assert np.isfinite(model.evaluate(images, verbose=0)).all()


def test_measures_for_images_of_another_size_are_refused():
    measures = generation_measures((32, 32, 1))
    with pytest.raises(ValueError, match=r"takes images of shape \(32, 32, 1\).*\(28, 28, 1\)"):
        build(quality_measures=measures)


def test_a_measure_is_no_name_and_need_be_no_list():
    with pytest.raises(ValueError, match=r"FrechetDistance\(extractor\).*=\['frechet_distance'\]"):
        build(quality_measures="frechet_distance")
    recorder = Recorder()
    model = build(quality_measures=recorder, run_eagerly=True)
    assert model.evaluate(ramp_images(2), verbose=0, return_dict=True) == {"recorder": 7.0}


def test_a_loaded_model_is_given_measures_without_new_optimizers(tmp_path):
    model = build(run_eagerly=True)
    model.fit(ramp_images(4), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    optimizers = dict(loaded.optimizers)
    with pytest.raises(ValueError, match="Received: none"):
        loaded.evaluate(ramp_images(2), verbose=0)
    loaded.set_quality_measures([Recorder()])
    assert loaded.optimizers == optimizers
    assert int(loaded.generator_optimizer.iterations) == 1
    loaded.run_eagerly = True
    assert loaded.evaluate(ramp_images(2), verbose=0, return_dict=True) == {"recorder": 7.0}
    loaded.set_quality_measures([Recorder(), Recorder(name="again")])
    assert set(loaded.evaluate(ramp_images(2), verbose=0, return_dict=True)) == {
        "recorder",
        "again",
    }


def test_two_measures_of_one_name_are_refused():
    with pytest.raises(ValueError, match="a name= or prefix=. Received: 'recorder' twice"):
        build(quality_measures=[Recorder(), Recorder()])


def test_evaluation_leaves_no_trace_in_what_is_saved(tmp_path):
    model = build(quality_measures=VANILLA.quality_measures())
    paths = [variable.path for variable in model.variables]
    model.evaluate(ramp_images(8), verbose=0)
    assert [variable.path for variable in model.variables] == paths
    assert not [path for path in paths if "distance" in path]
    model.save_weights(tmp_path / "a.weights.h5")
    build().load_weights(tmp_path / "a.weights.h5")
