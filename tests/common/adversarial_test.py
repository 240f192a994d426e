"""The plumbing of two players: latents, averages, gradients, saving, refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

import zoo
from tests import zoo_cases
from zoo.common import objectives
from zoo.common.adversarial import AdversarialModel, draw_latents, truncate_latents


def build(**compile_arguments) -> AdversarialModel:
    keras.utils.set_random_seed(0)
    model = zoo_cases.SEMI_SUPERVISED.build()
    model.compile(**compile_arguments)
    return model


def batches(number: int, size: int = 4) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(zoo_cases.SEMI_SUPERVISED.batch(size)).repeat(number)


# === Latents ===


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        ("normal", stats.norm()),
        ("uniform", stats.uniform(-1, 2)),
        ("unit_uniform", stats.uniform(0, 1)),
    ],
)
def test_latents_follow_their_distribution(distribution, expected):
    latents = draw_latents((200, 50), (1, 2), distribution).numpy()
    assert latents.shape == (200, 50)
    assert stats.kstest(latents.ravel(), expected.cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("distribution", "centre"), [("normal", 0), ("uniform", 0), ("unit_uniform", 0.5)]
)
def test_truncation_shrinks_latents_toward_the_centre(distribution, centre):
    latents = draw_latents((20, 5), (1, 2), distribution)
    np.testing.assert_allclose(truncate_latents(latents, 1.0, distribution), latents, atol=1e-6)
    np.testing.assert_allclose(truncate_latents(latents, 0.0, distribution), centre, atol=1e-6)
    half = truncate_latents(latents, 0.5, distribution)
    np.testing.assert_allclose(half - centre, (latents - centre) / 2, atol=1e-6)


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
        model = zoo_cases.SEMI_SUPERVISED.build()
    shares = two_replicas.run(lambda: model.draw_latents(3))
    together = np.concatenate(two_replicas.experimental_local_results(shares))
    np.testing.assert_array_equal(alone, together)


# === Averages ===


def test_average_equals_the_bias_corrected_moving_average():
    decay = 0.9
    model = build()
    discriminator, average = model.discriminator, model.averaged_discriminator
    assert model.average_decay == decay
    moving = [np.zeros(w.shape) for w in discriminator.weights]
    for step in range(1, 5):
        model.fit(batches(1), verbose=0)
        moving = [
            decay * m + (1 - decay) * w.numpy()
            for m, w in zip(moving, discriminator.weights, strict=True)
        ]
        for m, a in zip(moving, average.weights, strict=True):
            np.testing.assert_allclose(m / (1 - decay**step), a.numpy(), atol=1e-5)


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.9999])
def test_average_equals_the_weights_after_one_step(decay):
    config = zoo_cases.SEMI_SUPERVISED.build().get_config() | {"average_decay": decay}
    model = zoo.SemiSupervisedGAN.from_config(config)
    model.averaged_discriminator.set_weights(
        [weight + 1.0 for weight in model.averaged_discriminator.get_weights()]
    )
    model.finish_step()
    for w, a in zip(model.discriminator.weights, model.averaged_discriminator.weights, strict=True):
        np.testing.assert_allclose(w, a, atol=1e-5)


def test_average_starts_as_a_copy_and_is_never_trained():
    model = build()
    for w, a in zip(model.discriminator.weights, model.averaged_discriminator.weights, strict=True):
        np.testing.assert_array_equal(w, a)
        assert w is not a
    trained = {id(v) for v in model.trainable_variables}
    assert not trained & {id(v) for v in model.averaged_discriminator.variables}


# === Gradients ===


def test_logged_gradient_norms_are_those_of_the_update():
    model = build(
        generator_optimizer=keras.optimizers.SGD(1.0),
        discriminator_optimizer=keras.optimizers.SGD(1.0),
    )
    players = {
        "generator": model.generator_networks,
        "discriminator": model.discriminator_networks,
    }
    variables = {
        player: [v for network in networks for v in network.trainable_variables]
        for player, networks in players.items()
    }
    before = {player: [v.numpy() for v in vs] for player, vs in variables.items()}
    logs = model.fit(batches(1), verbose=0).history
    for player, vs in variables.items():
        # One step of SGD at rate 1 moves the weights by the gradient itself.
        moved = [(b - v.numpy()).ravel() for b, v in zip(before[player], vs, strict=True)]
        norm = np.linalg.norm(np.concatenate(moved))
        np.testing.assert_allclose(logs[f"{player}_gradient_norm"][0], norm, rtol=1e-3)


# === Steps ===


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_data_of_unknown_length_are_counted_right():
    def four_batches():
        for _ in range(4):
            yield zoo_cases.SEMI_SUPERVISED.batch(4)

    signature = tf.nest.map_structure(tf.type_spec_from_value, zoo_cases.SEMI_SUPERVISED.batch(4))
    data = tf.data.Dataset.from_generator(four_batches, output_signature=signature)
    model = build()
    model.fit(data, epochs=3, verbose=0)
    assert int(model.step) == 12
    assert int(model.generator_optimizer.iterations) == 12
    assert int(model.discriminator_optimizer.iterations) == 12


# === Saving ===


def test_noise_continues_from_its_saved_state(tmp_path):
    model = build()
    model.fit(batches(2), verbose=0)
    model.save_weights(tmp_path / "model.weights.h5")
    images = zoo_cases.ramp_images(2)
    expected = model.discriminator(images, training=True)
    other = build()
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(expected, other.discriminator(images, training=True))


def test_two_replicas_with_noise_continue_from_a_saved_state(tmp_path, two_replicas):
    def trained(steps: int, weights=None) -> AdversarialModel:
        keras.utils.set_random_seed(0 if weights is None else 1)
        with two_replicas.scope():
            model = zoo_cases.SEMI_SUPERVISED.build()
            model.compile()
        if weights is not None:
            model.load_weights(weights)
        model.fit(batches(steps, size=8), verbose=0)
        return model

    unbroken = trained(4)
    trained(2).save_weights(tmp_path / "half.weights.h5")
    resumed = trained(2, tmp_path / "half.weights.h5")
    for a, b in zip(unbroken.variables, resumed.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


def test_a_model_that_was_never_compiled_is_saved_too(tmp_path):
    model = zoo_cases.SEMI_SUPERVISED.build()
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model.generate(2, seed=1), restored.generate(2, seed=1))
    assert not restored.compiled


def test_keras_file_restores_learning_rate_schedules(tmp_path):
    schedule = keras.optimizers.schedules.ExponentialDecay(1e-2, 10, 0.5)
    model = build(
        generator_optimizer=keras.optimizers.Adam(schedule),
        discriminator_optimizer=keras.optimizers.SGD(0.1, momentum=0.9),
    )
    model.fit(batches(2), verbose=0)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    rate = float(restored.generator_optimizer.learning_rate)
    assert rate == pytest.approx(1e-2 * 0.5**0.2)
    assert restored.discriminator_optimizer.get_config()["momentum"] == 0.9


# === Objective ===


def build_vanilla(**compile_arguments) -> AdversarialModel:
    keras.utils.set_random_seed(0)
    model = zoo_cases.VANILLA.build()
    model.compile(**compile_arguments)
    return model


def test_objective_is_the_papers_unless_another_is_given():
    assert build_vanilla().objective.name == "non_saturating"
    assert build_vanilla(objective="hinge").objective.name == "hinge"


def test_objective_survives_saving(tmp_path):
    objective = objectives.Objective("least_squares", label_smoothing=0.1)
    build_vanilla(objective=objective).save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert restored.objective.get_config() == objective.get_config()


def test_a_variant_with_losses_of_its_own_refuses_an_objective():
    with pytest.raises(ValueError, match="SemiSupervisedGAN has losses of its own.*'hinge'"):
        build(objective="hinge")


def test_noise_of_the_labels_is_another_at_every_step_and_draw():
    model = build_vanilla()
    seeds = [model.label_seed(draw).numpy().tolist() for draw in (0, 1)]
    model.step.assign(1)
    seeds.append(model.label_seed(0).numpy().tolist())
    assert len({tuple(seed) for seed in seeds}) == 3


# === Evaluation ===


class Recorder(keras.metrics.Metric):
    """Keeps the images that it is shown."""

    def __init__(self):
        super().__init__(name="recorder")
        self.seen = []

    def update_state(self, real_images, generated_images):
        self.seen.append((real_images.numpy(), generated_images.numpy()))

    def result(self):
        return 7.0

    def reset_state(self):
        self.seen.clear()


def test_evaluation_compares_as_many_generated_images_with_the_real_ones():
    recorder = Recorder()
    model = build_vanilla(quality_measures=[recorder], run_eagerly=True)
    images = zoo_cases.ramp_images(7)
    data = tf.data.Dataset.from_tensor_slices(images).batch(4)
    assert model.evaluate(data, verbose=0, return_dict=True) == {"recorder": 7.0}
    (first_real, first), (last_real, last) = recorder.seen
    np.testing.assert_array_equal(np.concatenate([first_real, last_real]), images)
    assert first.shape == first_real.shape
    assert last.shape == last_real.shape
    assert not np.array_equal(first[:3], last)  # each batch has latents of its own
    model.evaluate(data.map(lambda x: (x, tf.zeros(tf.shape(x)[0]))), verbose=0)
    np.testing.assert_array_equal(recorder.seen[0][1], first)  # and each evaluation the same


def test_evaluation_uses_the_average():
    recorder = Recorder()
    model = build_vanilla(quality_measures=[recorder], run_eagerly=True)
    model.averaged_generator.layers[-2].bias.assign(tf.fill((784,), 100.0))
    model.evaluate(tf.data.Dataset.from_tensors(zoo_cases.ramp_images(2)), verbose=0)
    np.testing.assert_array_equal(recorder.seen[0][1], 1.0)


def test_evaluation_without_measures_says_what_is_missing():
    with pytest.raises(ValueError, match="quality_measures=.*Received: none"):
        build_vanilla().evaluate(zoo_cases.ramp_images(2), verbose=0)


def test_two_measures_of_one_name_are_refused():
    with pytest.raises(ValueError, match="give each a name=. Received: 'recorder' twice"):
        build_vanilla(quality_measures=[Recorder(), Recorder()])


def test_evaluation_leaves_no_trace_in_what_is_saved(tmp_path):
    model = build_vanilla(quality_measures=zoo_cases.VANILLA.quality_measures())
    paths = [variable.path for variable in model.variables]
    model.evaluate(zoo_cases.ramp_images(8), verbose=0)
    assert [variable.path for variable in model.variables] == paths
    assert not [path for path in paths if "distance" in path]
    model.save_weights(tmp_path / "a.weights.h5")
    build_vanilla().load_weights(tmp_path / "a.weights.h5")


# === Refusals ===


@pytest.mark.parametrize("decay", [-0.1, 1.0, 2])
def test_decay_out_of_range_is_named(decay):
    with pytest.raises(ValueError, match=f"average_decay={decay}"):
        AdversarialModel(average_decay=decay)


def test_unknown_latent_distribution_is_named():
    with pytest.raises(ValueError, match="normal, uniform, unit_uniform.*'gaussian'"):
        AdversarialModel(latent_distribution="gaussian")


def test_a_model_without_default_optimizers_says_so():
    with pytest.raises(NotImplementedError, match="AdversarialModel names no default optimizers"):
        AdversarialModel().compile()
