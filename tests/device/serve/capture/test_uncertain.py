"""Uncertain frames: which are kept, and how many."""

import contextlib
import os
from types import SimpleNamespace
from typing import Any

import pytest

from corallite.device.engine.classifier import Prediction
from corallite.device.image.preprocess import Preprocessing
from corallite.device.loop.classify_frames import Result
from corallite.device.model.manifest import ClassesOutput, Manifest
from corallite.device.model.refusal import UNKNOWN, Refusal
from corallite.device.serve.capture import uncertain as uncertain_module
from corallite.device.serve.capture.uncertain import Uncertain, is_uncertain

MANIFEST = Manifest.of_classifier("x", "1", ("cup", "pen"), Preprocessing((32, 32)))
FITTED = Refusal(threshold=0.6, thresholds={"pen": 0.8}, background="none")
FOREIGN = "holiday.jpg"
BACK = [f"20261130-03150{second}-a1b2" for second in range(3)]


@pytest.fixture
def clock():
    return SimpleNamespace(now_s=0.0)


@pytest.fixture
def uncertain(tmp_path, clock):
    engine: Any = SimpleNamespace(manifest=MANIFEST)
    kept = Uncertain(tmp_path / "unsure", engine, None, lambda: clock.now_s)
    with contextlib.closing(kept):
        yield kept


@pytest.fixture
def offer(uncertain, camera, clock, wait_until):
    """A function that offers a frame and waits until it is kept: offer(probability)."""

    def offer(probability=0.3):
        clock.now_s += 10.0
        before = set(uncertain.folder.names())
        uncertain.offer(camera.show(probability=probability))
        wait_until(lambda: set(uncertain.folder.names()) - before)

    return offer


@pytest.mark.parametrize(
    ("top", "label", "refusal", "threshold", "expected"),
    [
        # Without any threshold.
        (("cup", 0.51), "cup", None, None, False),
        (("cup", 0.49), "cup", None, None, True),
        # With that of the model, or of a class.
        (("cup", 0.55), UNKNOWN, FITTED, None, True),
        (("cup", 0.69), "cup", FITTED, None, True),
        (("cup", 0.71), "cup", FITTED, None, False),
        (("pen", 0.85), "pen", FITTED, None, True),
        (("pen", 0.95), "pen", FITTED, None, False),
        # Surely no class, or perhaps one.
        (("none", 0.99), UNKNOWN, FITTED, None, False),
        (("none", 0.65), UNKNOWN, FITTED, None, True),
        # With --threshold, which overrules; close to 1 not everything is uncertain.
        (("cup", 0.75), "cup", FITTED, 0.7, True),
        (("cup", 0.65), "cup", FITTED, 0.5, False),
        (("cup", 0.98), "cup", None, 0.95, False),
        # As while it is smoothed.
        (("cup", 0.99), UNKNOWN, None, 0.5, True),
    ],
)
def test_frame_near_the_threshold_is_uncertain(
    top, label, refusal, threshold, expected
):
    result = Result(0, 0.0, "x", [Prediction(*top)], label, 1.0)
    classes = ClassesOutput(("cup", "pen", "none"), refusal=refusal)
    assert is_uncertain(result, classes, threshold) is expected


def test_without_a_model_nothing_is_uncertain():
    result = Result(0, 0.0, "x", [], UNKNOWN, 1.0)
    assert not is_uncertain(result, ClassesOutput(()))


def test_one_photo_in_ten_seconds_is_kept(uncertain, offer, camera, clock):
    offer()
    for passed_s in (0.0, 5.0, 4.9):
        clock.now_s += passed_s
        uncertain.offer(camera.show(probability=0.3))
    offer()
    assert len(uncertain.folder.names()) == 2


def test_sure_frames_and_those_that_look_the_same_are_not_kept(
    uncertain, offer, camera, clock
):
    offer()
    shown = camera.newest
    clock.now_s += 10.0
    uncertain.offer(shown)
    uncertain.offer(camera.show(probability=0.9))
    offer()
    assert len(uncertain.folder.names()) == 2


def test_oldest_go_first_and_other_files_stay(uncertain, offer, monkeypatch):
    monkeypatch.setattr(uncertain_module, "MOST_PHOTOS", 3)
    (uncertain.folder.path / FOREIGN).write_bytes(b"x")
    bursts = (f"20261130-0315{second:02}-a1b2" for second in range(1, 6))
    monkeypatch.setattr(uncertain_module, "begin_burst", lambda: next(bursts))
    for _ in range(5):
        offer()
    *ours, foreign = uncertain.folder.names()
    assert [name[13:15] for name in ours] == ["05", "04", "03"]
    assert foreign == FOREIGN


def test_a_clock_that_is_set_back_costs_no_new_photo(uncertain, offer, monkeypatch):
    # Of a board without a clock: its new photos were the oldest, and went first.
    monkeypatch.setattr(uncertain_module, "MOST_PHOTOS", 3)
    bursts = iter(["20301130-031501-a1b2", "20301130-031502-a1b2"] + BACK)
    monkeypatch.setattr(uncertain_module, "begin_burst", lambda: next(bursts))
    for _ in range(5):
        offer()
    assert {name[:20] for name in uncertain.folder.names()} == set(BACK)


def test_their_bytes_are_limited(uncertain, offer, monkeypatch):
    offer()
    (name,) = uncertain.folder.names()
    size = (uncertain.folder.path / name).stat().st_size
    monkeypatch.setattr(uncertain_module, "MOST_BYTES", round(1.5 * size))
    offer()
    assert len(uncertain.folder.names()) == 1


def test_full_disk_is_logged_and_passes(
    uncertain, offer, camera, clock, wait_until, monkeypatch, caplog
):
    full = SimpleNamespace(f_frsize=1, f_blocks=10**9, f_bavail=0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "statvfs", lambda path: full)
        clock.now_s += 10.0
        uncertain.offer(camera.show(probability=0.3))
        wait_until(lambda: "the disk has 0 MB left" in caplog.text)
    offer()
    assert len(uncertain.folder.names()) == 1
