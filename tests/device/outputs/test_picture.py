"""Small pictures of what has changed."""

import cv2
import numpy as np
import pytest

from corallite.device.camera.frame import Frame, FrameStream
from corallite.device.loop.classify_frames import Result
from corallite.device.outputs.picture import PictureFeed


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def show(clock):
    """A function that puts a red frame with a label; returns the new picture."""
    frames = FrameStream()
    feed = PictureFeed("home/door", frames, clock)

    def show(label, seconds=60.0, size_hw=(48, 64)):
        clock.now_s += seconds
        image = np.full((*size_hw, 3), (255, 0, 0), np.uint8)
        frames.frames = iter([Frame(0, 0.0, image, "x", 0.0)])
        next(frames)
        feed.put(Result(0, 0.0, "x", [], label, 1.0))
        found = feed.take()
        assert set(found) <= {"home/door/picture"}
        return found.get("home/door/picture")

    return show


def decode(content):
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


def test_picture_is_a_small_jpeg_of_the_frame(show):
    image_bgr = decode(show("cat", size_hw=(1080, 1920)))
    assert image_bgr.shape == (180, 320, 3)
    # JPEG changes a plain colour by a few steps.
    assert np.abs(image_bgr.reshape(-1, 3).mean(0) - (0, 0, 255)).max() < 5


def test_small_frame_is_not_enlarged(show):
    assert decode(show("cat", size_hw=(48, 64))).shape == (48, 64, 3)


def test_picture_follows_a_change_of_the_label(show):
    assert show("cat") and not show("cat") and show("dog")


def test_at_most_one_picture_in_ten_seconds(show):
    assert show("cat")
    assert not show("dog", seconds=5)
    assert show("dog", seconds=6)


def test_the_last_frame_is_remembered():
    frame = Frame(0, 0.0, np.zeros((2, 2, 3), np.uint8), "x", 0.0)
    frames = FrameStream()
    frames.frames = iter([frame])
    assert frames.last is None
    next(frames)
    assert frames.last is frame
