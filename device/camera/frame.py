"""A frame, and an iterator of frames that counts what it could not give."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from corallite.device.camera.connection_state import State
from corallite.device.image.preprocess import Image, Preprocessing
from corallite.device.system.errors import RequestError

# Without a sign of life for so long, what brings the frames is taken to hang.
_BEAT_LIMIT_S = 10.0


class SourceGivenUpError(RequestError):
    """A live source is given up; raised by its iterator, with the reason."""


@dataclass(frozen=True)
class Fitted:
    """A frame's image as a model wants it.

    Attributes:
        pixels_u8: What `fit_image` gave.
        preprocessing: What it was given.
        seconds: How long it took.
    """

    pixels_u8: Image
    preprocessing: Preprocessing
    seconds: float


@dataclass(frozen=True)
class Frame:
    """One image of a source.

    Attributes:
        number: 0 for the first that the source gave. A live source's numbers have
            gaps: those frames were dropped for newer ones.
        time_s: A video's own time of the frame; else seconds since the source was
            opened.
        image_rgb_u8: uint8 RGB [height, width, 3].
        name: The file's, below the folder if the source is one; or the camera's.
        captured_s: When it came out of the camera, the network or the file, on
            `time.monotonic`'s clock, which no change of the date moves.
        dropped: How many frames of its source were dropped before it.
        fitted: What was made of it ahead of its turn, if anything was.
    """

    number: int
    time_s: float
    image_rgb_u8: Image
    name: str
    captured_s: float = field(default_factory=time.monotonic)
    dropped: int = 0
    fitted: Fitted | None = None


class FrameStream(Iterator[Frame]):
    """The frames of an open source.

    Attributes:
        prepare: Given a frame while whoever iterates is busy: of a file while another
            one waits to be asked for, of a camera if nobody waits. It returns what
            comes in its place.
        skipped: How many images could not be read so far.
        dropped: How many were dropped so far because a newer one came.
        opened: How many times the source was opened, or was tried to be.
        on_wait: Called about every tenth of a second while `next` waits for a frame
            and whatever brings it still works, for a watchdog.
    """

    def __init__(self) -> None:
        """Has no frames until `frames` is given some."""
        self.prepare: Callable[[Frame], Frame] = _leave
        self.skipped = 0
        self.dropped = 0
        self.opened = 1
        self.on_wait: Callable[[], None] = _do_nothing
        self.frames: Iterator[Frame] = iter(())
        self._beat_s = time.monotonic()

    @property
    def state(self) -> State:
        """The source's state; of one that waits for us, always live."""
        return State.LIVE

    def __next__(self) -> Frame:
        return next(self.frames)

    def beat(self) -> None:
        """Tells that what brings the frames works; for its own thread."""
        self._beat_s = time.monotonic()

    def note_wait(self) -> None:
        """Tells that `next` still waits, which is fine as long as there are beats."""
        if time.monotonic() - self._beat_s < _BEAT_LIMIT_S:
            self.on_wait()


def _leave(frame: Frame) -> Frame:
    return frame


def _do_nothing() -> None:
    """Nobody watches."""
