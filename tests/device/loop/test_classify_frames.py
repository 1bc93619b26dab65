"""The loop with a fake classifier."""

import threading
import time
from typing import Any

import numpy as np
import pytest

from corallite.device.camera.frame import Fitted, Frame, FrameStream
from corallite.device.engine.base import OutdatedPixelsError, Status
from corallite.device.image.preprocess import Preprocessing
from corallite.device.loop.classify_frames import (
    classify_frames,
)
from corallite.device.loop.rate_limit import RateLimitStatus
from corallite.device.loop.smoothing import Smoother
from corallite.device.model.manifest import Manifest
from corallite.device.model.refusal import Refusal


class FakeClassifier:
    labels = ("cat", "dog", "ship")
    preprocessing = Preprocessing((8, 8))
    manifest = Manifest.of_classifier("fake", "1", labels, preprocessing)

    def run(self, pixels_u8):
        return np.array([0.2, 0.7, 0.1], np.float32)

    def status(self):
        return Status("fake", "1", "edgetpu:1")


FAKE: Any = FakeClassifier()


def frames(count=5):
    for number in range(count):
        image = np.zeros((4, 4, 3), np.uint8)
        yield Frame(number, number / 10, image, "clip.mp4", time.monotonic())


def test_every_frame_has_a_result():
    results = list(classify_frames(frames(), FAKE, threading.Event(), 2))
    assert [found.frame for found in results] == [0, 1, 2, 3, 4]
    assert [found.time_s for found in results] == [0, 0.1, 0.2, 0.3, 0.4]
    assert [p.label for p in results[0].top] == ["dog", "cat"]
    assert results[0].source == "clip.mp4" and results[0].latency_ms > 0


class FailsAt(FakeClassifier):
    """Fails at the frames with these numbers, counted from 0."""

    def __init__(self, *numbers):
        self.numbers, self.frame = numbers, -1

    def run(self, pixels_u8):
        self.frame += 1
        if self.frame in self.numbers:
            raise MemoryError("no room for a tensor")
        return super().run(pixels_u8)


def test_failing_frame_is_skipped_and_logged(caplog):
    engine: Any = FailsAt(2, 3)
    found = classify_frames(frames(), engine, threading.Event(), 1, survives=True)
    assert [result.frame for result in found] == [0, 1, 4]
    assert "Frame 2 is skipped: no room for a tensor (1 so far)" in caplog.text


@pytest.mark.parametrize(("number", "survives"), [(0, True), (2, False)])
def test_failure_before_the_first_result_or_without_survives_is_raised(
    number, survives
):
    engine: Any = FailsAt(number)
    found = classify_frames(frames(), engine, threading.Event(), 1, survives=survives)
    with pytest.raises(MemoryError, match="no room"):
        list(found)


def test_stop_ends_the_loop_between_frames():
    stop = threading.Event()
    results = classify_frames(frames(), FAKE, stop, 1)
    next(results)
    stop.set()
    assert list(results) == []


def test_age_counts_from_the_capture_and_dropped_is_passed_on():
    image = np.zeros((4, 4, 3), np.uint8)
    captured_s = time.monotonic() - 5
    frame = Frame(3, 0.3, image, "camera 0", captured_s, dropped=2)
    (found,) = classify_frames([frame], FAKE, threading.Event(), 1)
    assert 5000 <= found.age_ms < 65_000
    assert found.dropped == 2


def test_smoothed_probabilities_and_active_labels_are_in_the_result():
    class Flickering(FakeClassifier):
        def __init__(self):
            self.answers = iter([[1, 0, 0], [0, 1, 0], [0, 1, 0]])

        def run(self, pixels_u8):
            return np.array(next(self.answers), np.float32)

    flickering: Any = Flickering()
    smoother = Smoother(window_s=1.0, threshold=0.6, release=0.5)
    results = classify_frames(frames(3), flickering, threading.Event(), 1, smoother)
    seen = [(r.label, round(r.top[0].probability, 2), r.active) for r in results]
    assert seen == [
        ("cat", 1.0, ["cat"]),
        ("cat", 0.5, ["cat"]),
        ("dog", 0.67, ["dog"]),
    ]


@pytest.mark.parametrize(
    ("refusal", "threshold", "label"),
    [
        (None, None, "dog"),
        (Refusal(threshold=0.7), None, "dog"),
        (Refusal(threshold=0.71), None, "unknown"),
        (Refusal(threshold=0.71, thresholds={"dog": 0.6}), None, "dog"),
        (Refusal(background="dog"), None, "unknown"),
        # --threshold overrules, but what is no class stays none.
        (Refusal(threshold=0.9), 0.7, "dog"),
        (None, 0.71, "unknown"),
        (Refusal(background="dog"), 0.7, "unknown"),
    ],
)
def test_label_is_unknown_if_the_model_is_not_sure_enough(refusal, threshold, label):
    class Refusing(FakeClassifier):
        manifest = FakeClassifier.manifest.with_classes(refusal=refusal)

    refusing: Any = Refusing()
    smoother = Smoother(threshold=threshold)
    results = classify_frames(frames(1), refusing, threading.Event(), 3, smoother)
    (found,) = results
    assert found.label == label
    # The ranking of the classes stays.
    assert [p.label for p in found.top] == ["dog", "cat", "ship"]


def test_loss_of_an_accelerator_is_in_the_result():
    class Lost(FakeClassifier):
        def status(self):
            return Status("fake", "1", "cpu", "lost")

    lost: Any = Lost()
    (found,) = classify_frames(frames(1), lost, threading.Event(), 1)
    assert (found.device, found.accelerator_lost) == ("cpu", True)


LARGER = Preprocessing((16, 16))


class Shapes(FakeClassifier):
    """Records its inputs, and changes its input size after two frames."""

    def __init__(self):
        self.given = []

    def run(self, pixels_u8):
        if len(self.given) == 2 and self.preprocessing != LARGER:
            self.preprocessing = LARGER
            raise OutdatedPixelsError
        self.given.append(pixels_u8)
        return super().run(pixels_u8)

    @property
    def shapes(self):
        return [pixels_u8.shape[:2] for pixels_u8 in self.given]


def forty_pixels_wide(count):
    for number in range(count):
        image = np.zeros((40, 40, 3), np.uint8)
        yield Frame(number, number / 10, image, "x", time.monotonic())


def test_prepared_frame_is_not_preprocessed_again():
    fitted = Fitted(np.ones((8, 8, 3), np.uint8), Shapes.preprocessing, seconds=0.0)
    plain = next(forty_pixels_wide(1))
    engine: Any = Shapes()
    both = [plain._replace(fitted=fitted), plain]
    list(classify_frames(both, engine, threading.Event(), 1))
    assert engine.given[0] is fitted.pixels_u8
    assert engine.shapes == [(8, 8), (8, 8)]


def test_frame_prepared_for_another_model_is_preprocessed_again():
    def all_ahead():
        yield from [stream.prepare(frame) for frame in forty_pixels_wide(4)]

    stream, shapes = FrameStream(), Shapes()
    stream.frames = all_ahead()
    engine: Any = shapes
    list(classify_frames(stream, engine, threading.Event(), 1))
    assert shapes.shapes == [(8, 8), (8, 8), (16, 16), (16, 16)]


def test_pixels_outdated_through_another_handle_are_preprocessed_again():
    class Shared(Shapes):
        """Another user has brought another model before the first answer."""

        def run(self, pixels_u8):
            if not self.given:
                self.given.append(pixels_u8)
                self.preprocessing = LARGER
                raise OutdatedPixelsError
            return super().run(pixels_u8)

    engine: Any = Shared()
    found = classify_frames(forty_pixels_wide(1), engine, threading.Event(), 1)
    assert len(list(found)) == 1 and engine.shapes == [(8, 8), (16, 16)]


def test_latency_includes_the_preparation():
    frame = next(forty_pixels_wide(1))
    fitted = Fitted(np.zeros((8, 8, 3), np.uint8), Shapes.preprocessing, seconds=5.0)
    engine: Any = Shapes()
    frame = frame._replace(fitted=fitted)
    (found,) = classify_frames([frame], engine, threading.Event(), 1)
    assert found.latency_ms > 5000


def test_frame_that_cannot_be_prepared_fails_when_it_is_classified(caplog):
    stream = FrameStream()
    frames = list(forty_pixels_wide(3))
    frames[1] = frames[1]._replace(image_rgb_u8=np.zeros((40, 40), np.uint8))
    stream.frames = (stream.prepare(frame) for frame in frames)

    found = classify_frames(stream, FAKE, threading.Event(), 1, survives=True)
    assert [result.frame for result in found] == [0, 2]
    assert "Frame 1 is skipped: " in caplog.text


def test_rate_limiter_waits_before_each_frame():
    class Counting:
        waits = 0

        def status(self):
            return RateLimitStatus(limit_fps=2.5, model="both")

        def wait(self, stop):
            self.waits += 1

    limiter, taken = Counting(), []

    def counted():
        for frame in frames(3):
            taken.append(limiter.waits)
            yield frame

    as_limiter: Any = limiter
    found = classify_frames(counted(), FAKE, threading.Event(), 1, None, as_limiter)
    assert [(x.limit_fps, x.policy) for x in found] == [(2.5, "both")] * 3
    assert taken == [1, 2, 3]
