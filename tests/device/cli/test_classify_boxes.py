"""`corallite classify` with a detector: its lines, commands, counts and refusals."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from fixtures.tiny_detector import describe, make_classifier, make_detector, paint

COMMAND = [sys.executable, "-m", "corallite.device.cli.classify_main"]
# Half of an input pixel, of which one has 5 pixels of the images here.
TOLERANCE_PX = 2.5
CELLS = (1, 2, "red"), (5, 6, "blue")


@pytest.fixture
def classify(tmp_path):
    """A function that classifies painted images of 320 x 320 pixels."""
    model = tmp_path / "detector.tflite"

    def classify(images, *flags, content=None):
        model.write_bytes(content or make_detector())
        files = [cv2.imencode(".png", image[..., ::-1])[1] for image in images]
        folder = tmp_path / "frames"
        folder.mkdir(exist_ok=True)
        for number, file in enumerate(files):
            (folder / f"{number}.png").write_bytes(file.tobytes())
        command = [*COMMAND, f"--model={model}", f"--source={folder}", *flags]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    return classify


def large(*cells):
    return paint(*cells, size_hw=(320, 320))


def lines_of(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_lines_have_boxes_in_pixels_of_the_frame(classify):
    first, second = lines_of(classify([large(*CELLS), large()]))
    assert first["size"] == [320, 320] and first["top"] == []
    assert [box["label"] for box in first["boxes"]] == ["red", "blue"]
    expected = (60, 40, 140, 80), (220, 200, 300, 240)
    for box, corners in zip(first["boxes"], expected, strict=True):
        assert box["box"] == pytest.approx(corners, abs=TOLERANCE_PX)
        assert box["score"] == pytest.approx(1)
    assert (first["label"], first["active"]) == ("red", ["red", "blue"])
    assert (second["label"], second["active"], second["boxes"]) == ("unknown", [], [])
    assert "counts" not in first


def test_frames_are_drawn_with_their_boxes(classify, tmp_path):
    drawn = tmp_path / "drawn"
    lines_of(classify([large(*CELLS), large()], f"--draw={drawn}", "--count=red"))
    assert sorted(path.name for path in drawn.iterdir()) == [
        "0000000.jpg",
        "0000001.jpg",
    ]
    first, second = (
        np.asarray(cv2.imread(str(path))).astype(int)
        for path in sorted(drawn.iterdir())
    )
    assert first.shape == second.shape == (320, 320, 3)
    # The edge of the box of (60, 40, 140, 80), and what is inside, as it was.
    assert abs(first[50:78, 140] - second[50:78, 140]).max(-1).min() > 60
    assert abs(first[70, 70:75] - second[70, 70:75]).max() < 40
    done = classify([large()], f"--draw={drawn}")
    assert done.returncode == 2 and "is not empty" in done.stderr
    assert "Traceback" not in done.stderr


def test_pictures_of_a_camera_need_a_number_of_frames(classify, tmp_path):
    done = classify([], f"--draw={tmp_path / 'drawn'}", "--source=http://127.0.0.1:9/a")
    assert done.returncode == 2 and "give --max_frames" in done.stderr
    done = classify([large()], "--draw=")
    assert done.returncode == 2 and "--draw: is empty" in done.stderr


def test_boxes_are_those_of_the_turned_frame(classify):
    (line,) = lines_of(classify([large((1, 2, "red"))], "--rotate=90", "--mirror"))
    # Row 1, column 2 of 8 becomes row 2, column 1: the matrix is transposed.
    expected = (8 * 1.5 - 8, 8 * 2.5 - 4, 8 * 1.5 + 8, 8 * 2.5 + 4)
    found = line["boxes"][0]["box"]
    assert found == pytest.approx([5 * x for x in expected], abs=TOLERANCE_PX)


def test_text_counts_the_labels(classify):
    two = large((1, 1, "red"), (4, 4, "red"), (6, 1, "green"))
    done = classify([two, large()], "--nojson", "--count=red")
    first, second = done.stdout.splitlines()
    assert first.endswith("ms  red: 2 inside; 2 red, 1 green")
    assert second.endswith("ms  red: 0 inside; nothing")
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_a_model_may_classify_too(classify):
    both = make_detector(describe(("a", "b", "c"), classes=("warm", "grass", "sky")))
    images = [large(*CELLS, (7, 7, "blue"))]
    (line,) = lines_of(classify(images, content=both))
    assert line["label"] == line["top"][0]["label"] == "sky"
    assert line["active"] == ["sky", "a", "c"]
    done = classify(images, "--nojson", content=both)
    assert "ms  2 c, 1 a  sky 3" in done.stdout


def test_the_threshold_is_that_of_boxes(classify):
    dark = [large(*CELLS) // 4]
    assert lines_of(classify(dark))[0]["boxes"] == []
    assert len(lines_of(classify(dark, "--threshold=0.2"))[0]["boxes"]) == 2


def test_a_command_waits_for_any_box(classify):
    command = "sh -c 'echo seen $CORALLITE_LABEL $CORALLITE_PROBABILITY'"
    flags = ["--on_label=blue", f"--run={command}"]
    done = classify([large(*CELLS)], *flags)
    assert done.returncode == 0 and "seen blue 1.000000\n" in done.stderr


def test_boxes_that_pass_the_line_are_counted(classify):
    # A row of 8 cells of 40 pixels, from left to right.
    walk = [large((4, column, "red"), (1, 1, "blue")) for column in range(1, 7)]
    flags = ["--count=red", "--count=green", "--line=0.5,1 0.5,0"]
    lower = "--zone=0,0.5 1,0.5 1,1 0,1"
    lines = lines_of(classify(walk, *flags, lower))
    red = [line["counts"]["red"] for line in lines]
    assert [counts["to_right"] for counts in red] == [0, 0, 0, 1, 1, 1]
    assert all((x["inside"], x["to_left"]) == (1, 0) for x in red)
    assert lines[-1]["counts"]["green"] == {"inside": 0, "to_left": 0, "to_right": 0}


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--release=0.2"], "--release: is for classes"),
        (["--smooth=1"], "--smooth: averages the probabilities of classes"),
        (["--output=logits"], "is a detector, whose manifest says how to read"),
        (["--on_label=pink", "--run=true"], "--on_label=pink: is not a label of this"),
        (["--count=cat"], "--count=cat: is not a label of this model's boxes, which"),
        (["--zone=0,0 1,0 1,1"], "--zone: needs --count"),
        (["--count=red", "--zone=0,0 1,1"], "--zone=0,0 1,1: has 2 points"),
        (["--count=red", "--line=0,0 2,1"], "--line=0,0 2,1: has a number that is not"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(classify, flags, sentence):
    done = classify([large()], *flags)
    assert done.returncode == 2 and done.stdout == ""
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("corallite: ")]
    assert sentence in line and "Traceback" not in done.stderr


def test_what_cannot_be_counted_is_refused_before_the_source_is_opened(classify):
    done = classify([], "--count=cat", "--source=/none")
    assert done.returncode == 2 and "--count=cat: is not a label" in done.stderr


def test_lines_of_a_classifier_are_as_before(classify):
    (line,) = lines_of(classify([large((1, 1, "red"))], content=make_classifier()))
    assert not {"size", "boxes", "counts"} & set(line)
    done = classify([large()], "--count=red", content=make_classifier())
    assert done.returncode == 2
    assert "--count=red: counts boxes, but the model gives none" in done.stderr
