"""Live sources through failures of cameras and networks."""

import contextlib
import logging
import os
import queue
import threading
import time
from typing import Any

import numpy as np
import pytest

from corallite.device.camera import live
from corallite.device.camera.capture import Capture
from corallite.device.camera.connection_state import Action, State, Timeouts
from corallite.device.camera.live import LiveStream
from corallite.device.camera.open_source import open_source
from corallite.device.system.errors import RequestError
from corallite.device.system.process import driver_thread

RED, BLUE = (255, 0, 0), (0, 0, 255)
# No test takes this long unless it fails.
NEVER_STALE = Timeouts(stale_after_s=1000)
SHORT = Timeouts(stale_after_s=0.2)


@pytest.fixture(autouse=True)
def nothing_is_left(wait_until):
    """Checks that no thread and no descriptor is left after each test."""

    def count_open():
        return len(os.listdir("/proc/self/fd"))

    before = count_open()
    yield
    names = ("supervisor of", "reader of")
    wait_until(
        lambda: not [t for t in threading.enumerate() if t.name.startswith(names)]
    )
    wait_until(lambda: count_open() <= before)


class FakeCamera:
    """Makes a capture for each opening, which returns the items of its queue.

    An item is an image; an error to raise; None, the end; or an event to hang on.
    """

    def __init__(self):
        self.captures = []

    @property
    def opened(self):
        return len(self.captures)

    def open(self):
        self.captures.append(FakeCapture())
        return self.captures[-1]

    def put(self, *items):
        """Puts items, or images of these levels, into the newest capture's queue."""
        self.captures[-1].put(*items)


class FakeCapture(Capture):
    colour_order = "BGR"

    def __init__(self):
        super().__init__("fake")
        self.queue: queue.Queue[Any] = queue.Queue()
        self.interrupted = self.released = False
        self.grabbed = self.retrieved = 0

    def put(self, *items):
        for item in items:
            is_level = isinstance(item, int | tuple)
            self.queue.put(np.full((4, 4, 3), item, np.uint8) if is_level else item)

    def grab(self):
        item = self.queue.get()
        if isinstance(item, threading.Event):
            item.wait()
            return self.grab()
        if isinstance(item, Exception):
            raise item
        self.item = item
        self.grabbed += item is not None
        return item is not None

    def retrieve(self):
        self.retrieved += 1
        return self.item

    def interrupt(self):
        """Ends a wait for the queue, but not a wait for an event."""
        self.interrupted = True
        self.queue.put(None)

    def release(self):
        self.released = True


@contextlib.contextmanager
def feeding(camera, level):
    """Makes the newest capture send images of this level all the time."""
    done = threading.Event()

    def feed():
        while not done.wait(0.01):
            camera.put(level)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.fixture
def camera():
    return FakeCamera()


@pytest.fixture
def start(camera, wait_until):
    """A function that opens the fake camera as a stream."""
    streams = []

    def start(timeouts=NEVER_STALE, stop=None):
        stream = LiveStream("fake", camera.open, timeouts, stop or threading.Event())
        streams.append(stream)
        wait_until(lambda: camera.captures)
        return stream

    yield start
    for stream in streams:
        stream.close()
    wait_until(lambda: all(capture.released for capture in camera.captures))


def colour(frame):
    """Returns the name of the colour of an image that went through JPEG."""
    mean = frame.image_rgb_u8.reshape(-1, 3).mean(0)
    return {0: "red", 1: "green", 2: "blue"}[int(mean.argmax())]


def next_in(stream, name):
    """Returns the next frame of that colour; skips older frames."""
    return next(frame for frame in stream if colour(frame) == name)


# With a fake camera


def test_only_the_newest_frame_is_kept_and_the_others_are_counted(
    camera, start, wait_until
):
    stream = start()
    camera.put(0)
    first = next(stream)
    assert (first.number, first.dropped) == (0, 0)
    camera.put(1, 2, 3, 4)
    wait_until(lambda: stream.dropped == 3)
    newest = next(stream)
    assert (newest.number, newest.dropped) == (4, 3)
    assert (newest.image_rgb_u8 == 4).all()
    assert newest.captured_s > first.captured_s and newest.time_s > first.time_s


def test_frames_that_nobody_requests_are_counted_but_not_decoded(
    camera, start, wait_until
):
    stream, frames = start(), []

    def is_decoding_avoided():
        # Ten times slower than the camera.
        time.sleep(0.1)
        frames.append(next(stream))
        capture = camera.captures[0]
        # One frame may be grabbed and not retrieved yet.
        return capture.grabbed - capture.retrieved > 5

    with feeding(camera, 1):
        wait_until(is_decoding_avoided)
        last = next(stream)
    # Each frame has a number, and is either taken or counted as dropped.
    assert last.number == last.dropped + len(frames)
    assert stream.skipped == 0


def test_frame_is_prepared_while_the_consumer_is_busy(camera, start, wait_until):
    def note(frame):
        prepared.append(int(frame.image_rgb_u8[0, 0, 0]))
        return frame._replace(name="prepared")

    prepared: list[int] = []
    stream = start()
    stream.prepare = note
    camera.put(1)
    wait_until(lambda: stream.state is State.LIVE)
    assert next(stream).name == "prepared"

    def put_when_requested():
        wait_until(lambda: stream._policy.is_requested)
        camera.put(2)

    thread = threading.Thread(target=put_when_requested)
    thread.start()
    assert next(stream).name == "fake" and prepared == [1]
    thread.join()


def test_source_that_sends_only_broken_frames_is_not_live(camera, start, wait_until):
    class Block(FakeCapture):
        """Drops one frame at each `grab`, and fails to decode the other."""

        def grab(self):
            self.dropped += 1
            return super().grab()

        def retrieve(self):
            raise RequestError("fake: is broken; repair it.")

    camera.open = lambda: camera.captures.append(Block()) or camera.captures[-1]
    stop = threading.Event()
    stream = start(SHORT, stop)
    waiting = threading.Thread(target=list, args=(stream,))
    waiting.start()
    wait_until(lambda: stream._policy.is_requested)
    with feeding(camera, 1):
        wait_until(lambda: stream.skipped >= 10)
        assert stream.state is State.OPENING
    stop.set()
    waiting.join()


def test_source_is_live_while_none_of_its_frames_is_decoded(
    camera, start, wait_until, monkeypatch
):
    monkeypatch.setattr(live.DecodePolicy, "should_decode", lambda self, now_s: False)
    stream = start()
    with feeding(camera, 1):
        wait_until(lambda: stream.state is State.LIVE and stream.dropped)
    assert camera.captures[0].retrieved == 0


def test_frame_carries_the_time_of_its_capture(camera, start, wait_until):
    stream = start()
    before_s = time.monotonic()
    camera.put(0)
    wait_until(lambda: stream.state is State.LIVE)
    after_s = time.monotonic()
    time.sleep(0.01)
    assert before_s <= next(stream).captured_s <= after_s


def test_bgr_is_converted_to_rgb_once(camera, start):
    stream = start()
    camera.put((0, 0, 255))  # Red in BGR.
    assert (next(stream).image_rgb_u8 == RED).all()


def test_frame_that_waited_too_long_is_dropped(camera, start, wait_until):
    stream = start(SHORT)
    camera.put(1)
    wait_until(lambda: stream.state not in (State.OPENING, State.LIVE))
    with feeding(camera, 2):
        frame = next(stream)
    assert frame.number > 0 and frame.dropped == frame.number


def test_frame_that_is_not_a_colour_image_is_skipped(camera, start, caplog):
    stream = start()
    camera.put(np.zeros((4, 4), np.uint8))
    camera.put(np.zeros((4, 4, 3), np.uint16))
    camera.put(7)
    assert (next(stream).image_rgb_u8 == 7).all()
    assert stream.skipped == 2
    assert "sent a frame of uint8 (4, 4)" in caplog.text


def test_failed_camera_is_reopened_and_the_numbers_continue(
    camera, start, wait_until, caplog
):
    stream = start()
    camera.put(1)
    assert next(stream).number == 0
    camera.put(None)
    wait_until(lambda: camera.opened == 2)
    camera.put(2)
    assert next(stream).number == 1
    assert stream.opened == 2 and camera.captures[0].released
    assert "fake: no more frames; check its connection. Next try in" in caplog.text


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(19, "No such device"), "fake: No such device. Next"),
        (RequestError("fake: on strike; wait."), "fake: on strike; wait. Next"),
    ],
)
def test_camera_that_fails_with_a_reason_is_reopened(
    camera, start, wait_until, caplog, error, sentence
):
    stream = start()
    camera.put(error)
    wait_until(lambda: camera.opened == 2)
    camera.put(2)
    assert next(stream).number == 0
    assert sentence in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_unexpected_exception_does_not_end_the_stream(camera, start, wait_until):
    stream = start()
    camera.put(ZeroDivisionError("a bug"))
    wait_until(lambda: camera.opened == 2)
    camera.put(2)
    assert next(stream).number == 0


def test_stop_ends_a_wait_for_a_camera_that_hangs(
    camera, start, wait_until, monkeypatch
):
    monkeypatch.setattr(live, "_CLOSE_TIMEOUT_S", 0.05)
    stop, hang = threading.Event(), threading.Event()
    stream = start(stop=stop)
    camera.put(hang)
    wait_until(camera.captures[0].queue.empty)  # The read hangs.
    stop.set()
    assert list(stream) == []
    stream.close()  # Returns although the read does not.
    assert camera.captures[0].interrupted and not camera.captures[0].released
    assert driver_thread.is_any_left()
    hang.set()


def test_hanging_read_is_abandoned_and_its_late_frame_ignored(
    camera, start, wait_until, caplog
):
    stream, hang = start(SHORT), threading.Event()
    camera.put(1)
    next(stream)
    first = camera.captures[0]
    first.put(hang, 9)
    wait_until(lambda: camera.opened == 2)
    assert "fake: no frames received; check its connection." in caplog.text
    with feeding(camera, 2):
        next(stream)
        hang.set()
        wait_until(lambda: first.released)
        later = [next(stream) for _ in range(3)]
    assert all((frame.image_rgb_u8 == 2).all() for frame in later)


def test_source_is_not_reopened_while_two_reads_hang(camera, start, wait_until):
    stream = start(Timeouts(stale_after_s=0.05))
    hangs = [threading.Event(), threading.Event()]
    for opened, hang in enumerate(hangs, start=1):
        wait_until(lambda: camera.opened == opened)  # noqa: B023
        camera.put(1, hang)
    wait_until(lambda: stream.state is State.REOPENING and len(stream._hung) == 2)
    # Otherwise it would be reopened after the third delay, of at most 2 s.
    wait_until(lambda: stream._connection.check(time.monotonic()) is Action.OPEN)
    time.sleep(0.3)
    assert camera.opened == 2
    hangs[0].set()
    wait_until(lambda: camera.opened == 3)
    with feeding(camera, 5):
        wait_until(lambda: (next(stream).image_rgb_u8 == 5).all())
    hangs[1].set()


def test_source_is_given_up_after_its_timeout(camera, start):
    stream = start(Timeouts(give_up_after_s=0))
    camera.put(RequestError("fake: is missing; plug it in."))
    with pytest.raises(RequestError, match="Given up: fake: is missing; plug it in."):
        next(stream)
    assert stream.state is State.GIVEN_UP and camera.opened == 1


# With an MJPEG server


def test_stream_over_http_is_live(camera_server):
    with open_source(camera_server.url, timeouts=NEVER_STALE) as stream:
        frames = [next(stream) for _ in range(5)]
        assert stream.state is State.LIVE
    numbers = [frame.number for frame in frames]
    assert numbers == sorted(set(numbers))
    assert {colour(frame) for frame in frames} == {"red"}
    assert {frame.image_rgb_u8.shape for frame in frames} == {(48, 64, 3)}
    assert len(camera_server.requests) == 1


def test_resolution_may_change_during_a_stream(camera_server, jpeg):
    with open_source(camera_server.url, timeouts=NEVER_STALE) as stream:
        next_in(stream, "red")
        camera_server.part = jpeg(BLUE, (100, 30))
        assert next_in(stream, "blue").image_rgb_u8.shape == (100, 30, 3)
    assert len(camera_server.requests) == 1


def test_garbage_is_skipped_on_the_same_connection(camera_server, jpeg, wait_until):
    with open_source(camera_server.url, timeouts=NEVER_STALE) as stream:
        next_in(stream, "red")
        camera_server.part = np.random.default_rng(0).bytes(100_000)
        time.sleep(0.1)
        camera_server.part = jpeg(RED, (480, 640))[:-200]
        wait_until(lambda: stream.skipped >= 3)
        damaged = bytearray(jpeg(RED))
        damaged[20:200] = bytes(180)
        camera_server.part = bytes(damaged)
        skipped = stream.skipped
        wait_until(lambda: stream.skipped >= skipped + 3)
        camera_server.part = jpeg(BLUE)
        next_in(stream, "blue")
    assert len(camera_server.requests) == 1


def test_stalled_stream_is_reopened(camera_server, jpeg, wait_until):
    with open_source(camera_server.url, timeouts=SHORT) as stream:
        next_in(stream, "red")
        camera_server.part = None
        wait_until(lambda: stream.state is State.REOPENING)
        camera_server.part = jpeg(BLUE)
        next_in(stream, "blue")
        assert stream.opened >= 2


def test_stream_is_reopened_after_its_server_was_killed(
    camera_server, jpeg, wait_until
):
    with open_source(camera_server.url, timeouts=NEVER_STALE) as stream:
        next_in(stream, "red")
        camera_server.kill()
        wait_until(lambda: stream.state is State.REOPENING)
        camera_server.part = jpeg(BLUE)
        camera_server.start()
        frame = next_in(stream, "blue")
        assert frame.number > 0 and stream.state is State.LIVE


def test_stream_is_opened_once_its_server_starts(camera_server, wait_until, caplog):
    camera_server.kill()
    with open_source(camera_server.url) as stream:
        wait_until(lambda: stream.state is State.REOPENING)
        camera_server.start()
        assert colour(next(stream)) == "red"
    assert "cannot be reached (" in caplog.text


def test_each_outage_is_logged(camera, start, wait_until, caplog):
    stream = start()
    for outage in range(1, 3):
        # As if it had been live for a long time, which resets the failures.
        camera.put(1)
        next(stream)
        stream._connection.failures = 0
        camera.put(None)
        wait_until(lambda: camera.opened == outage + 1)  # noqa: B023
    assert caplog.text.count("no more frames") == 2


def test_states_are_logged(camera_server, wait_until, caplog):
    caplog.set_level(logging.INFO, "absl")
    with open_source(camera_server.url, timeouts=SHORT) as stream:
        next(stream)
        camera_server.part = None
        name = camera_server.url
        # The line is written after the state has changed.
        line = f"{name}: no frames received; check its connection."
        wait_until(lambda: line in caplog.text)
        assert stream.state is not State.LIVE
    assert f"{name}: live." in caplog.text


def test_two_streams_at_once(camera_server):
    with open_source(camera_server.url) as one, open_source(camera_server.url) as two:
        assert colour(next(one)) == colour(next(two)) == "red"
