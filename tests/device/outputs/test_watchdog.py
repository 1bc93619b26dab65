"""Notifications to systemd, through a real socket."""

import os
import socket
import time

import pytest

from corallite.device.camera.frame import FrameStream
from corallite.device.engine.classifier import Prediction
from corallite.device.loop.classify_frames import Result
from corallite.device.outputs import watchdog as module
from corallite.device.outputs.watchdog import LoopWatchdog

RESULT = Result(0, 0.0, "x", [Prediction("cat", 1.0)], "cat", 1.0)


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """The socket of systemd, and the environment that names it."""
    path = str(tmp_path / "notify")
    if request.param == "abstract":
        path = f"@corallite-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path.replace("@", "\0"))
        server.setblocking(False)
        yield server, {"NOTIFY_SOCKET": path}


def received(server):
    texts = []
    while True:
        try:
            texts.append(server.recv(4096).decode())
        except BlockingIOError:
            return texts


def test_service_reports_start_progress_and_end(manager):
    server, environment = manager
    watchdog = LoopWatchdog({**environment, "WATCHDOG_USEC": "1000"})
    watchdog.begin(FrameStream())
    begun = received(server)
    time.sleep(0.001)
    watchdog.put(RESULT)
    fed = received(server)
    watchdog.close()
    assert begun == [
        *("READY=1", "WATCHDOG=1"),
        "STATUS=Source live, 0 results so far.",
    ]
    assert fed == ["WATCHDOG=1"] and received(server) == ["STOPPING=1"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, "1 results so far."),
        ({"device": "edgetpu:1"}, "1 results so far, now on edgetpu:1."),
        ({"accelerator_lost": True}, "1 results so far, now on cpu (TPU lost)."),
    ],
)
def test_status_names_the_accelerator(manager, fields, status):
    server, environment = manager
    watchdog = LoopWatchdog(environment)
    watchdog.put(RESULT._replace(**fields))
    watchdog.close()
    assert f"STATUS=Source , {status}" in received(server)


def test_watchdog_is_fed_only_when_due(manager):
    server, environment = manager
    watchdog = LoopWatchdog({**environment, "WATCHDOG_USEC": "1000000000"})
    for _ in range(100):
        watchdog.put(RESULT)
    assert received(server).count("WATCHDOG=1") == 1
    watchdog.close()


@pytest.mark.parametrize(
    "settings",
    [{}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}],
)
def test_watchdog_of_another_process_is_not_fed(manager, settings):
    server, environment = manager
    watchdog = LoopWatchdog({**environment, **settings})
    watchdog.put(RESULT)
    assert "WATCHDOG=1" not in received(server)
    watchdog.close()


def test_wait_for_a_source_feeds_only_while_the_source_works(manager, monkeypatch):
    server, environment = manager
    monkeypatch.setattr(module, "_STATUS_PERIOD_S", 1000)
    watchdog, frames = (
        LoopWatchdog({**environment, "WATCHDOG_USEC": "1"}),
        FrameStream(),
    )
    watchdog.begin(frames)
    received(server)
    frames.note_wait()
    assert received(server) == ["WATCHDOG=1"]
    frames._beat_s -= 60  # A minute without a beat.
    frames.note_wait()
    assert received(server) == []
    frames.beat()
    frames.note_wait()
    assert received(server) == ["WATCHDOG=1"]
    watchdog.close()


def test_outside_systemd_nothing_is_sent():
    watchdog = LoopWatchdog({})
    watchdog.begin(FrameStream())
    watchdog.put(RESULT)
    watchdog.close()


def test_missing_systemd_socket_is_logged_once(tmp_path, caplog):
    watchdog = LoopWatchdog(
        {"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "1"}
    )
    watchdog.begin(FrameStream())
    watchdog.put(RESULT)
    watchdog.close()
    assert caplog.text.count("systemd cannot be notified: No such file") == 1
