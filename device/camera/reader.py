"""The thread that reads the frames of a live source."""

import threading
import time
from collections.abc import Callable

from corallite.device.camera.capture import Capture, retrieve_rgb
from corallite.device.image.preprocess import Image
from corallite.device.system import log
from corallite.device.system.errors import RequestError
from corallite.device.system.log_throttle import is_power_of_two
from corallite.device.system.process.driver_thread import DriverThread

# Dropped frames are reported at least this often.
_REPORT_S = 0.1


class Reader(DriverThread):
    """Opens a source once, and reads it until it fails or `ask_to_stop` is called.

    Attributes:
        ended: Set when no more frames will come.
        failure: The reason, as a sentence.
    """

    def __init__(
        self,
        name: str,
        open_capture: Callable[[], Capture],
        should_decode: Callable[[float], bool],
        accept: Callable[["Reader", Image, float], None],
        count_dropped: Callable[["Reader", int, int], int],
    ) -> None:
        """Creates the thread; call `start`.

        Args:
            name: Name of the source.
            open_capture: Opens the source.
            should_decode: Takes the capture time of a frame, on the clock of
                `time.monotonic`; returns whether to decode the frame.
            accept: Takes each decoded frame: this reader, uint8 RGB [height, width,
                3], and the capture time.
            count_dropped: Takes this reader, how many frames were dropped for newer
                ones, and how many because they were broken; returns the total number
                of broken frames.
        """
        super().__init__(f"reader of {name}")
        self.ended = threading.Event()
        # This text stays if an unexpected exception ends the thread.
        self.failure = f"{name}: its reader failed; see the log above."
        self._source = name
        self._open_capture = open_capture
        self._should_decode = should_decode
        self._accept = accept
        self._count_dropped = count_dropped
        self._stopping = threading.Event()
        self._capture: Capture | None = None

    def ask_to_stop(self) -> None:
        """Asks the thread to end, and interrupts a waiting read where possible."""
        self._stopping.set()
        if self._capture is not None:
            self._capture.interrupt()

    def run(self) -> None:
        """Reads; see the class."""
        try:
            self._read()
            self.failure = f"{self._source}: no more frames; check its connection."
        except RequestError as error:
            self.failure = str(error)
        except OSError as error:
            self.failure = f"{self._source}: {error.strerror or error}."
        finally:
            self.ended.set()

    def _read(self) -> None:
        self._capture = capture = self._open_capture()
        try:
            self._read_frames(capture)
        finally:
            capture.release()

    def _read_frames(self, capture: Capture) -> None:
        undecoded, reported, reported_s = 0, (0, 0), time.monotonic()
        while not self._stopping.is_set() and capture.grab():
            if self._stopping.is_set():
                return  # The read hung, and another reader has replaced this one.
            captured_s = time.monotonic()
            is_decoded = self._should_decode(captured_s)
            undecoded += not is_decoded
            # Not for each undecoded frame: the callback takes a lock.
            if is_decoded or captured_s - reported_s >= _REPORT_S:
                counts = (capture.dropped + undecoded, capture.broken)
                self._count_dropped(
                    self, counts[0] - reported[0], counts[1] - reported[1]
                )
                reported, reported_s = counts, captured_s
            if is_decoded:
                self._decode(capture, captured_s)

    def _decode(self, capture: Capture, captured_s: float) -> None:
        try:
            image = retrieve_rgb(capture)
        except RequestError as error:
            skipped = self._count_dropped(self, 0, 1)
            if is_power_of_two(skipped):
                log.warning("Skipped image %d: %s", skipped, error)
            return
        self._accept(self, image, captured_s)
