"""Keeps frames of which the model is not sure, to be named and taught."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from corallite.device.engine.base import Engine
from corallite.device.loop.classify_frames import FRAME_FAILURES, Result
from corallite.device.model.manifest import ClassesOutput
from corallite.device.serve.capture.disk import reporting_failure
from corallite.device.serve.capture.photo_file import (
    LastKept,
    begin_burst,
    encode_photo,
    name_photo,
)
from corallite.device.serve.capture.photo_folder import OWN_NAME, PhotoFolder
from corallite.device.serve.live.camera import Snapshot
from corallite.device.system.errors import RequestError
from corallite.device.system.log_throttle import Failures
from corallite.device.system.storage.atomic import remove_all_leftovers

MOST_PHOTOS = 200
MOST_BYTES = 200 * 10**6
_BETWEEN_PHOTOS_S = 10.0
# If a frame looks like one of the last photos, the next one is compared after this.
_BETWEEN_LOOKS_S = 1.0
# Probability above the threshold that still counts as uncertain.
_MARGIN = 0.1
# The disk may hang: then the end of the thread is not awaited.
_END_LIMIT_S = 1.0
# For a model without a threshold.
_USUAL_THRESHOLD = 0.5


class Uncertain:
    """Writes at most one photo in ten seconds; keeps at most 200, of 200 MB in all.

    Attributes:
        folder: Where they are. The oldest are deleted first, and only files with a name
            of `name_photo`.
    """

    def __init__(
        self,
        path: Path,
        engine: Engine,
        threshold: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Creates the folder if it is missing, and starts its thread.

        Args:
            path: The folder.
            engine: The engine of the thread that calls `offer`.
            threshold: The least probability of a label, 0 to 1, in place of that of the
                manifest.
            clock: Returns the time, as `time.monotonic` does.

        Raises:
            RequestError: The folder cannot be created.
        """
        self.folder = PhotoFolder(path)
        self._engine = engine
        self._threshold = threshold
        self._clock = clock
        self._next_s = clock()
        self._last_kept = LastKept(MOST_PHOTOS)
        self._failures = Failures()
        # A frame and its time, by the clock.
        self._offered: tuple[Snapshot, float] | None = None
        self._changed = threading.Condition()
        self._is_closing = False
        with reporting_failure(path, "used for uncertain frames"):
            path.mkdir(parents=True, exist_ok=True)
            remove_all_leftovers(path)
        self._thread = threading.Thread(target=self._run, name="uncertain", daemon=True)
        self._thread.start()

    def offer(self, snapshot: Snapshot) -> None:
        """Takes a frame if it is uncertain; returns at once."""
        now_s = self._clock()
        if now_s < self._next_s:
            return
        classes = self._engine.manifest.classes
        if is_uncertain(snapshot.result, classes, self._threshold):
            with self._changed:
                self._offered = snapshot, now_s
                self._changed.notify()

    def describe(self) -> dict[str, int | None]:
        """Returns how many photos wait, for the state; None if that is unknown."""
        try:
            return {"uncertain": len(self.folder.names())}
        except RequestError:
            return {"uncertain": None}

    def close(self) -> None:
        """Ends the thread."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join(_END_LIMIT_S)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._offered or self._is_closing)
                offered, self._offered = self._offered, None
            if self._is_closing or offered is None:
                return
            try:
                self._look_at(*offered)
            except FRAME_FAILURES as error:
                self._next_s = self._clock() + _BETWEEN_PHOTOS_S
                self._failures.note(str(error) or type(error).__name__)

    def _look_at(self, snapshot: Snapshot, seen_s: float) -> None:
        image = snapshot.image_rgb_u8
        if not self._last_kept.is_new(image):
            self._next_s = seen_s + _BETWEEN_LOOKS_S
            return
        self._next_s = seen_s + _BETWEEN_PHOTOS_S
        content = encode_photo(image)
        name = name_photo(begin_burst(), 1)
        self._make_room(name, len(content))
        self.folder.add(name, content)

    def _make_room(self, new: str, size: int) -> None:
        """Removes the oldest photos until there is room for one of `size` bytes."""
        with reporting_failure(self.folder.path, "cleared"):
            names = [x for x in self.folder.names() if OWN_NAME.fullmatch(x)]
            # The newest first. Names after the new one are from before the clock was
            # set back.
            names.sort(key=lambda x: (x <= new, x), reverse=True)
            sizes = [(self.folder.path / name).stat().st_size for name in names]
            total = size
            for number, (name, length) in enumerate(zip(names, sizes, strict=True)):
                total += length
                if number + 1 >= MOST_PHOTOS or total > MOST_BYTES:
                    (self.folder.path / name).unlink(missing_ok=True)


def is_uncertain(
    result: Result, classes: ClassesOutput, threshold: float | None = None
) -> bool:
    """Returns whether a model is not sure of a frame.

    The label is unknown, or its probability is less than 0.1 above the threshold. If
    there is no threshold: the probability is below 0.5.

    Args:
        result: The frame's result.
        classes: The output in the manifest, with its refusal.
        threshold: The least probability of a label, in place of that of the manifest.
    """
    if not result.top:
        return False
    first, refusal = result.top[0], classes.refusal
    # A frame that certainly shows none of the classes is not worth naming.
    is_background = refusal is not None and first.label == refusal.background
    if result.label != first.label and not is_background:
        return True
    if threshold is None and refusal is not None:
        threshold = refusal.threshold_of(first.label)
    if threshold is None:
        return first.probability < _USUAL_THRESHOLD
    # Near 1 the margin is smaller, or every frame would be uncertain.
    return first.probability < threshold + min(_MARGIN, (1 - threshold) / 2)
