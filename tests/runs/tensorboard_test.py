"""What TensorBoard gets, read back from its files."""

import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.dense_gan import IMAGE_SHAPE, dense_gan
from tests.runs.two_players import make_images, make_model
from zoo.runs.health import HealthMonitor
from zoo.runs.samples import SampleGrid
from zoo.runs.stopping import StopOnNonFinite
from zoo.runs.tensorboard import PlayersTensorBoard


def events_of(folder: Path) -> EventAccumulator:
    # Reading touches names that TensorBoard itself still takes from deprecated places.
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return events


def scalar(events: EventAccumulator, tag: str) -> dict[int, float]:
    return {e.step: float(tf.make_ndarray(e.tensor_proto)) for e in events.Tensors(tag)}


def fit(model, folder: Path, epochs: int = 2, initial_epoch: int = 0, before=(), **options):
    images = make_images()
    return model.fit(
        images,
        epochs=epochs,
        initial_epoch=initial_epoch,
        validation_data=images,
        verbose=0,
        callbacks=[*before, PlayersTensorBoard(folder, **options)],
    ).history


def test_scalars_of_steps_and_epochs(tmp_path: Path) -> None:
    history = fit(make_model(), tmp_path, every_steps=2)
    train, validation = events_of(tmp_path / "train"), events_of(tmp_path / "validation")
    assert list(scalar(train, "step/generator_gradient_norm")) == [1, 2, 4, 6, 8, 10]
    losses = scalar(train, "epoch/discriminator_loss")
    assert list(losses) == [5, 10]
    np.testing.assert_allclose(list(losses.values()), history["discriminator_loss"], rtol=1e-6)
    errors = scalar(validation, "epoch/error")
    np.testing.assert_allclose(list(errors.values()), history["val_error"], rtol=1e-6)


def test_both_learning_rates(tmp_path: Path) -> None:
    fit(make_model(), tmp_path, every_steps=5)
    train = events_of(tmp_path / "train")
    generator = scalar(train, "learning_rate/generator")
    discriminator = scalar(train, "learning_rate/discriminator")
    assert set(generator) == {1, 5, 10}
    np.testing.assert_allclose(list(generator.values()), 1e-2, rtol=1e-6)
    for step, rate in discriminator.items():
        assert rate == pytest.approx(1e-3 * 0.5 ** (step / 10), rel=1e-5)


def test_steps_go_on_after_a_resume(tmp_path: Path) -> None:
    model = make_model()
    fit(model, tmp_path, epochs=1)
    fit(model, tmp_path, epochs=2, initial_epoch=1)
    # That of the first run, one that marks the restart, and that of the second.
    assert len(list((tmp_path / "train").iterdir())) == 3
    assert list(scalar(events_of(tmp_path / "train"), "epoch/generator_loss")) == [5, 10]


def test_a_new_file_is_read_after_all_that_are_there(tmp_path: Path) -> None:
    # TensorBoard reads by name, whose last number would put 10 before 9 within a second.
    model, board = make_model(), PlayersTensorBoard(tmp_path)
    board.set_model(model)
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "events.out.tfevents.copy").touch()
    seconds = [int(time.time()) + ahead for ahead in range(2)]
    for second in seconds:
        (tmp_path / "train" / f"events.out.tfevents.{second:010d}.host.1.9.v2").touch()
    board.on_train_begin()
    board.on_epoch_end(0, {"generator_loss": 1.0})
    board.on_train_end()
    names = [path.name for path in (tmp_path / "train").glob("*.v2")]
    assert len(names) == 3 and int(max(names).split(".")[3]) > seconds[-1]


def test_pictures_of_the_sample_grid(tmp_path: Path) -> None:
    samples = SampleGrid(tmp_path / "samples", num_images=4)
    fit(make_model(), tmp_path / "board", before=[samples], samples=samples)
    pictures = events_of(tmp_path / "board" / "train").Tensors("samples")
    assert [picture.step for picture in pictures] == [0, 5, 10]
    width, height, png = tf.make_ndarray(pictures[-1].tensor_proto)
    assert (int(width), int(height)) == (8, 8)
    np.testing.assert_array_equal(tf.io.decode_png(png), samples.latest)


def test_graph_shows_both_players(tmp_path: Path) -> None:
    model = make_model()
    fit(model, tmp_path, batch_spec=make_images().element_spec)
    graph = events_of(tmp_path / "train").Graph()
    operations = {node.op for node in graph.node if node.name.startswith("discriminator_player/")}
    assert "MatMul" in operations and "AssignSubVariableOp" in operations
    assert any(node.name.startswith("generator_player/") for node in graph.node)


def test_tracing_the_graph_trains_nothing(tmp_path: Path) -> None:
    plain, traced = make_model(), make_model()
    fit(plain, tmp_path / "a")
    fit(traced, tmp_path / "b", batch_spec=make_images().element_spec)
    assert int(traced.step.numpy()) == 10
    for left, right in zip(plain.get_weights(), traced.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_no_graph_without_a_spec(tmp_path: Path) -> None:
    fit(make_model(), tmp_path)
    assert not events_of(tmp_path / "train").Tags()["graph"]


def test_what_the_health_monitor_saw(tmp_path: Path) -> None:
    images = tf.data.Dataset.from_tensors(np.zeros((8, *IMAGE_SHAPE), "float32"))
    model = dense_gan()
    model.compile()
    health = HealthMonitor(images, every_epochs=3)
    health.findings = [
        {
            "state": "breakdown",
            "step": 2,
            "seen": "It broke",
            "remedy": "Mend it.",
        },  # no look there
        {"state": "collapse", "step": 3, "seen": "It fell", "remedy": "Hold it."},
    ]
    board = PlayersTensorBoard(tmp_path, health=health)
    model.fit(images, epochs=3, callbacks=[health, board], verbose=0)
    train = events_of(tmp_path / "train")
    assert list(scalar(train, "health/variety")) == [1, 3]
    texts = {text.step: tf.make_ndarray(text.tensor_proto) for text in train.Tensors("health")}
    assert texts == {2: [b"It broke. Mend it."], 3: [b"It fell. Hold it."]}


def test_discarded_epoch_writes_no_epoch_scalars(tmp_path: Path) -> None:
    fit(make_model(poison=8), tmp_path, epochs=3, before=[StopOnNonFinite()])
    assert list(scalar(events_of(tmp_path / "train"), "epoch/quiet_log")) == [5]


def test_refuses_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="`every_steps` must be a positive integer. Received: every_steps=0"
    ):
        PlayersTensorBoard(tmp_path, every_steps=0)
