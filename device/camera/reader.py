"""The thread that waits for a live source's frames."""

import contextlib
import threading
import time
from collections.abc import Callable

from corallite.device.camera.capture import Capture, retrieve_rgb
from corallite.device.image.preprocess import Image
from corallite.device.system import log
from corallite.device.system.driver_thread import DriverThread
from corallite.device.system.errors import RequestError
from corallite.device.system.log_throttle import is_power_of_two

# What was passed over is told at least so often.
_TELL_S = 0.1


class Reader(DriverThread):
    """Opens a source once, and reads it until that fails or nobody wants more.

    Attributes:
        ended: Set when there will be no more frames.
        failure: Why, as a sentence.
    """

    def __init__(
        self,
        name: str,
        open_capture: Callable[[], Capture],
        wants: Callable[[float], bool],
        accept: Callable[["Reader", Image, float], None],
        pass_over: Callable[["Reader", int, int], int],
    ) -> None:
        """Is not started yet.

        Args:
            name: What to call the source.
            open_capture: Opens it.
            wants: Takes the time on `time.monotonic`'s clock when a frame was captured;
                returns whether it is to be decoded.
            accept: Takes each that is: this reader, uint8 RGB [height, width, 3], and
                the time when it was captured.
            pass_over: Takes this reader, how many frames were passed over for newer
                ones, and how many because they were broken; returns how many were
                broken in all.
        """
        super().__init__(f"reader of {name}")
        self.ended = threading.Event()
        # Stands if an exception that nobody foresaw ends the thread.
        self.failure = f"{name}: its reader broke down, see above."
        self._source = name
        self._open_capture = open_capture
        self._wants = wants
        self._accept = accept
        self._pass_over = pass_over
        self._left = threading.Event()
        self._capture: Capture | None = None

    def leave(self) -> None:
        """Asks the thread to end, and wakes it if it can be woken."""
        self._left.set()
        if self._capture is not None:
            self._capture.interrupt()

    def run(self) -> None:
        """Reads; see the class."""
        try:
            self._read()
            self.failure = f"{self._source}: gave no more frames; check its connection."
        except RequestError as error:
            self.failure = str(error)
        except OSError as error:
            self.failure = f"{self._source}: {error.strerror or error}."
        finally:
            self.ended.set()

    def _read(self) -> None:
        self._capture = capture = self._open_capture()
        with contextlib.ExitStack() as stack:
            stack.callback(capture.release)
            unwanted, told, told_s = 0, (0, 0), time.monotonic()
            while not self._left.is_set() and capture.grab():
                if self._left.is_set():
                    return  # It hung; another one reads by now.
                captured_s = time.monotonic()
                is_wanted = self._wants(captured_s)
                unwanted += not is_wanted
                # Not of each that is unwanted: whoever is told takes a lock.
                if is_wanted or captured_s - told_s >= _TELL_S:
                    passed = (capture.passed + unwanted, capture.broken)
                    self._pass_over(self, passed[0] - told[0], passed[1] - told[1])
                    told, told_s = passed, captured_s
                if is_wanted:
                    self._hand_on(capture, captured_s)

    def _hand_on(self, capture: Capture, captured_s: float) -> None:
        try:
            image = retrieve_rgb(capture)
        except RequestError as error:
            skipped = self._pass_over(self, 0, 1)
            if is_power_of_two(skipped):
                log.warning("Skipped, the %dth: %s", skipped, error)
            return
        self._accept(self, image, captured_s)
