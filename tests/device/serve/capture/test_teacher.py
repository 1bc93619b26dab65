"""Teaching in another process: what it tells, and that it may be killed."""

import contextlib
import os
import signal

import cv2
import numpy as np
import pytest

from corallite.device.engine.classifier import Classifier
from corallite.device.serve.capture.teacher import Teacher
from corallite.device.system.errors import RequestError

pytestmark = pytest.mark.slow


@pytest.fixture
def photos(tmp_path, draw_square):
    """Eight photos of red and of blue squares."""
    rng = np.random.default_rng(0)
    for label, name in ((0, "red"), (2, "blue")):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for number in range(8):
            image = cv2.resize(draw_square(rng, label), (64, 64))
            cv2.imwrite(str(folder / f"{number}.png"), image[:, :, ::-1])
    return tmp_path / "photos"


@pytest.fixture
def model(tmp_path):
    return tmp_path / "mine.tflite"


@pytest.fixture
def teacher(photos, model):
    with contextlib.closing(Teacher(photos, model)) as teacher:
        yield teacher


@pytest.fixture
def teach(teacher, wait_until):
    """A function that teaches and returns the status at the end."""

    def teach():
        teacher.start()
        wait_until(lambda: teacher.status.state != "running")
        return teacher.status

    return teach


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_model_is_taught_once_at_a_time_and_told_of(teacher, teach, model, wait_until):
    assert teacher.status == ("idle", (), "", 0.0)
    teacher.start()
    assert teacher.status.state == "running"
    for refused in (teacher.start, lambda: teacher.run_idle(lambda: None)):
        with pytest.raises(RequestError, match="is being taught; wait"):
            refused()
    wait_until(lambda: teacher.status.state != "running")
    state, lines, step, seconds = teacher.status
    assert (state, step) == ("taught", "") and seconds > 0
    assert lines[0].startswith("16 photos of 2 classes")
    assert any(line.startswith("accuracy ") for line in lines)
    assert set(Classifier(model).labels) == {"red", "blue"}
    again = teach()
    assert again.state == "taught"
    # Commands are for a terminal; the page has a button.
    assert not any("mv " in line or "INFO" in line for line in again.lines)


def test_refusal_is_its_sentence(teach, photos, model):
    model.write_bytes(b"not taught")
    status = teach()
    assert status.state == "failed"
    (sentence,) = status.lines
    assert sentence.startswith(f"{model}: was not made by corallite teach")
    assert model.read_bytes() == b"not taught"


def test_killed_process_leaves_photos_and_models_as_they_were(
    teacher, teach, tmp_path, wait_until
):
    teach()
    teach()
    before = contents(tmp_path)
    assert len([path for path in before if path.suffix == ".tflite"]) == 2
    ended = teacher.process
    teacher.start()
    wait_until(lambda: teacher.process is not ended)
    os.kill(teacher.process.pid, signal.SIGKILL)
    wait_until(lambda: teacher.status.state == "failed")
    (sentence,) = teacher.status.lines
    assert sentence.startswith("teach crashed with SIGKILL")
    assert contents(tmp_path) == before
    assert teach().state == "taught"


def test_end_of_the_server_ends_the_process(teacher, model, wait_until):
    teacher.start()
    wait_until(lambda: teacher.process is not None)
    teacher.close()
    assert teacher.process.poll() is not None
    assert not model.exists()


def test_no_process_is_started_after_the_end(teacher, teach):
    teacher.close()
    assert teach().state == "failed"
    assert teacher.process is None
