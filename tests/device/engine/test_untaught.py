"""The engine that has no model yet."""

import threading

import numpy as np

from corallite.device.camera.frame import Frame
from corallite.device.engine.untaught import Untaught
from corallite.device.loop.classify_frames import classify_frames
from corallite.device.loop.smoothing import Smoother
from corallite.device.model.refusal import UNKNOWN

IMAGE = np.zeros((48, 64, 3), np.uint8)


def test_no_label_is_known():
    engine = Untaught()
    assert len(engine.classify(IMAGE)) == 0
    assert engine.labels == () and engine.status().state == "untaught"


def test_results_are_unknown_also_with_smoothing_and_a_threshold():
    frames = [Frame(number, float(number), IMAGE, "x", 0.0) for number in range(3)]
    for smoother in (Smoother(), Smoother(5.0, 0.8, 0.6)):
        stop = threading.Event()
        results = list(classify_frames(frames, Untaught(), stop, 3, smoother))
        assert [result.top for result in results] == [[], [], []]
        assert {result.label for result in results} == {UNKNOWN}
