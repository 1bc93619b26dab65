"""A frame, and an iterator of frames that counts the frames it left out."""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from corallite.device.camera.connection_state import State, Status
from corallite.device.image.preprocess import Image, Preprocessing
from corallite.device.system.errors import RequestError

# A source that is silent for longer than this is considered hung.
_BEAT_LIMIT_S = 10.0


class SourceGivenUpError(RequestError):
    """A live source was given up; raised by its iterator, with the reason."""


class Fitted(NamedTuple):
    """A frame's image, fitted to the model's input.

    Attributes:
        pixels_u8: The result of `fit_image`.
        preprocessing: The settings that `fit_image` used.
        seconds: The time that it took.
    """

    pixels_u8: Image
    preprocessing: Preprocessing
    seconds: float


class Frame(NamedTuple):
    """One image of a source.

    Attributes:
        number: 0 for the first frame of the source. The numbers of a live source have
            gaps, where frames were dropped for newer ones.
        time_s: In a video, the frame's own time; else seconds since the source was
            opened.
        image_rgb_u8: uint8 RGB [height, width, 3].
        name: Path of the file, relative to the source if that is a folder; or the
            camera's name.
        captured_s: When the frame left the camera, the network or the file, on the
            clock of `time.monotonic`.
        dropped: How many frames of the source were dropped before this one.
        fitted: The image fitted to the model's input, if that was done in advance.
    """

    number: int
    time_s: float
    image_rgb_u8: Image
    name: str
    captured_s: float
    dropped: int = 0
    fitted: Fitted | None = None


class FrameStream(Iterator[Frame]):
    """The frames of an open source.

    Attributes:
        prepare: Called with a frame while the consumer is busy: in a file, while the
            frame before it is still waiting; from a camera, while the consumer does not
            wait. The stream yields the returned frame instead.
        is_live: Whether the frames have no end.
        skipped: Images that could not be read so far.
        dropped: Frames that were dropped for newer ones so far.
        opened: Attempts to open the source so far.
        on_wait: Called about every tenth of a second while `next` waits and the source
            still works; feeds a watchdog.
        last: The frame that `next` returned last; None before the first.
    """

    is_live = False

    def __init__(self) -> None:
        """Has no frames until `frames` is set."""
        self.prepare: Callable[[Frame], Frame] = lambda frame: frame
        self.skipped = 0
        self.dropped = 0
        self.opened = 1
        self.on_wait: Callable[[], None] = lambda: None
        self.last: Frame | None = None
        self.frames: Iterator[Frame] = iter(())
        self._beat_s = time.monotonic()

    @property
    def status(self) -> Status:
        """State and reason of the source; always LIVE if it is not a live source."""
        return Status()

    @property
    def state(self) -> State:
        """The state of the source."""
        return self.status.state

    def __next__(self) -> Frame:
        return self.remember(next(self.frames))

    def remember(self, frame: Frame) -> Frame:
        """Returns `frame`, which `next` is about to return."""
        self.last = frame
        return frame

    def beat(self) -> None:
        """Records that the source works; called by the thread that reads it."""
        self._beat_s = time.monotonic()

    def note_wait(self) -> None:
        """Records that `next` still waits; calls `on_wait` if the source works."""
        if time.monotonic() - self._beat_s < _BEAT_LIMIT_S:
            self.on_wait()
