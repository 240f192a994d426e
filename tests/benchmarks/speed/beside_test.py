"""The time beside steps, from files with times that are made up."""

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from benchmarks.speed.beside import spent


def _write(folder, steps, seconds_a_step, seconds_an_epoch, steps_an_epoch):
    writer = EventFileWriter(str(folder / "tensorboard" / "train"))
    for step in steps:
        seconds = seconds_a_step * step + seconds_an_epoch * ((step - 1) // steps_an_epoch)
        writer.add_event(Event(step=step, wall_time=1e9 + seconds))
    writer.close()
    ends = "".join(f"{n},{n * steps_an_epoch}\n" for n in (1, 2, 3))
    (folder / "history.csv").write_text("epoch,step\n" + ends)


def test_what_ends_of_epochs_take_more_than_steps_is_beside(tmp_path):
    _write(tmp_path, range(10, 301, 10), 0.5, 30.0, 100)
    time = spent(tmp_path)
    assert time.steps == pytest.approx(0.5 * 290)
    assert time.beside == pytest.approx(2 * 30.0)  # what follows the last step is not noted
    assert time.share == pytest.approx(60 / 205)


def test_a_run_of_one_note_an_epoch_is_refused(tmp_path):
    _write(tmp_path, range(100, 301, 100), 0.5, 30.0, 100)
    with pytest.raises(ValueError, match="several notes of TensorBoard"):
        spent(tmp_path)
