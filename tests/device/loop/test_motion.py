"""Which frames count as still, on made pictures with made noise."""

import contextlib
import itertools
import threading
import time
from typing import Any

import numpy as np
import pytest
from fixtures.tiny_detector import describe, make_detector, paint

from corallite.device.camera.frame import Frame
from corallite.device.engine.base import Status
from corallite.device.engine.open_model import ModelRequest, open_model
from corallite.device.engine.reload.hot_reload import HotReload
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Preprocessing
from corallite.device.loop.classify_frames import classify_frames
from corallite.device.loop.motion import MotionGate
from corallite.device.model.manifest import Manifest

SCENE = cv2.resize(
    np.random.default_rng(0).integers(20, 235, (6, 8, 3)).astype(np.uint8), (320, 240)
)


class CountingEngine:
    """Counts its inferences."""

    labels = ("cat", "dog")
    preprocessing = Preprocessing((8, 8))
    has_successor = False

    def __init__(self):
        self.manifest = Manifest.of_classifier(
            "fake", "1", self.labels, self.preprocessing
        )
        self.runs = 0

    def run(self, pixels_u8):
        self.runs += 1
        return np.array([0.2, 0.8], np.float32)

    def status(self):
        return Status("fake", "1")


def add_noise(image, sigma, seed):
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def draw_object(size, left, grey=128):
    image = SCENE.copy()
    image[100 : 100 + size, left : left + size] = grey
    return image


def run_gate(images, gate=None, fps=10.0):
    """Returns for each image whether it was still."""
    engine: Any = CountingEngine()
    frames = (
        Frame(number, number / fps, image, "made", time.monotonic())
        for number, image in enumerate(images)
    )
    gate = gate or MotionGate()
    results = classify_frames(frames, engine, threading.Event(), 1, gate=gate)
    found = [result.repeated for result in results]
    assert engine.runs == found.count(False)
    assert gate.repeated == found.count(True)
    return found


@pytest.mark.parametrize("sigma", [0, 5, 20, 40])
def test_still_scene_is_classified_once_whatever_its_noise(sigma):
    found = run_gate(add_noise(SCENE, sigma, seed) for seed in range(40))
    assert found == [False] + [True] * 39


@pytest.mark.parametrize("sigma", [0, 5, 20])
def test_object_that_moves_is_classified_in_every_frame(sigma):
    # It is a fifth of the picture's height and moves by a quarter of its own size.
    images = [add_noise(draw_object(48, 12 * n, 250), sigma, n) for n in range(20)]
    assert not any(run_gate(images))


def test_object_that_appears_and_stays_is_classified_once():
    images = [SCENE] * 5 + [draw_object(24, 50, 250)] * 5
    assert run_gate(images) == [False, *[True] * 4, False, *[True] * 4]


def test_slow_change_adds_up_until_it_is_noticed():
    # Two grey levels a frame, as at dusk: below the least threshold of 4.2.
    images = [np.full((240, 320, 3), 200 - 2 * n, np.uint8) for n in range(12)]
    assert run_gate(images) == [False, True, True] * 4


def test_whole_picture_that_moves_is_not_taken_for_noise():
    images = [np.roll(SCENE, 20 * n, axis=1) for n in range(60)]
    assert not any(run_gate(images))


def test_noise_is_still_known_after_a_long_movement():
    moving = [add_noise(draw_object(48, 12 * n, 250), 20, n) for n in range(20)]
    still = [add_noise(draw_object(48, 228, 250), 20, 100 + n) for n in range(20)]
    assert run_gate(moving + still)[21:] == [True] * 19


def test_still_scene_is_classified_again_after_ten_seconds():
    found = run_gate([SCENE] * 25, fps=1.0)
    assert [n for n, repeated in enumerate(found) if not repeated] == [0, 10, 20]


def test_video_that_restarts_is_classified():
    gate, engine = MotionGate(), CountingEngine()
    for time_s, is_still in ((5.0, False), (6.0, True), (0.0, False)):
        frame = Frame(0, time_s, SCENE, "made", 0.0)
        found = gate.recall(frame, engine.manifest)
        assert (found is not None) == is_still
        if found is None:
            gate.remember(np.ones(2, np.float32), engine.manifest)


def test_another_model_does_not_repeat_the_prediction_of_the_former():
    gate, engine = MotionGate(), CountingEngine()
    frame = Frame(0, 0.0, SCENE, "made", 0.0)
    gate.recall(frame, engine.manifest)
    gate.remember(np.ones(2, np.float32), engine.manifest)
    assert gate.recall(frame, engine.manifest) is not None
    assert gate.recall(frame, CountingEngine().manifest) is None


def test_new_model_file_classifies_a_still_scene(tmp_path, wait_until):
    """With a real file and its replacement, and a clock that stands still."""
    path, new = tmp_path / "model.tflite", tmp_path / "new"
    path.write_bytes(make_detector())
    new.write_bytes(make_detector(describe(("a", "b", "c"))))
    stop, scene = threading.Event(), paint((1, 2, "red"))
    # In place of the product's second between two looks.
    with contextlib.closing(HotReload(ModelRequest(str(path)), look_s=0.05)) as engine:
        engine.start()
        frames = (Frame(n, 0.0, scene, "made", 0.0) for n in itertools.count())
        results = classify_frames(frames, engine, stop, 1, gate=MotionGate())
        assert [next(results).repeated for _ in range(3)] == [False, True, True]
        new.rename(path)
        wait_until(lambda: engine.has_successor)
        result = next(results)
        assert result.label == "a" and not result.repeated
        wait_until(lambda: engine.status().swaps == 1)
        assert next(results).repeated


def test_load_is_the_share_of_frames_that_moved():
    gate = MotionGate()
    assert gate.read_load() == 1
    run_gate([SCENE] * 4, gate)
    assert gate.read_load() == 0.25
    assert gate.read_load() == 1  # No frame came.


def test_higher_threshold_takes_a_small_change_for_none():
    change = SCENE.copy()
    change[100:110, 100:110] += 10  # One cell; the scene's levels are below 235.
    assert run_gate([SCENE, SCENE, change]) == [False, True, False]
    assert run_gate([SCENE, SCENE, change], MotionGate(20.0)) == [False, True, True]


def test_frame_that_fails_is_not_repeated():
    class FailsOnce(CountingEngine):
        def run(self, pixels_u8):
            self.runs += 1
            if self.runs == 2:
                raise MemoryError("no room")
            return np.array([0.2, 0.8], np.float32)

    engine: Any = FailsOnce()
    images = [SCENE, draw_object(48, 10, 250), draw_object(48, 10, 250)]
    frames = [Frame(n, n / 10, image, "made", 0.0) for n, image in enumerate(images)]
    found = classify_frames(
        frames, engine, threading.Event(), 1, gate=MotionGate(), survives=True
    )
    assert [(r.frame, r.repeated) for r in found] == [(0, False), (2, False)]


@pytest.mark.parametrize("shape", [(1, 1, 3), (4, 4, 3), (1080, 1920, 3)])
def test_frames_of_any_size_are_compared(shape):
    image = np.full(shape, 90, np.uint8)
    assert run_gate([image, image, image + 60]) == [False, True, False]


def test_frame_of_another_size_has_moved():
    # The same scene in another resolution, and back: boxes are in pixels.
    images = [SCENE, SCENE, *[cv2.resize(SCENE, (640, 480))] * 2, SCENE]
    assert run_gate(images) == [False, True, False, True, False]


def test_boxes_are_in_pixels_of_a_frame_whose_size_has_changed(tmp_path):
    path = tmp_path / "detector.tflite"
    path.write_bytes(make_detector())
    images = [paint((1, 2, "red"), size_hw=(side, side)) for side in (64, 64, 320)]
    frames = [Frame(n, n / 10, image, "made", 0.0) for n, image in enumerate(images)]
    engine = open_model(ModelRequest(str(path)))
    found = list(
        classify_frames(frames, engine, threading.Event(), 1, gate=MotionGate())
    )
    assert [result.repeated for result in found] == [False, True, False]
    # The right edge: 28 of 64 pixels, of which each edge may be off by 0.4.
    assert [result.boxes[0].right for result in found if result.boxes] == [
        pytest.approx(28, abs=0.4),
        pytest.approx(28, abs=0.4),
        pytest.approx(140, abs=2),
    ]
