"""Every program that takes a model: the same forms, and the same sentences."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from fixtures.small_models import write_model

COLOURS = ("red", "green", "blue")


@pytest.fixture
def run(tmp_path):
    """A function that runs a program on `model.tflite`; also, a red image is there."""
    image = np.full((8, 8, 3), (0, 0, 255), np.uint8)
    cv2.imwrite(str(tmp_path / "red.png"), image)

    def run(module, content, *arguments, labels=COLOURS):
        (tmp_path / "model.tflite").write_bytes(content)
        (tmp_path / "labels.txt").write_text("".join(f"{x}\n" for x in labels))
        return subprocess.run(
            [sys.executable, "-m", f"corallite.{module}_main", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    return run


CLASSIFY = ("device.cli.classify", "--source=red.png", "--labels=labels.txt")
PROGRAMS = {
    "classify": (*CLASSIFY, "--json"),
    "serve": ("device.cli.serve", "--labels=labels.txt", "--port=0"),
    "benchmark": ("device.cli.benchmark", "--rounds=1", "--starts=1"),
    "doctor": ("device.cli.doctor",),
    "audit": ("convert.cli.audit",),
    "compile": ("convert.cli.compile",),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_open_sizes_are_refused_everywhere(run, name):
    module, *flags = PROGRAMS[name]
    content = write_model(kind="INT8", open_shape=(1, -1, -1, 3))
    done = run(module, content, *flags, "model.tflite")
    assert "is not fixed" in " ".join((done.stdout + done.stderr).split())
    # An audit describes any file, and the doctor's findings have a status of their own.
    assert done.returncode == {"audit": 0, "doctor": 1}.get(name, 2)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["classify", "benchmark", "doctor", "audit"])
def test_a_model_is_given_as_file_or_by_flag(run, name):
    module, *flags = PROGRAMS[name]
    if name in ("benchmark", "doctor", "audit"):
        flags.append("--json")
    outputs = []
    for model in ("model.tflite", "--model=model.tflite"):
        done = run(module, write_model(before=[("MUL", 1 / 255)]), model, *flags)
        assert done.returncode in (0, 1), done.stderr
        outputs.append(sorted(json.loads(done.stdout)))
    assert outputs[0] == outputs[1]
    twice = run(module, write_model(), "model.tflite", "--model=gone.tflite", *flags)
    assert twice.returncode == 2
    sentence = "gone.tflite" if name == "benchmark" else "Expected one model file"
    assert sentence in twice.stderr


@pytest.mark.parametrize("name", ["classify", "serve", "benchmark", "audit"])
def test_a_missing_model_is_one_sentence(run, name):
    module, *flags = PROGRAMS[name]
    done = run(module, b"", *flags)
    assert done.returncode == 2
    sentence = "corallite: --model is missing; give FILE or --model=FILE.\n"
    assert done.stderr == sentence


def answer(done):
    assert done.returncode == 0, done.stderr
    (line,) = map(json.loads, done.stdout.splitlines())
    return {top["label"]: top["probability"] for top in line["top"]}


def classify(run, content, *flags, labels=COLOURS):
    module, *others = CLASSIFY
    return run(module, content, *others, "model.tflite", *flags, labels=labels)


def test_logits_become_probabilities(run):
    done = classify(run, write_model(last=None))
    found = answer(done)
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)
    assert found["red"] == pytest.approx(np.exp(4) / (np.exp(4) + 2), abs=1e-5)
    assert "logits" in done.stderr and "--input_range" in done.stderr
    raw = answer(classify(run, write_model(last=None), "--output=probabilities"))
    assert raw["red"] == pytest.approx(4)


def test_one_sigmoid_answers_by_two_labels(run):
    content = write_model((1, 4, 4, 1), last="LOGISTIC")
    found = answer(classify(run, content, labels=("dark", "bright")))
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)
    refused = classify(run, content, labels=("bright",))
    assert refused.returncode == 2 and "give both with --labels" in refused.stderr


def test_numbered_labels_are_used_in_their_order(run):
    labels = ("2 blue", "0 red", "1 green")
    found = answer(classify(run, write_model(), labels=labels))
    assert max(found, key=lambda label: found[label]) == "red"


def test_labels_of_several_need_a_threshold_for_outputs(run):
    content = write_model(last="LOGISTIC")
    assert answer(classify(run, content))["red"] == pytest.approx(0.982, abs=1e-3)
    for flag in ("--mqtt=mqtt://localhost/x", "--on_label=red"):
        done = classify(run, content, flag, "--run=true")
        assert done.returncode == 2 and "needs --threshold" in done.stderr
    done = classify(run, content, "--threshold=0.4", "--on_label=red", "--run=true")
    (line,) = map(json.loads, done.stdout.splitlines())
    assert line["active"] == ["red", "green", "blue"]


def test_operators_of_tensorflow_are_named_by_classify_and_doctor(run):
    from fixtures.model_writer import ModelWriter

    writer = ModelWriter()
    x = writer.input((1, 4, 4, 3), "FLOAT32")
    writer.operator("FlexErf", [x], None, "FLOAT32")
    for done in (
        classify(run, writer.content()),
        run("device.cli.doctor", writer.content(), "model.tflite"),
    ):
        assert done.returncode in (1, 2)
        text = done.stdout + done.stderr
        assert "FlexErf" in text and "Android" not in text


def test_escape_sequences_of_names_and_labels_do_not_reach_a_terminal(run, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "\x1b]0;a.png").touch()
    module, *_ = CLASSIFY
    done = run(
        module,
        write_model(),
        "--source=photos",
        "--model=model.tflite",
        "--labels=labels.txt",
    )
    assert "Skipped: photos/?]0;a.png: is empty" in done.stderr
    labels = ("\x1b[2J", "b", "c")
    flags = ("--on_label=d", "--run=true")
    refused = classify(run, write_model(), *flags, labels=labels)
    assert "its labels are ?[2J, b, c." in refused.stderr
    assert "\x1b" not in done.stderr + refused.stderr
