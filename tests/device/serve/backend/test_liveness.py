"""What systemd is told by a server, through a real socket."""

import contextlib
import socket
import threading
from typing import Any

import numpy as np
import pytest

from corallite.device.camera.frame import Frame, FrameStream
from corallite.device.engine.classifier import Classifier
from corallite.device.loop.smoothing import Smoother
from corallite.device.outputs.watchdog import Manager
from corallite.device.serve.backend.liveness import Vitals
from corallite.device.serve.backend.service import Service
from corallite.device.serve.guard.refusal import Limits
from corallite.device.serve.live.camera import Camera

LIMIT_S = 60


class Held(Classifier):
    """A model that hangs as long as `is_free` is not set."""

    def __init__(self, path):
        super().__init__(path)
        self.is_free, self.is_asked = threading.Event(), threading.Event()

    def run(self, pixels_u8):
        self.is_asked.set()
        assert self.is_free.wait(LIMIT_S)
        return super().run(pixels_u8)


class Frames(FrameStream):
    """Gives `left` frames, one for each time that `ask` is set; then raises or ends."""

    def __init__(self, left, error=None):
        super().__init__()
        self.left, self.error, self.ask = left, error, threading.Event()

    def __next__(self):
        while not self.ask.wait(0.01):
            self.beat()
            self.note_wait()
        self.ask.clear()
        self.left -= 1
        if self.left >= 0:
            return Frame(0, 0.0, np.zeros((32, 32, 3), np.uint8), "x")
        raise self.error or StopIteration


@pytest.fixture
def told(tmp_path):
    """A function that returns what systemd was told since; and its `Manager`."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.setblocking(False)

        def receive():
            texts = []
            with contextlib.suppress(BlockingIOError):
                while True:
                    texts.append(server.recv(4096).decode())
            return texts

        told: Any = receive
        told.manager = Manager({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1"})
        yield told
        told.manager.close()


@pytest.fixture
def make_vitals(model, told):
    """A function that returns (vitals, service, camera, engine) for frames or None."""
    with contextlib.ExitStack() as stack:

        def make(frames=None):
            stop, engine, camera = threading.Event(), Held(model), None
            if frames is not None:
                camera = Camera(
                    "x", frames, engine, stop, 1, Smoother(), lambda result: None
                )
                stack.callback(camera.join)
                stack.callback(frames.ask.set)
            service = Service(engine, camera, Limits(), stop)
            stack.callback(service.close)
            stack.callback(engine.is_free.set)
            stack.callback(stop.set)
            return Vitals(service, camera, told.manager), service, camera, engine

        yield make


def test_server_without_a_camera_is_up_and_fed(make_vitals, told):
    vitals = make_vitals()[0]
    vitals.tick()
    assert told() == ["READY=1", "WATCHDOG=1", "STATUS=0 answers so far."]
    vitals.tick()
    assert "WATCHDOG=1" in told()
    vitals.close()
    assert told() == ["STOPPING=1"]


def test_answer_that_hangs_starves_the_watchdog(make_vitals, told, jpeg, wait_until):
    vitals, service, _, engine = make_vitals()
    thread = threading.Thread(target=service._run, args=(jpeg(), 1))
    thread.start()
    assert engine.is_asked.wait(LIMIT_S)
    vitals.tick()
    vitals.tick()
    assert told() == ["READY=1"]
    engine.is_free.set()
    thread.join(LIMIT_S)
    vitals.tick()
    assert "WATCHDOG=1" in told() and service.answers == 1


def test_camera_that_waits_is_alive_and_one_that_hangs_is_not(
    make_vitals, told, wait_until
):
    frames = Frames(left=2)
    vitals, _, camera, engine = make_vitals(frames)
    camera.start()
    wait_until(lambda: camera.beats > 1)  # It waits for the first frame.
    vitals.tick()
    assert told()[1:] == [
        "WATCHDOG=1",
        "STATUS=Source live, 0 results, 0 answers so far.",
    ]
    frames.ask.set()
    assert engine.is_asked.wait(LIMIT_S)
    vitals.tick()  # Beats from before it hung.
    told()
    vitals.tick()
    vitals.tick()
    assert told() == []
    engine.is_free.set()
    wait_until(lambda: camera.newest)
    vitals.tick()
    assert "WATCHDOG=1" in told()


@pytest.mark.parametrize(
    ("error", "state", "is_fed"),
    [(None, "ended", True), (AssertionError("a mistake of ours"), "failed", False)],
)
# The thread ends with the exception, which Python tells.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_camera_that_ended_is_no_reason_and_one_that_broke_down_is(
    make_vitals, told, wait_until, error, state, is_fed
):
    frames = Frames(left=0, error=error)
    vitals, _, camera, _ = make_vitals(frames)
    camera.start()
    frames.ask.set()
    wait_until(lambda: camera.state == state)
    vitals.tick()  # Beats from before the end.
    told()
    vitals.tick()
    assert ("WATCHDOG=1" in told()) is is_fed


def test_program_tells_systemd_from_the_first_answer_to_the_end(
    serve, tmp_path, monkeypatch
):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.settimeout(LIMIT_S)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        monkeypatch.setenv("WATCHDOG_USEC", "400000")
        served = serve()
        told = [server.recv(4096).decode() for _ in range(4)]
        assert told[:2] == ["READY=1", "WATCHDOG=1"]
        assert told[2:] == ["STATUS=0 answers so far.", "WATCHDOG=1"]
        served.process.terminate()
        # Read while it ends: where nobody reads, there is room for ten.
        while (text := server.recv(4096).decode()) != "STOPPING=1":
            assert text in ("WATCHDOG=1", "STATUS=0 answers so far.")
        assert served.process.wait(LIMIT_S) == 0
