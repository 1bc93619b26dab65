"""What the server sends to systemd, through a real socket."""

import contextlib
import socket
import threading
from typing import Any

import numpy as np
import pytest

from corallite.device.camera.frame import Frame, FrameStream
from corallite.device.engine.classifier import Classifier
from corallite.device.loop.smoothing import Smoother
from corallite.device.outputs.watchdog import Notifier
from corallite.device.serve.backend.liveness import Liveness
from corallite.device.serve.backend.service import Service
from corallite.device.serve.guard.refusal import Limits
from corallite.device.serve.live.camera import Camera

LIMIT_S = 60


class Hanging(Classifier):
    """A model that hangs until `is_free` is set."""

    def __init__(self, path):
        super().__init__(path)
        self.is_free, self.is_asked = threading.Event(), threading.Event()

    def run(self, pixels_u8):
        self.is_asked.set()
        assert self.is_free.wait(LIMIT_S)
        return super().run(pixels_u8)


class Frames(FrameStream):
    """Gives `left` frames, one each time `ask` is set; then raises or ends."""

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
            return Frame(0, 0.0, np.zeros((32, 32, 3), np.uint8), "x", 0.0)
        raise self.error or StopIteration


@pytest.fixture
def sent(tmp_path):
    """A function that returns what was sent since its last call; has a `notifier`."""
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

        sent: Any = receive
        sent.notifier = Notifier({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1"})
        yield sent
        sent.notifier.close()


@pytest.fixture
def make_liveness(model, sent):
    """A function that returns (liveness, service, camera, engine)."""
    with contextlib.ExitStack() as stack:

        def make(frames=None):
            stop, engine, camera = threading.Event(), Hanging(model), None
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
            return Liveness(service, camera, sent.notifier), service, camera, engine

        yield make


def test_server_without_a_camera_feeds_the_watchdog(make_liveness, sent):
    liveness = make_liveness()[0]
    liveness.tick()
    assert sent() == ["READY=1", "WATCHDOG=1", "STATUS=0 images so far."]
    liveness.tick()
    assert "WATCHDOG=1" in sent()
    liveness.close()
    assert sent() == ["STOPPING=1"]


def test_hanging_image_stops_the_feeding(make_liveness, sent, jpeg):
    liveness, service, _, engine = make_liveness()
    thread = threading.Thread(target=service._run, args=(jpeg(), 1))
    thread.start()
    assert engine.is_asked.wait(LIMIT_S)
    liveness.tick()
    liveness.tick()
    assert sent() == ["READY=1"]
    engine.is_free.set()
    thread.join(LIMIT_S)
    liveness.tick()
    assert "WATCHDOG=1" in sent() and service.processed == 1


def test_waiting_camera_feeds_the_watchdog_and_a_hanging_one_does_not(
    make_liveness, sent, wait_until
):
    frames = Frames(left=2)
    liveness, _, camera, engine = make_liveness(frames)
    camera.start()
    wait_until(lambda: camera.heartbeats > 1)  # It waits for the first frame.
    liveness.tick()
    assert sent()[1:] == [
        "WATCHDOG=1",
        "STATUS=Source live, 0 results, 0 images so far.",
    ]
    frames.ask.set()
    assert engine.is_asked.wait(LIMIT_S)
    liveness.tick()  # Heartbeats from before it hung.
    sent()
    liveness.tick()
    liveness.tick()
    assert sent() == []
    engine.is_free.set()
    wait_until(lambda: camera.newest)
    liveness.tick()
    assert "WATCHDOG=1" in sent()


@pytest.mark.parametrize(
    ("error", "state", "is_fed"),
    [(None, "ended", True), (AssertionError("a programming error"), "failed", False)],
)
# The thread ends with the exception, which Python reports.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_ended_camera_feeds_the_watchdog_and_a_failed_one_does_not(
    make_liveness, sent, wait_until, error, state, is_fed
):
    frames = Frames(left=0, error=error)
    liveness, _, camera, _ = make_liveness(frames)
    camera.start()
    frames.ask.set()
    wait_until(lambda: camera.status().state == state)
    assert bool(camera.status().last_error) == (state == "failed")
    liveness.tick()  # Heartbeats from before the end.
    sent()
    liveness.tick()
    assert ("WATCHDOG=1" in sent()) is is_fed


def test_program_notifies_systemd_from_its_start_to_its_end(
    serve, tmp_path, monkeypatch
):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.settimeout(LIMIT_S)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        monkeypatch.setenv("WATCHDOG_USEC", "400000")
        served = serve()
        sent = [server.recv(4096).decode() for _ in range(4)]
        assert sent[:2] == ["READY=1", "WATCHDOG=1"]
        assert sent[2:] == ["STATUS=0 images so far.", "WATCHDOG=1"]
        served.process.terminate()
        # Read while it stops: the socket holds only ten messages.
        while (text := server.recv(4096).decode()) != "STOPPING=1":
            assert text in ("WATCHDOG=1", "STATUS=0 images so far.")
        assert served.process.wait(LIMIT_S) == 0
