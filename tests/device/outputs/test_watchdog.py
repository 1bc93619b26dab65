"""What systemd is told, through a real socket."""

import os
import socket
import time
from dataclasses import replace

import pytest

from corallite.device.camera.frame import FrameStream
from corallite.device.engine.classifier import Prediction
from corallite.device.loop.classify_frames import Result
from corallite.device.outputs import watchdog as systemd
from corallite.device.outputs.watchdog import Service

RESULT = Result(0, 0.0, "x", [Prediction("cat", 1.0)], 1.0)


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """A socket of systemd's, and its name in the environment."""
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


def test_a_service_tells_of_its_life(manager):
    server, environment = manager
    service = Service({**environment, "WATCHDOG_USEC": "1000"})
    service.begin(FrameStream())
    begun = received(server)
    time.sleep(0.001)
    service.put(RESULT)
    fed = received(server)
    service.close()
    assert begun == [
        *("READY=1", "WATCHDOG=1"),
        "STATUS=Source live, 0 results so far.",
    ]
    assert fed == ["WATCHDOG=1"] and received(server) == ["STOPPING=1"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "1 results so far."),
        ({"device": "edgetpu:1"}, "1 results so far, now by edgetpu:1."),
        ({"accelerator_lost": True}, "1 results so far, now by cpu (TPU lost)."),
    ],
)
def test_status_tells_of_an_accelerator(manager, fields, told):
    server, environment = manager
    service = Service(environment)
    service.put(replace(RESULT, **fields))
    service.close()
    assert f"STATUS=Source , {told}" in received(server)


def test_watchdog_is_not_fed_more_than_it_needs(manager):
    server, environment = manager
    service = Service({**environment, "WATCHDOG_USEC": "1000000000"})
    for _ in range(100):
        service.put(RESULT)
    assert received(server).count("WATCHDOG=1") == 1
    service.close()


@pytest.mark.parametrize(
    "watchdog",
    [{}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}],
)
def test_watchdog_that_is_not_for_us_is_not_fed(manager, watchdog):
    server, environment = manager
    service = Service({**environment, **watchdog})
    service.put(RESULT)
    assert "WATCHDOG=1" not in received(server)
    service.close()


def test_wait_for_a_source_at_work_feeds_and_for_a_dead_one_does_not(
    manager, monkeypatch
):
    server, environment = manager
    monkeypatch.setattr(systemd, "_STATUS_PERIOD_S", 1000)
    service, frames = Service({**environment, "WATCHDOG_USEC": "1"}), FrameStream()
    service.begin(frames)
    received(server)
    frames.note_wait()
    assert received(server) == ["WATCHDOG=1"]
    frames._beat_s -= 60  # As if it had not beaten for a minute.
    frames.note_wait()
    assert received(server) == []
    frames.beat()
    frames.note_wait()
    assert received(server) == ["WATCHDOG=1"]
    service.close()


def test_outside_of_systemd_nothing_happens():
    service = Service({})
    service.begin(FrameStream())
    service.put(RESULT)
    service.close()


def test_manager_that_has_gone_is_no_error(tmp_path, caplog):
    service = Service({"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "1"})
    service.begin(FrameStream())
    service.put(RESULT)
    service.close()
    assert caplog.text.count("systemd cannot be told: No such file") == 1
