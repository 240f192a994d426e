"""The plumbing of two players: latents, averages, gradients, saving, refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.case import ramp_images, ramp_labels
from tests.cases.semi_supervised_gan import CASE as SEMI_SUPERVISED
from tests.cases.vanilla_gan import CASE as VANILLA
from tests.dense_gan import dense_gan
from tests.three_players import ThreePlayers
from zoo.common import objectives
from zoo.common.adversarial import AdversarialModel


def build(**compile_arguments) -> AdversarialModel:
    """A small model that trains without a graph, which takes longer to trace than a few steps."""
    keras.utils.set_random_seed(0)
    model = SEMI_SUPERVISED.build()
    model.compile(**{"run_eagerly": True, **compile_arguments})
    return model


def batches(number: int) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(SEMI_SUPERVISED.batch(4)).repeat(number)


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
    config = SEMI_SUPERVISED.build().get_config() | {"average_decay": decay}
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
    variables = {player: model.trainable_variables_of(player) for player in model.players}
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
            yield ramp_images(4)

    signature = tf.type_spec_from_value(ramp_images(4))
    data = tf.data.Dataset.from_generator(four_batches, output_signature=signature)
    model = dense_gan()
    model.compile()
    model.fit(data, epochs=3, verbose=0)
    assert int(model.step) == 12
    assert int(model.generator_optimizer.iterations) == 12
    assert int(model.discriminator_optimizer.iterations) == 12


# === Saving ===


def test_noise_continues_from_its_saved_state(tmp_path):
    model = build()
    model.fit(batches(2), verbose=0)
    model.save_weights(tmp_path / "model.weights.h5")
    images = ramp_images(2)
    expected = model.discriminator(images, training=True)
    other = build()
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(expected, other.discriminator(images, training=True))


@pytest.mark.slow
def test_two_replicas_with_noise_continue_from_a_saved_state(tmp_path, two_replicas):
    def built(seed: int) -> AdversarialModel:
        keras.utils.set_random_seed(seed)
        with two_replicas.scope():
            model = VANILLA.build()  # with dropout
            model.compile()
        return model

    data = tf.data.Dataset.from_tensors(VANILLA.batch(8)).repeat(2)
    unbroken, resumed = built(0), built(1)
    unbroken.fit(data, verbose=0)
    unbroken.save_weights(tmp_path / "half.weights.h5")
    resumed.load_weights(tmp_path / "half.weights.h5")
    for model in (unbroken, resumed):
        model.fit(data, verbose=0)
    for a, b in zip(unbroken.variables, resumed.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


def test_a_model_that_was_never_compiled_is_saved_too(tmp_path):
    model = SEMI_SUPERVISED.build()
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
    model = VANILLA.build()
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


def test_seeds_differ_by_step_draw_and_stream():
    model = build_vanilla()
    seeds = [model.seed_for("label_noise", draw).numpy().tolist() for draw in (0, 1)]
    model.step.assign(1)
    seeds.append(model.seed_for("label_noise", 0).numpy().tolist())
    seeds.append(model.seed_for("latents").numpy().tolist())
    assert len({tuple(seed) for seed in seeds}) == 4


# === Refusals ===


@pytest.mark.parametrize("decay", [-0.1, 1.0, 2])
def test_decay_out_of_range_is_named(decay):
    with pytest.raises(ValueError, match=f"average_decay={decay}"):
        AdversarialModel(average_decay=decay)


def test_a_model_without_default_optimizers_says_so():
    model = AdversarialModel()
    model.finish_building(players={"generator": []})
    with pytest.raises(NotImplementedError, match="AdversarialModel names no default optimizers"):
        model.compile()


def test_a_weight_of_two_players_is_refused():
    layer = keras.layers.Dense(2)
    networks = [keras.Sequential([keras.Input((3,)), layer]) for _ in range(2)]
    model = AdversarialModel()
    players = {"encoder": networks[:1], "decoder": networks[1:]}
    with pytest.raises(ValueError, match="one player's alone.*both encoder and decoder"):
        model.finish_building(players=players)


# === Three players ===


def test_a_third_player_learns_at_a_rate_of_its_own():
    """With the generator at rest, the encoder finds its latents; without a rate it does not."""

    keras.utils.set_random_seed(0)
    model = ThreePlayers()
    model.compile(
        generator_optimizer=keras.optimizers.SGD(0.0),
        discriminator_optimizer=keras.optimizers.SGD(0.0),
        encoder_optimizer=keras.optimizers.Adam(0.0),
    )
    batch = ramp_images(32), ramp_labels(32, 3)
    data = tf.data.Dataset.from_tensors(batch).repeat(40)

    def encoder_loss(rate: float) -> float:
        model.encoder_optimizer.learning_rate = rate
        return model.fit(data, epochs=2, verbose=0).history["encoder_loss"][-1]

    at_rest = encoder_loss(0.0)
    # Five seeds with and without oneDNN: 0.32 to 0.42 of it.
    assert encoder_loss(1e-2) < 0.6 * at_rest


# === Optimizers of other weights ===


def test_an_optimizer_of_another_model_is_refused():
    optimizer = keras.optimizers.Adam(1e-3)
    other = VANILLA.build()
    other.compile(generator_optimizer=optimizer)
    model = VANILLA.build()
    with pytest.raises(ValueError, match="generator_optimizer was made for other weights"):
        model.compile(generator_optimizer=optimizer)
    other.compile(generator_optimizer=optimizer)  # its own still


def test_weights_that_were_frozen_at_compile_time_are_not_trained_unseen():
    model = VANILLA.build()
    layer = next(layer for layer in model.generator.layers if layer.trainable_weights)
    layer.trainable = False
    model.compile(run_eagerly=True)
    images = ramp_images(4)
    model.fit(images, verbose=0)
    layer.trainable = True
    with pytest.raises(ValueError, match=f"compile with a new one. .*{layer.weights[0].path}"):
        model.fit(images, verbose=0)
    model.compile(run_eagerly=True)
    model.fit(images, verbose=0)
