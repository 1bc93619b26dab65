"""The status of the camera's loop: facts that are read together are set together."""

import threading
from typing import Any

import numpy as np
import pytest

from corallite.device.camera.connection_state import State, Status
from corallite.device.camera.frame import Frame, FrameStream, SourceGivenUpError
from corallite.device.engine.classifier import Classifier
from corallite.device.loop.smoothing import Smoother
from corallite.device.serve.live.camera import Camera, Snapshot

LIMIT_S = 60


class Frames(FrameStream):
    """Yields `items`, each when `go` was released for it; raises the errors in it."""

    current = State.LIVE
    reason = ""

    def __init__(self, *items: Any) -> None:
        super().__init__()
        self.items, self.go = iter(items), threading.Semaphore(0)

    @property
    def status(self):
        return Status(self.current, self.reason, 4)

    def __next__(self):
        assert self.go.acquire(timeout=LIMIT_S)
        item = next(self.items)
        if isinstance(item, Exception):
            raise item
        return Frame(item, 0.0, np.zeros((32, 32, 3), np.uint8), "x", 0.0)


@pytest.fixture
def start(model):
    """A function that starts a camera on frames."""
    cameras = []

    def start(frames):
        engine, stop = Classifier(model), threading.Event()
        camera = Camera("x", frames, engine, stop, 1, Smoother(), lambda result: None)
        cameras.append((camera, frames, stop))
        camera.start()
        return camera

    yield start
    for camera, frames, stop in cameras:
        stop.set()
        frames.go.release(9)
        camera.join()


def test_given_up_is_reported_only_with_its_reason(start, wait_until):
    frames = Frames(SourceGivenUpError("Given up: x: is gone."))
    camera = start(frames)
    frames.current = State.GIVEN_UP
    # The loop does not know yet, and waits for a frame.
    status = camera.status()
    assert (status.state, status.last_error) == ("reopening", "")
    frames.go.release()
    wait_until(lambda: camera.status().state == "given up")
    status = camera.status()
    assert (status.last_error, status.failures) == ("Given up: x: is gone.", 1)
    assert camera.is_over


def test_each_frame_is_passed_on_with_its_result(start, wait_until):
    frames = Frames(0, 1)
    passed: list[Snapshot] = []
    camera = start(frames)
    camera.on_snapshot = passed.append
    frames.go.release(2)
    wait_until(lambda: len(passed) == 2)
    assert [snapshot.result.frame for snapshot in passed] == [0, 1]
    assert passed[-1] is camera.newest


def test_camera_that_is_not_live_has_its_reason(start, wait_until):
    frames = Frames(OSError("a frame is broken"))
    camera = start(frames)
    frames.go.release()
    wait_until(lambda: camera.status().failures == 1)
    frames.current, frames.reason = State.REOPENING, "x: is gone."
    status = camera.status()
    assert (status.state, status.last_error) == ("reopening", "x: is gone.")
    assert (status.connection_failures, status.failures) == (4, 1)
    frames.current, frames.reason = State.LIVE, ""
    assert camera.status().last_error == "a frame is broken"


def test_other_error_does_not_end_the_loop_of_a_source_given_up(start, wait_until):
    frames = Frames(OSError("a frame is broken"), SourceGivenUpError("Given up: gone."))
    frames.current = State.GIVEN_UP
    camera = start(frames)
    frames.go.release()
    wait_until(lambda: camera.status().failures == 1)
    assert camera.status().last_error == "a frame is broken" and not camera.is_over
    frames.go.release()
    wait_until(lambda: camera.is_over)
    assert camera.status().last_error == "Given up: gone."


def test_frames_are_counted_with_the_newest(start, wait_until):
    frames = Frames(0, 1, 2)
    camera = start(frames)
    for count in (1, 2, 3):
        frames.go.release()
        wait_until(lambda count=count: camera.status().classified == count)
        newest = camera.status().newest
        assert newest and newest.result.frame == count - 1
    frames.go.release()
    wait_until(lambda: camera.status().state == "ended")
    assert camera.status().classified == 3
