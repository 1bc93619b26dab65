"""The demo's video is what the device loop is then tested with."""

import cv2
import numpy as np
import pytest

from corallite.convert.export.targets.int8 import INT8_FILE
from corallite.convert.pipeline import demo
from corallite.device.system.errors import RequestError
from corallite.train.data.load import Split, load_data
from corallite.train.runs.run import Run


@pytest.fixture
def part():
    """Two of class 0, one of 1, three of 2; a colour each."""
    labels = np.array([2, 0, 2, 1, 0, 2])
    colours = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200]], np.uint8)[labels]
    images = np.broadcast_to(colours[:, np.newaxis, np.newaxis], (6, 32, 32, 3))
    return Split(np.ascontiguousarray(images), labels, ("",) * 6)


def test_rows_are_of_one_class_after_another(part):
    rows = demo.choose_rows(part, per_class=1)
    assert rows == [1, 3, 0]


def test_each_class_gives_as_many_as_the_smallest_has(part):
    assert demo.choose_rows(part, per_class=4) == [1, 3, 0]
    assert demo.choose_rows(Split(part.images_rgb_u8, part.labels % 2, ()), 2) == [
        0,
        3,
    ]


def test_the_video_shows_each_image_for_five_frames(part, tmp_path):
    demo.write_video(tmp_path / "clip.avi", part, [1, 3, 0])
    capture = cv2.VideoCapture(str(tmp_path / "clip.avi"))
    frames = []
    while (grabbed := capture.read())[0]:
        frames.append(grabbed[1])
    capture.release()
    assert len(frames) == 3 * 5
    assert frames[0].shape == (240, 240, 3)
    for number, frame_bgr in enumerate(frames):
        expected = part.images_rgb_u8[[1, 3, 0][number // 5], 0, 0]
        # JPEG halves the resolution of colours and rounds them.
        np.testing.assert_allclose(frame_bgr[120, 120, ::-1], expected, atol=6)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.avi"]


def test_right_frames_are_counted():
    named = ["red"] * 5 + ["green"] * 3 + ["red"] * 2
    answers = [
        {"frame": number, "top": [{"label": label, "probability": 1.0}]}
        for number, label in enumerate(named)
    ]
    assert demo.count_right(answers, ["red", "green"]) == 8
    # A frame that is missing is not right, and moves no other.
    assert demo.count_right(answers[1:], ["red", "green"]) == 7


@pytest.mark.slow
def test_the_device_loop_names_the_frames(small_run, tmp_path):
    data = load_data(Run.open(small_run))
    test_part = data.splits["test"]
    rows = demo.choose_rows(test_part, per_class=2)
    demo.write_video(tmp_path / "clip.avi", test_part, rows)
    model_path = small_run / "int8" / INT8_FILE
    answers = demo.classify_video(model_path, tmp_path / "clip.avi")
    assert [answer["frame"] for answer in answers] == list(range(30))
    expected = [data.class_names[test_part.labels[row]] for row in rows]
    # Five of six images: JPEG and the enlargement change the pixels a little.
    assert demo.count_right(answers, expected) >= 25


@pytest.mark.slow
def test_a_loop_that_fails_is_one_sentence(tmp_path):
    with pytest.raises(RequestError, match=r"clip\.avi could not be classified"):
        demo.classify_video(tmp_path / "none.tflite", tmp_path / "clip.avi")
