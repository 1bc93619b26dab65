"""Classifying with outputs: full disks, commands, systemd, a short soak test."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.archive import split_archive
from corallite.device.model.manifest import Manifest
from corallite.device.model.refusal import Refusal
from corallite.device.model.write import attach_manifest

COMMAND = [sys.executable, "-m", "corallite.device.cli.classify_main"]
MANIFEST = Manifest.of_classifier(
    "tiny", "1", ("red", "green", "blue"), Preprocessing((32, 32))
)
RED, BLUE = (255, 0, 0), (0, 0, 255)
BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="module")
def model(tiny_models, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.tflite"
    path.write_bytes(attach_manifest(tiny_models["uint8"].read_bytes(), MANIFEST))
    return path


@pytest.fixture
def classify(model):
    """A function that classifies JPEG images from a pipe."""

    def classify(images, *flags, **options):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.run(
            [*COMMAND, f"--model={model}", "--source=-", *flags],
            input=b"".join(images),
            timeout=120,
            **{**pipes, **options},
        )

    return classify


def test_full_disk_for_the_results_does_not_end_the_loop(classify, jpeg):
    with open("/dev/full", "wb") as full:
        done = classify([jpeg(RED)] * 9, stdout=full)
    assert done.returncode == 2
    assert b"Lines: No space left on device. (8 so far)" in done.stderr
    assert b"9 results could not be written." in done.stderr
    assert b"9 frames in" in done.stderr and b"Traceback" not in done.stderr


def test_full_disk_for_the_log_costs_no_result(classify, jpeg):
    with open("/dev/full", "wb") as full:
        done = classify([jpeg(RED), b"no image", *[jpeg(BLUE)] * 8], stderr=full)
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 9)


def test_command_runs_while_results_are_written(classify, jpeg, tmp_path):
    command = "sh -c 'echo seen $CORALLITE_LABEL'"
    flags = ["--on_label=blue", f"--run={command}", "--on_label=red", "--run=true"]
    done = classify([jpeg(RED), jpeg(BLUE), jpeg(RED)], *flags)
    assert done.returncode == 0 and b"seen blue\n" in done.stderr
    labels = [json.loads(line)["top"][0]["label"] for line in done.stdout.splitlines()]
    assert labels == ["red", "blue", "red"]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--on_label=red"], "--on_label was given 1 times and --run 0 times"),
        (["--on_label=pink", "--run=true"], "--on_label=pink: is not a label of this"),
        (["--mqtt=broker"], "--mqtt: The URL (not shown, it may hold a pass"),
        (["--home_assistant"], "--home_assistant: needs a broker; give --mqtt=mqtt://"),
        (["--mqtt_picture"], "--mqtt_picture: needs a broker; give --mqtt=mqtt://"),
        (["--max_fps=0"], "flag --max_fps=0"),
    ],
)
def test_invalid_flags_are_reported_in_one_line(classify, flags, sentence):
    done = classify([], *flags)
    assert (done.returncode, done.stdout) == (2, b"")
    assert sentence in done.stderr.decode()


@pytest.mark.parametrize(
    ("flags", "loaded"),
    [
        ([], set()),
        (["--mqtt=mqtt://127.0.0.1:1/cam"], {"broker", "mqtt", "state", "topics"}),
    ],
)
def test_nothing_of_mqtt_is_loaded_unless_asked_for(model, jpeg, flags, loaded):
    pytest.importorskip("paho.mqtt.client")
    done = subprocess.run(
        [COMMAND[0], "-X", "importtime", *COMMAND[1:], f"--model={model}", *flags]
        + ["--source=-"],
        input=jpeg(RED),
        capture_output=True,
        timeout=120,
    )
    modules = {line.rpartition(b"|")[2].strip() for line in done.stderr.splitlines()}
    rooms = [b"corallite.device.outputs.", b"corallite.device.fleet."]
    found = {x for x in modules if x.startswith(tuple(rooms))}
    names = {x.rpartition(b".")[2].decode() for x in found}
    assert names - {"lines", "watchdog", "drift"} == loaded
    assert (b"paho.mqtt.client" in modules) is bool(flags)


def test_command_for_a_class_that_is_never_named_is_refused(classify, model, jpeg):
    refusal = Refusal(background="blue")
    path = model.with_name("refusing.tflite")
    manifest = MANIFEST.with_classes(refusal=refusal)
    path.write_bytes(attach_manifest(split_archive(model.read_bytes())[0], manifest))
    flags = [f"--model={path}", "--on_label=blue", "--run=echo seen"]
    done = classify([jpeg(BLUE)], *flags)
    assert done.returncode == 2 and b"give --on_label=unknown" in done.stderr
    done = classify([jpeg(BLUE)], *flags, "--threshold=0.1")
    assert done.returncode == 0 and b"seen" in done.stderr
    done = classify([jpeg(BLUE)], flags[0], "--on_label=unknown", flags[2])
    assert done.returncode == 0 and b"seen" in done.stderr


def test_systemd_is_notified_from_the_start_to_the_end(classify, jpeg, tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.settimeout(60)
        service = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "60000000"}
        done = classify([jpeg(RED)] * 3, env={**os.environ, **service})
        assert done.returncode == 0
        sent = [server.recv(4096).decode().partition("=")[0] for _ in range(3)]
        assert sent == ["READY", "WATCHDOG", "STATUS"]
        # On a busy machine, more than one status comes before the end.
        while (text := server.recv(4096).decode()) != "STOPPING=1":
            assert text.startswith(("WATCHDOG=", "STATUS="))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "frames", "settled"),
    # Fewer frames over HTTP: the camera's thread takes most of the processor. One image
    # leaked per frame would still be three times the allowed growth.
    [("stdin", 3000, 1000), ("http", 900, 300)],
)
def test_loop_does_not_leak(model, source, frames, settled):
    command = [sys.executable, str(BENCHMARKS / "soak.py"), f"--model={model}"]
    flags = [f"--source={source}", f"--frames={frames}", f"--settled={settled}"]
    done = subprocess.run([*command, *flags], stdout=subprocess.PIPE)
    row = json.loads(done.stdout)
    assert done.returncode == 0 and row["is_steady"], row
    assert row["last"]["results"] == frames


def test_lost_camera_is_published(model, broker, subscribe):
    messages = subscribe(broker.port)
    flags = ["--source=rtsp://127.0.0.1:1/x", f"--model={model}"]
    url = f"--mqtt=mqtt://127.0.0.1:{broker.port}/home/door"
    process = subprocess.Popen([*COMMAND, *flags, url], stderr=subprocess.DEVNULL)
    last: dict[str, str] = {}
    while last.get("home/door/status") != "offline":
        topic, text, _ = messages.get(timeout=60)
        last[topic] = text
        if topic == "home/door/state":
            process.terminate()
    process.wait()
    assert json.loads(last["home/door/state"])["source"] in ("opening", "reopening")
