"""The classify program: its lines, statuses, signals and errors."""

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time

import cv2
import numpy as np
import pytest
from fixtures.cascade import WEAK_GREEN, pair

from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest

__all__ = ["pair"]
COMMAND = [sys.executable, "-m", "corallite.device.cli.classify_main"]
MANIFEST = Manifest.of_classifier(
    "tiny", "1", ("red", "green", "blue"), Preprocessing((32, 32))
)
BGR = {"red": (0, 0, 255), "green": (0, 255, 0), "blue": (255, 0, 0)}


@pytest.fixture(scope="module")
def model(tiny_models, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.tflite"
    path.write_bytes(attach_manifest(tiny_models["uint8"].read_bytes(), MANIFEST))
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """900 frames at 10 a second: red, green, blue, red ..."""
    path = tmp_path_factory.mktemp("video") / "clip.avi"
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), codec, 10, (64, 48))
    for number in range(900):
        colour = list(BGR.values())[number % 3]
        writer.write(np.full((48, 64, 3), colour, np.uint8))
    writer.release()
    return path


def classify(*flags):
    return subprocess.run([*COMMAND, *flags], capture_output=True, text=True)


def test_each_frame_of_a_video_gives_a_json_line(model, video):
    done = classify(f"--model={model}", f"--source={video}", "--top_k=2")
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["frame"] for line in lines] == list(range(900))
    labels = [line["top"][0]["label"] for line in lines]
    assert labels == ["red", "green", "blue"] * 300
    assert [len(line["top"]) for line in lines] == [2] * 900
    assert lines[15]["time_s"] == pytest.approx(1.5)
    assert lines[0]["source"] == "clip.avi" and lines[0]["latency_ms"] > 0
    assert "900 frames in " in done.stderr and "0 skipped" in done.stderr


def test_folder_is_classified_and_unreadable_images_are_named(model, tmp_path):
    for label, colour in BGR.items():
        image = np.full((40, 60, 3), colour, np.uint8)
        content = cv2.imencode(".png", image)[1].tobytes()
        (tmp_path / f"a {label} ä.png").write_bytes(content)
    (tmp_path / "cut.png").write_bytes(content[:50])
    done = classify(f"--model={model}", f"--source={tmp_path}")
    assert done.returncode == 0
    seen = {}
    for line in map(json.loads, done.stdout.splitlines()):
        seen[line["source"]] = line["top"][0]["label"]
    assert seen == {f"a {label} ä.png": label for label in BGR}
    assert "cut.png: is truncated" in done.stderr
    assert "1 skipped" in done.stderr


def test_terminal_gets_plain_text(model, video):
    master, terminal = pty.openpty()
    command = [*COMMAND, f"--model={model}", f"--source={video}", "--max_frames=2"]
    with subprocess.Popen(
        command, stdout=terminal, stderr=subprocess.DEVNULL
    ) as process:
        process.wait(timeout=60)
    os.close(terminal)
    lines = os.read(master, 4096).decode().splitlines()
    os.close(master)
    assert len(lines) == 2 and max(map(len, lines)) <= 80
    assert "red" in lines[0] and "%" in lines[0] and "ms" in lines[0]


def test_program_ends_after_max_frames(model, video):
    done = classify(
        f"--model={model}", f"--source={video}", "--max_frames=3", "--nojson"
    )
    assert done.returncode == 0 and done.stdout.count("\n") == 3
    assert not done.stdout.startswith("{")


def test_motion_classifies_only_what_has_changed(model, tmp_path):
    for number, label in enumerate(["red", "red", "red", "blue", "blue"]):
        image = np.full((48, 64, 3), BGR[label], np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    done = classify(f"--model={model}", f"--source={tmp_path}", "--motion")
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    labels = [line["top"][0]["label"] for line in lines]
    assert labels == ["red", "red", "red", "blue", "blue"]
    assert [line["repeated"] for line in lines] == [False, True, True, False, True]
    assert "3 frames repeated the last prediction" in done.stderr


def test_second_model_is_asked_where_the_first_is_unsure(pair, tmp_path):
    (tmp_path / "photos").mkdir()
    for number, (red, green, blue) in enumerate([WEAK_GREEN, (255, 0, 0), WEAK_GREEN]):
        image = np.full((48, 64, 3), (blue, green, red), np.uint8)
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.png"), image)
    command = f"--model={pair[0]}", f"--source={tmp_path / 'photos'}"
    labels = {}
    for name, flag in (("alone", ()), ("cascade", (f"--then={pair[1]}",))):
        done = classify(*command, *flag)
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        labels[name] = [line["label"] for line in lines]
    assert labels["alone"] == ["blue", "red", "blue"]
    assert labels["cascade"] == ["green", "red", "green"]
    assert "The second model was asked for 2 of 3 images." in done.stderr


def test_policy_chooses_the_model_and_the_rate(pair, tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(3):
        image = np.full((48, 64, 3), WEAK_GREEN[::-1], np.uint8)
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.png"), image)
    start = f"--model={pair[0]}", f"--source={tmp_path / 'photos'}"
    policy, found = tmp_path / "policy.json", {}
    for model, label in (("first", "blue"), ("both", "green"), ("second", "green")):
        choice = {"model": model, "fps": 500, "latency_ms": 1, "watts": 3}
        content = {"format": 1, "limits": {"temperature_c": 80}}
        content["choices"] = [{**choice, "accuracy": 0.9}]
        policy.write_text(json.dumps(content))
        done = classify(*start, f"--then={pair[1]}", f"--policy={policy}")
        assert done.returncode == 0, done.stderr
        for line in map(json.loads, done.stdout.splitlines()):
            assert (line["policy"], line["limit_fps"]) == (model, 500)
            assert line["label"] == label
            found[model] = line["answered_by"]
    assert found == {"first": "first", "both": "second", "second": "second"}


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--labels=x.txt",), "--labels: describes one model, but --then gives two"),
        (("--then=/none.tflite",), "/none.tflite: cannot be read"),
        (("--motion_threshold=9",), "--motion_threshold: needs --motion; give both."),
        (("--policy=/dev/null",), "/dev/null: cannot be read (is not"),
        (("--policy=x", "--max_temperature=70"), "--max_temperature: is in the"),
    ],
)
def test_flags_of_compute_that_do_not_fit_are_refused(pair, video, flags, why):
    start = f"--model={pair[0]}", f"--source={video}", f"--then={pair[1]}"
    done = classify(*start, *flags)
    assert done.returncode == 2 and not done.stdout
    assert why in done.stderr and "Traceback" not in done.stderr


def test_third_party_model_with_labels(tiny_models, video, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("rot\ngrün\nblau\n", "utf-8")
    done = classify(
        f"--model={tiny_models['float32']}",
        f"--source={video}",
        f"--labels={labels}",
        "--fit=stretch",
        "--num_threads=2",
        "--max_frames=2",
    )
    tops = [json.loads(line)["top"][0]["label"] for line in done.stdout.splitlines()]
    assert tops == ["rot", "grün"]


@pytest.mark.usefixtures("default_signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_program_between_frames_with_status_0(model, video, number):
    command = [*COMMAND, f"--model={model}", f"--source={video}"]
    # The pipe is full after about 300 lines, so the program cannot end earlier.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr
        lines = [process.stdout.readline()]
        process.send_signal(number)
        lines += process.stdout.readlines()
        stderr = process.stderr.read()
    assert process.returncode == 0
    assert len(lines) < 900 and all(json.loads(line) for line in lines)
    assert f"{len(lines)} frames in " in stderr
    assert "Traceback" not in stderr


def test_one_signal_suffices_while_stdout_is_blocked(model, video):
    read_end, write_end = os.pipe()
    command = [*COMMAND, f"--model={model}", f"--source={video}"]
    with subprocess.Popen(command, stdout=write_end, stderr=subprocess.PIPE) as process:
        assert process.stderr
        seen = 0
        while not seen or _count_waiting(read_end) > seen:
            seen = _count_waiting(read_end)
            assert process.poll() is None
            time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        stderr = process.stderr.read()
    os.close(write_end)
    os.close(read_end)
    # 0 if the signal came between two lines.
    assert process.returncode in (0, 2) and b" frames in " in stderr


def _count_waiting(descriptor):
    """Returns the number of bytes in a pipe."""
    count = fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4))
    return int.from_bytes(count, sys.byteorder)


def test_closed_pipe_is_not_an_error(model, video):
    command = [*COMMAND, f"--model={model}", f"--source={video}"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 0


def test_invalid_requests_are_one_line_and_status_2(model, video, tmp_path):
    for flags, sentence in (
        (["--source=/no/where"], "/no/where: no such file or folder"),
        (["--source=187", "--give_up_after=0"], "Given up: camera 187: cannot be"),
        ([f"--source={tmp_path}"], "has no readable image"),
        ([f"--source={video}", "--model=gone.tflite"], "gone.tflite: cannot be read"),
        ([f"--source={video}", "--input_range=1"], "--input_range=1: is not LOW,HIGH"),
        ([f"--source={video}", "--input_range=nan,1"], "nan,1: is not LOW,HIGH"),
        ([f"--source={video}", "--top_k=0"], "flag --top_k=0"),
        ([f"--source={video}", "--num_threads=1000000"], "flag --num_threads=1000000"),
        ([f"--source={video}", f"--max_frames={10**30}"], "flag --max_frames=1000"),
        ([], "--source is missing."),
    ):
        done = classify(f"--model={model}", *flags)
        assert (done.returncode, done.stdout) == (2, "")
        # LiteRT itself prints a line about XNNPACK.
        lines = [line for line in done.stderr.splitlines() if "XNNPACK" not in line]
        assert len(lines) == 1 and lines[0].startswith("corallite: ")
        assert sentence in lines[0]
