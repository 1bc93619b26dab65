"""Classifying live sources: output, failures, and the end."""

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading

import pytest

from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest

COMMAND = [sys.executable, "-m", "corallite.device.cli.classify_main"]
MANIFEST = Manifest.of_classifier(
    "tiny", "1", ("red", "green", "blue"), Preprocessing((32, 32))
)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)

# Makes the date jump by two days, back and forth, at every reading, for Python and for
# libraries in C. Monotonic clocks are not changed.
JUMPING_CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>

static long jump(void) {
  static int calls;
  return (__sync_fetch_and_add(&calls, 1) % 3 - 1) * 172800L;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int status = real(clock, now);
  if (clock == CLOCK_REALTIME) now->tv_sec += jump();
  return status;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *where) {
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  if (where) *where = precise.tv_sec;
  return precise.tv_sec;
}
"""


@pytest.fixture(scope="module")
def model(tiny_models, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.tflite"
    path.write_bytes(attach_manifest(tiny_models["uint8"].read_bytes(), MANIFEST))
    return path


@pytest.fixture
def start(model):
    """A function that starts the program, which is killed after the test."""
    with contextlib.ExitStack() as stack:

        def start(source, *flags, **options):
            command = [*COMMAND, f"--model={model}", f"--source={source}", *flags]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            process = subprocess.Popen(command, **{**pipes, **options})
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def read_all(file):
    """Returns a queue of the lines; a full pipe would stop the loop."""
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: list(map(lines.put, file)), daemon=True).start()
    return lines


def label(line):
    return json.loads(line)["top"][0]["label"]


@pytest.mark.usefixtures("default_signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_a_live_stream(start, camera_server, number):
    process = start(camera_server.url)
    lines = [process.stdout.readline()]
    process.send_signal(number)
    # Not `communicate`, which misses lines that `readline` has buffered.
    lines += process.stdout.readlines()
    err = process.stderr.read()
    assert process.wait(60) == 0 and "Traceback" not in err
    for line in map(json.loads, lines):
        assert line["top"][0]["label"] == "red" and line["source"] == camera_server.url
        assert line["age_ms"] >= line["latency_ms"] > 0
        assert 0 <= line["dropped"] <= line["frame"]
    assert f"{len(lines)} frames in " in err and "0 skipped" in err


def test_stream_continues_after_its_server_was_killed(start, camera_server, jpeg):
    process = start(camera_server.url, "--stale_after=1")
    assert label(process.stdout.readline()) == "red"
    camera_server.kill()
    while "Next try in" not in process.stderr.readline():
        assert process.poll() is None
    camera_server.part = jpeg(BLUE)
    camera_server.start()
    while label(process.stdout.readline()) != "blue":
        assert process.poll() is None
    process.terminate()
    assert process.wait(60) == 0


def test_program_waits_for_a_missing_camera(start):
    process = start("187")
    while "camera 187: cannot be opened; check" not in process.stderr.readline():
        assert process.poll() is None
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "") and "0 frames in" in err


def test_hanging_driver_does_not_delay_the_end(start, silent_server):
    name = f"rtsp://127.0.0.1:{silent_server.getsockname()[1]}/live"
    process = start(name)
    with silent_server.accept()[0]:
        process.terminate()
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert f"{name}: hangs in its driver; its thread is abandoned." in err


def test_all_images_of_a_pipe_are_classified(start, jpeg):
    process = start("-", stdin=subprocess.PIPE, text=False)
    out, err = process.communicate(b"".join(map(jpeg, [RED, GREEN, BLUE] * 30)), 60)
    assert process.returncode == 0, err
    lines = out.splitlines()
    assert [label(line) for line in lines] == ["red", "green", "blue"] * 30


def test_signal_ends_the_wait_for_a_pipe(start, jpeg):
    process = start("-", stdin=subprocess.PIPE, text=False)
    process.stdin.write(jpeg(RED))
    process.stdin.flush()
    assert label(process.stdout.readline()) == "red"
    process.terminate()
    assert process.wait(60) == 0


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
def test_jumps_of_the_clock_do_not_matter(start, camera_server, tmp_path, monkeypatch):
    library = tmp_path / "jumping.so"
    compile_it = ["cc", "-shared", "-fPIC", "-O1", "-x", "c", "-", "-o", str(library)]
    subprocess.run([*compile_it, "-ldl"], input=JUMPING_CLOCK, text=True, check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    check = "import time; print(max(abs(time.time() - time.time()) for _ in range(9)))"
    checked = subprocess.run([sys.executable, "-c", check], capture_output=True)
    assert float(checked.stdout) > 86400
    process = start(camera_server.url, "--max_frames=20", "--stale_after=20")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    lines = [json.loads(line) for line in out.splitlines()]
    times = [line["time_s"] for line in lines]
    assert len(times) == 20 and times == sorted(times)
    assert max(line["age_ms"] for line in lines) < 60_000
    assert "stale" not in err and len(camera_server.requests) == 1


@pytest.mark.slow
def test_hangup_and_a_new_file_replace_the_model(
    start, model, camera_server, tmp_path, wait_until
):
    path = tmp_path / "model.tflite"
    shutil.copy(model, path)
    process = start(camera_server.url, f"--model={path}")
    lines = read_all(process.stdout)
    assert label(lines.get(timeout=60)) == "red"
    process.send_signal(signal.SIGHUP)
    while "the new model runs (tiny 1)." not in process.stderr.readline():
        assert process.poll() is None
    content = model.read_bytes()
    path.write_bytes(content[:-300])
    while "the new model is not used" not in process.stderr.readline():
        assert process.poll() is None
    labels = MANIFEST._replace(version="2")
    labels = labels.with_classes(labels=("rot", "grün", "blau"))
    path.write_bytes(attach_manifest(content, labels))
    while label(lines.get(timeout=60)) != "rot":
        pass
    process.terminate()
    assert process.wait(60) == 0


def test_cpu_replaces_an_edgetpu_that_was_killed(start, edgetpu, model, jpeg, tmp_path):
    content = model.read_bytes()
    (tmp_path / "model.tflite").write_bytes(content)
    path = tmp_path / "model_edgetpu.tflite"
    path.write_bytes(edgetpu.compile(content))
    flags = [f"--model={path}", "--device=edgetpu"]
    process = start("-", *flags, stdin=subprocess.PIPE, text=False)
    devices = []
    for number in range(40):
        process.stdin.write(jpeg(RED))
        process.stdin.flush()
        line = json.loads(process.stdout.readline())
        assert line["frame"] == number and line["top"][0]["label"] == "red"
        devices.append(line["device"])
        if number == 20:
            os.kill(edgetpu.users[-1], signal.SIGKILL)
    assert devices[:20] == ["edgetpu"] * 20 and "cpu" in devices
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"edgetpu: lost (its process crashed with SIGKILL" in err


def test_smoothing_flags(start, jpeg):
    flags = ["--smooth=1000", "--threshold=0.5", "--release=0.4", "--top_k=1"]
    process = start("-", *flags, stdin=subprocess.PIPE, text=False)
    out, _ = process.communicate(b"".join(map(jpeg, [RED, BLUE, BLUE, BLUE])), 60)
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["top"][0]["label"] for line in lines] == ["red", "red", "blue", "blue"]
    assert [line["active"] for line in lines][-1] == ["blue"]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--release=0.5"], "--release=0.5: is above --threshold or without"),
        (["--release=0.5", "--threshold=0.4"], "--release=0.5: is above --threshold"),
        (["--stale_after=0"], "flag --stale_after=0"),
        (["--device=tpu"], "--device=tpu: unknown; write auto, cpu, edgetpu"),
        (["--device=edgetpu"], "model.tflite: is not compiled for the Edge TPU"),
        (["--source=ftp://cam/x"], "ftp://...: is not a valid URL; write one of http"),
    ],
)
def test_invalid_flags_are_reported_in_one_line(start, flags, sentence):
    process = start("187", *flags)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "") and sentence in err
