"""Every image gets an answer, whatever the Edge TPU does. It is a stand-in in a real
process: it works, hangs, crashes, vanishes and comes back."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from corallite.device.engine.classifier import Classifier
from corallite.device.engine.edgetpu.accelerator_state import Limits
from corallite.device.engine.edgetpu.client import parse_device
from corallite.device.engine.edgetpu.failover import Failover
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest

MANIFEST = Manifest.of_classifier(
    "tiny", "7", ("red", "green", "blue"), Preprocessing((32, 32))
)
RED = np.full((32, 32, 3), (255, 0, 0), np.uint8)
# The product's own second, but tried often.
LIMITS = Limits(first_delay_s=0.05, longest_delay_s=0.1, recovered_s=0, look_s=0.05)
# The longest that a frame may wait while the accelerator is lost.
TAKEOVER_S = 2.0


@pytest.fixture
def fallback(tiny_models):
    return Classifier(tiny_models["uint8"], manifest=MANIFEST)


@pytest.fixture
def open_engine(edgetpu, tiny_models, fallback):
    """A function that starts the engine and waits until the Edge TPU was tried."""
    engines = []

    def open_engine(limits=LIMITS, device="edgetpu", is_here=None):
        compiled = edgetpu.compile(tiny_models["uint8"].read_bytes())
        engine = Failover(fallback, compiled, device, limits, is_here)
        engines.append(engine)
        engine.start()
        engine.wait_started(60)
        return engine

    yield open_engine
    for engine in engines:
        engine.stop()


def is_alive(process_id):
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def test_edgetpu_answers_as_the_cpu_fallback_does(open_engine, fallback, edgetpu):
    engine = open_engine(device="edgetpu:1")
    image = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
    assert np.array_equal(engine.classify(image), fallback.classify(image))
    status = engine.status()
    assert (status.device, status.state, status.losses) == ("edgetpu:1", "ready", 0)
    assert (status.model, status.version, status.last_error) == ("tiny", "7", "")
    assert engine.labels == MANIFEST.labels and engine.manifest == MANIFEST
    assert (edgetpu.folder / "users").read_text().split()[1] == ":1"
    assert edgetpu.users[0] != os.getpid()


def test_no_process_is_left_after_stop(open_engine, edgetpu):
    engine = open_engine()
    engine.run(RED)
    engine.stop()
    assert not is_alive(edgetpu.users[-1])


LOSSES = {
    "hangs": "no response in 1 s",
    "crashes": "its process crashed with SIGSEGV",
    "unplugged": "Failed to execute request",
    "is cut short": "its process returned 2 bytes",
    signal.SIGKILL: "its process crashed with SIGKILL",
    signal.SIGSTOP: "no response in 1 s",
}


@pytest.mark.parametrize("way", LOSSES)
def test_cpu_fallback_answers_for_the_image_in_progress(
    open_engine, fallback, edgetpu, wait_until, way
):
    engine = open_engine()
    expected = fallback.run(RED)
    assert np.array_equal(engine.run(RED), expected)
    if isinstance(way, str):
        edgetpu.mode = way
    else:
        os.kill(edgetpu.users[-1], way)
    start_s = time.monotonic()
    answer = engine.run(RED)
    assert time.monotonic() - start_s < TAKEOVER_S
    assert np.array_equal(answer, expected)
    status = engine.status()
    assert status.device == "cpu" and status.losses == 1
    assert LOSSES[way] in status.last_error
    assert status.last_error.startswith("edgetpu: ")
    # The fallback continues, and the Edge TPU comes back with a new process.
    assert np.array_equal(engine.run(RED), expected)
    edgetpu.mode = "works"
    wait_until(lambda: engine.status().state == "ready")
    assert np.array_equal(engine.run(RED), expected)
    assert engine.status().device == "edgetpu" and engine.status().losses == 1
    assert len(edgetpu.users) >= 2 and not is_alive(edgetpu.users[0])


def test_hang_is_noticed_before_the_next_frame(open_engine, edgetpu, wait_until):
    engine = open_engine(Limits(silent_s=0.1, first_delay_s=60))
    edgetpu.mode = "hangs"
    wait_until(lambda: engine.status().state == "lost")
    assert engine.status().losses == 1
    start_s = time.monotonic()
    engine.run(RED)
    assert time.monotonic() - start_s < LIMITS.answer_s


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("absent", "cannot be used (Failed to load delegate from libedgetpu.so.1)"),
        ("hangs at loading", "cannot be used (no response in 0.5 s)"),
        ("lies", "off those of the file for the CPU; check --cpu_model"),
        ("crashes", "its process crashed with SIGSEGV"),
        ("is cut short", "its process returned 2 bytes"),
    ],
)
def test_edgetpu_that_does_not_work_is_tried_again(
    open_engine, fallback, edgetpu, wait_until, caplog, mode, reason
):
    edgetpu.mode = mode
    limits = Limits(load_s=0.5 if mode.startswith("hangs") else 20, first_delay_s=0.05)
    engine = open_engine(limits)
    status = engine.status()
    assert (status.state, status.losses) == ("lost", 0) and reason in status.last_error
    assert np.array_equal(engine.run(RED), fallback.run(RED))
    wait_until(lambda: sum(reason in text for text in caplog.messages) >= 2)
    assert engine.status().state == "lost"


def test_edgetpu_that_appears_is_used(open_engine, edgetpu, wait_until):
    edgetpu.mode = "absent"
    engine = open_engine()
    assert engine.wait_started(0).startswith("edgetpu: cannot be used")
    edgetpu.mode = "works"
    wait_until(lambda: engine.status().state == "ready")
    assert engine.wait_started(0) == ""


def test_edgetpu_is_left_alone_until_the_system_shows_it(
    open_engine, edgetpu, wait_until, caplog
):
    caplog.set_level("INFO", "absl")
    looks, is_plugged_in = [], threading.Event()

    def is_here():
        looks.append(1)
        return is_plugged_in.is_set()

    engine = open_engine(is_here=is_here)
    assert engine.wait_started(0) == ""
    wait_until(lambda: len(looks) >= 5)
    engine.run(RED)
    status = engine.status()
    assert (status.device, status.state, status.last_error) == ("cpu", "ready", "")
    assert edgetpu.users == []
    assert caplog.messages == ["edgetpu: not found; the CPU classifies until it is."]
    engine.stop()
    assert engine.status().state == "ready"
    engine.start()
    is_plugged_in.set()
    wait_until(lambda: edgetpu.users)
    wait_until(lambda: "edgetpu: ready." in caplog.messages)
    engine.run(RED)
    assert engine.status().device == "edgetpu"
    # From now on it is missed, whatever the system shows.
    is_plugged_in.clear()
    edgetpu.mode = "unplugged"
    engine.run(RED)
    status = engine.status()
    assert (status.device, status.state, status.losses) == ("cpu", "lost", 1)


def test_edgetpu_that_is_lost_again_is_tried_later(open_engine, edgetpu):
    engine = open_engine(Limits(first_delay_s=60))
    os.kill(edgetpu.users[-1], signal.SIGKILL)
    engine.run(RED)
    assert engine.status().state == "lost"
    time.sleep(0.5)
    assert len(edgetpu.users) == 1


def test_stopped_engine_releases_the_edgetpu(open_engine, edgetpu):
    first = open_engine()
    second = open_engine()
    assert second.status().state == "lost"  # It serves one process at a time.
    first.stop()
    assert first.status().state == "lost" and first.run(RED) is not None
    second.stop()
    second.start()
    assert second.wait_started(60) == "" and first.status().losses == 0


def test_missing_libedgetpu_is_reported(tmp_path, tiny_models, fallback):
    engine = Failover(fallback, tiny_models["uint8"].read_bytes(), "edgetpu")
    engine.start()
    reason = engine.wait_started(60)
    engine.stop()
    assert "libedgetpu.so.1" in reason and engine.run(RED) is not None


PARENT = """
import sys
from pathlib import Path
from corallite.device.engine.edgetpu.failover import Failover
from corallite.device.engine.classifier import Classifier
from corallite.device.model.manifest import Manifest
from corallite.device.image.preprocess import Preprocessing
labels = ("red", "green", "blue")
manifest = Manifest.of_classifier("tiny", "7", labels, Preprocessing((32, 32)))
fallback = Classifier(sys.argv[1], manifest=manifest)
engine = Failover(fallback, Path(sys.argv[2]).read_bytes(), "edgetpu")
engine.start()
print(engine.wait_started(60), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("way", ["works", signal.SIGSTOP])
def test_killed_parent_leaves_nothing(edgetpu, tiny_models, tmp_path, wait_until, way):
    compiled = tmp_path / "model_edgetpu.tflite"
    compiled.write_bytes(edgetpu.compile(tiny_models["uint8"].read_bytes()))
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tiny_models["uint8"]), str(compiled)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout and parent.stdout.readline() == "\n"
        worker = edgetpu.users[-1]
        if way == signal.SIGSTOP:
            os.kill(worker, way)
        assert is_alive(worker)
        parent.kill()
    # It stays a zombie if init does not reap orphans here.
    wait_until(lambda: not is_running(worker))


def is_running(process_id):
    try:
        with open(f"/proc/{process_id}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("device", ["cpu", "edgetpu:", "edgetpu:x", "tpu:1", ""])
def test_other_devices_are_refused(device):
    with pytest.raises(ValueError, match="`device` to be edgetpu or edgetpu:N"):
        parse_device(device)
