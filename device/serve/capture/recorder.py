"""Keeps frames of the camera as photos, while a button on the page is held."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from corallite.device.camera.connection_state import State
from corallite.device.loop.classify_frames import FRAME_FAILURES
from corallite.device.serve.capture.album import Album
from corallite.device.serve.capture.photo_file import (
    LastKept,
    begin_burst,
    encode_photo,
    name_photo,
)
from corallite.device.serve.live.camera import Camera, Snapshot
from corallite.device.system.errors import RequestError
from corallite.device.system.log_throttle import Failures

# How long one request records. A page repeats it sooner; if the page vanishes, the
# recording ends.
HELD_S = 1.0
_BETWEEN_PHOTOS_S = 0.2
_LOOK_S = 0.02
# A recording is forgotten after this; by then, no page asks for its counts.
_FORGET_S = 10.0
_MOST_RECORDINGS = 16
# The disk may hang: then the end of the thread is not awaited.
_END_LIMIT_S = 1.0


class Recorded(NamedTuple):
    """What a recording has done so far.

    Attributes:
        kept: Number of photos.
        same: Number of frames that were skipped, as they look like the last photo.
        problem: Why nothing is recorded, one sentence; "" if all is well.
        is_over: Whether it has ended.
    """

    kept: int = 0
    same: int = 0
    problem: str = ""
    is_over: bool = False


@dataclass
class _Recording:
    label: str
    begun_s: float
    burst: str = field(default_factory=begin_burst)
    last_kept: LastKept = field(default_factory=LastKept)
    held_until_s: float = 0.0
    next_s: float = 0.0
    kept: int = 0
    same: int = 0
    problem: str = ""
    is_over: bool = False
    newest: Snapshot | None = None


class Recorder:
    """Records for any number of pages at once, each into its class."""

    def __init__(
        self,
        camera: Camera,
        album: Album,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts its thread, which waits.

        Args:
            camera: Its newest frames are recorded.
            album: Where the photos go.
            clock: Returns the time, as `time.monotonic` does.
        """
        self._camera = camera
        self._album = album
        self._clock = clock
        self._recordings: dict[str, _Recording] = {}
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._failures = Failures()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends all recordings and the thread."""
        with self._changed:
            self._closing.set()
            self._changed.notify()
        self._thread.join(_END_LIMIT_S)

    def hold(self, label: str, key: str) -> Recorded:
        """Records for up to a second from now on; called repeatedly.

        Args:
            label: The class.
            key: Identifies the recording, as long as the button is held.

        Raises:
            RequestError: There is no such class, or there are too many recordings.
        """
        self._album.find(label)
        with self._changed:
            recording = self._recordings.get(key) or self._begin(label, key)
            # The request that ends the recording may arrive before this one.
            if not recording.is_over:
                recording.held_until_s = self._clock() + HELD_S
                self._changed.notify()
            return self._describe(recording)

    def release(self, key: str) -> Recorded:
        """Ends a recording."""
        with self._changed:
            recording = self._recordings.get(key)
            if recording is None:
                return Recorded(is_over=True)
            recording.is_over = True
            return self._describe(recording)

    def _begin(self, label: str, key: str) -> _Recording:
        now_s = self._clock()
        for old, recording in list(self._recordings.items()):
            is_full = len(self._recordings) >= _MOST_RECORDINGS
            is_over = recording.is_over and is_full
            if is_over or recording.held_until_s < now_s - _FORGET_S:
                del self._recordings[old]
        if len(self._recordings) >= _MOST_RECORDINGS:
            raise RequestError("Too many pages record at once; try again in a moment.")
        self._recordings[key] = _Recording(label, now_s)
        return self._recordings[key]

    def _describe(self, recording: _Recording) -> Recorded:
        problem, state = recording.problem, self._camera.status().state
        if not problem and state != State.LIVE.value:
            problem = f"The camera is {state or 'not ready'}, so nothing is recorded."
        return Recorded(recording.kept, recording.same, problem, recording.is_over)

    def _run(self) -> None:
        while not self._closing.is_set():
            with self._changed:
                self._changed.wait_for(self._find_held_or_closing)
                held = self._find_held()
            newest = self._camera.newest
            for recording in held:
                if newest is not None and newest.seen_s >= recording.begun_s:
                    self._record(recording, newest)
            self._closing.wait(_LOOK_S)

    def _find_held_or_closing(self) -> bool:
        return self._closing.is_set() or bool(self._find_held())

    def _find_held(self) -> list[_Recording]:
        now_s = self._clock()
        return [
            recording
            for recording in self._recordings.values()
            if not recording.is_over and now_s < recording.held_until_s
        ]

    def _record(self, recording: _Recording, snapshot: Snapshot) -> None:
        """Keeps a frame unless it comes too soon or looks like the last one."""
        now_s = self._clock()
        if now_s < recording.next_s or snapshot is recording.newest:
            return
        recording.next_s, recording.newest = now_s + _BETWEEN_PHOTOS_S, snapshot
        try:
            if recording.last_kept.is_new(snapshot.image_rgb_u8):
                self._keep(recording, snapshot)
                recording.kept += 1
            else:
                recording.same += 1
        except FRAME_FAILURES as error:
            problem = str(error) or type(error).__name__
            recording.problem, recording.is_over = problem, True
            self._failures.note(problem)

    def _keep(self, recording: _Recording, snapshot: Snapshot) -> None:
        name = name_photo(recording.burst, recording.kept + 1)
        content = encode_photo(snapshot.image_rgb_u8)
        self._album.change(recording.label, lambda into: into.add(name, content))
