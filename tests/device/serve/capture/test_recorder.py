"""Recording: what is kept while a button is held, and what goes wrong meanwhile."""

import contextlib
import errno
import os
import resource
import shutil
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest

from corallite.device.image.preprocess import decode_image
from corallite.device.serve.capture import recorder as recorder_module
from corallite.device.serve.capture.recorder import HELD_S, Recorder
from corallite.device.system.errors import RequestError


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still; photos may follow each other at once."""
    monkeypatch.setattr(recorder_module, "_BETWEEN_PHOTOS_S", 0.0)
    return SimpleNamespace(now_s=0.0)


@pytest.fixture
def recorder(camera, album, clock):
    with contextlib.closing(Recorder(camera, album, lambda: clock.now_s)) as recorder:
        yield recorder


def names_of(album, label="cup"):
    return album.find(label).names()


def test_held_button_keeps_frames_as_whole_photos(recorder, camera, album, wait_until):
    camera.show()
    recorder.hold("cup", "a")
    for count in (1, 2, 3):
        shown = camera.show().image_rgb_u8
        wait_until(lambda count=count: recorder.hold("cup", "a").kept >= count)
    assert recorder.release("a").problem == ""
    newest, *others = names_of(album)
    bursts = {name.rpartition("_")[0] for name in (newest, *others)}
    assert len(bursts) == 1 and len(others) >= 2
    kept = decode_image(album.find("cup").read(newest), "kept").astype(int)
    # JPEG of noise; the band with the label would be dark.
    assert np.abs(kept - shown).mean() < 25


def test_frame_from_before_the_press_is_not_kept(
    recorder, camera, album, clock, wait_until
):
    clock.now_s = pressed_s = time.monotonic() + 1000
    recorder.hold("cup", "a")
    # Another button has been held for longer, so the frame is kept for it.
    clock.now_s = 0.0
    recorder.hold("pen", "b")
    clock.now_s = pressed_s
    recorder.hold("pen", "b")
    camera.show()
    wait_until(lambda: recorder.hold("pen", "b").kept == 1)
    assert names_of(album) == []


def test_frame_that_looks_like_the_last_photo_is_left_out(
    recorder, camera, album, wait_until
):
    image = camera.show().image_rgb_u8
    recorder.hold("cup", "a")
    wait_until(lambda: recorder.hold("cup", "a").kept == 1)
    camera.show(np.minimum(image, 250) + np.uint8(2))
    wait_until(lambda: recorder.hold("cup", "a").same == 1)
    camera.show()
    wait_until(lambda: recorder.hold("cup", "a").kept == 2)
    assert len(names_of(album)) == 2


def test_recording_ends_if_the_page_vanishes(
    recorder, camera, album, clock, wait_until
):
    camera.show()
    recorder.hold("cup", "a")
    wait_until(lambda: len(names_of(album)) == 1)
    clock.now_s += HELD_S
    camera.show()
    # Another page records that frame, so the recorder has seen it.
    recorder.hold("pen", "b")
    wait_until(lambda: len(names_of(album, "pen")) == 1)
    assert len(names_of(album)) == 1


def test_late_request_does_not_continue_what_has_ended(
    recorder, camera, album, wait_until
):
    recorder.hold("cup", "a")
    recorder.release("a")
    recorder.hold("cup", "a")
    camera.show()
    recorder.hold("pen", "b")
    wait_until(lambda: len(names_of(album, "pen")) == 1)
    assert names_of(album) == []


def test_two_browsers_record_each_into_its_class(recorder, camera, album, wait_until):
    recorder.hold("cup", "a")
    recorder.hold("pen", "b")
    for count in (1, 2, 3):
        camera.show()
        wait_until(lambda count=count: recorder.hold("cup", "a").kept >= count)
        wait_until(lambda count=count: recorder.hold("pen", "b").kept >= count)
    both = [
        album.find(label).read(names_of(album, label)[0]) for label in album.labels()
    ]
    assert both[0] == both[1]
    assert not set(names_of(album)) & set(names_of(album, "pen"))


def test_lost_camera_is_reported_and_its_last_frame_is_kept_once(
    recorder, camera, album, wait_until
):
    camera.show()
    recorder.hold("cup", "a")
    wait_until(lambda: recorder.hold("cup", "a").kept == 1)
    camera.state = "reopening"
    recorded = recorder.hold("cup", "a")
    assert recorded.problem == "The camera is reopening, so nothing is recorded."
    camera.state = "live"
    camera.show()
    wait_until(lambda: recorder.hold("cup", "a").kept == 2)
    assert recorder.hold("cup", "a") == (2, 0, "", False)


def test_full_disk_ends_the_recording_with_a_sentence(
    recorder, camera, album, wait_until, monkeypatch, caplog
):
    full = SimpleNamespace(f_frsize=1, f_blocks=10**9, f_bavail=10**6)
    with monkeypatch.context() as patch:
        patch.setattr(os, "statvfs", lambda path: full)
        camera.show()
        recorder.hold("cup", "a")
        wait_until(lambda: recorder.hold("cup", "a").problem)
    assert recorder.hold("cup", "a").is_over
    problem = recorder.release("a").problem
    assert "the disk has 1 MB left" in problem and "delete files" in problem
    wait_until(lambda: problem in caplog.text)
    assert os.listdir(album.path / "cup") == []
    recorder.hold("cup", "b")
    camera.show()
    wait_until(lambda: recorder.hold("cup", "b").kept == 1)


def test_error_of_the_disk_leaves_no_half_photo(recorder, camera, album, wait_until):
    """The kernel refuses the write, as on a disk without space."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python gets the error, not the signal.
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        camera.show()
        recorder.hold("cup", "a")
        wait_until(lambda: recorder.hold("cup", "a").problem)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    expected = f"cannot be written ({os.strerror(errno.EFBIG)})"
    assert expected in recorder.release("a").problem
    assert os.listdir(album.path / "cup") == []


def test_class_that_vanishes_is_not_made_again(recorder, camera, album, wait_until):
    camera.show()
    recorder.hold("cup", "a")
    wait_until(lambda: recorder.hold("cup", "a").kept == 1)
    shutil.rmtree(album.path / "cup")
    with pytest.raises(RequestError, match="class is not there any more"):
        recorder.hold("cup", "a")
    camera.show()
    wait_until(lambda: recorder._recordings["a"].problem)
    assert not (album.path / "cup").exists()


def test_many_short_presses_are_no_many_pages(recorder, clock):
    # By one thumb: the 17th within ten seconds was refused.
    for number in range(40):
        recorder.hold("cup", str(number))
        recorder.release(str(number))
    # The last ones can still be asked for their counts.
    assert recorder.release("39").kept == 0
    assert len(recorder._recordings) <= 16


def test_recordings_are_limited(recorder, clock):
    for number in range(16):
        recorder.hold("cup", str(number))
    with pytest.raises(RequestError, match="Too many pages record at once"):
        recorder.hold("cup", "one more")
    clock.now_s += 60
    recorder.hold("cup", "one more")
