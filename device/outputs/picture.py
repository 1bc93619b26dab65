"""Publishes a small picture when the label changes."""

import threading
import time
from collections.abc import Callable, Mapping

from corallite.device.camera.frame import FrameStream
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Image
from corallite.device.loop.classify_frames import Result
from corallite.device.outputs.topics import PICTURE
from corallite.device.system.log_throttle import Failures

_LONGER_SIDE = 320
_JPEG_QUALITY = 80
_BETWEEN_PICTURES_S = 10.0


class PictureFeed:
    """A `Feed` of TOPIC/picture: a JPEG of at most 320 pixels a side.

    It follows a change of the label, at most one in ten seconds.
    """

    def __init__(
        self,
        topic: str,
        frames: FrameStream,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Has no picture yet.

        Args:
            topic: That of the results.
            frames: Where the results' frames are from; which remember the last one.
            clock: Returns the time, as `time.monotonic` does.
        """
        self._topic = f"{topic}/{PICTURE}"
        self._frames = frames
        self._clock = clock
        self._shown: str | None = None
        self._next_s = float("-inf")
        self._guard = threading.Lock()
        self._image: Image | None = None
        self._failures = Failures()

    def put(self, result: Result) -> None:
        """Keeps the frame of a result whose label is new."""
        now_s, frame = self._clock(), self._frames.last
        if frame is None or result.label == self._shown or now_s < self._next_s:
            return
        self._shown, self._next_s = result.label, now_s + _BETWEEN_PICTURES_S
        with self._guard:
            self._image = frame.image_rgb_u8

    def take(self) -> Mapping[str, str | bytes]:
        """Returns the JPEG if there is a new one."""
        with self._guard:
            image, self._image = self._image, None
        if image is None:
            return {}
        try:
            return {self._topic: _encode(image)}
        except (cv2.error, MemoryError) as error:
            self._failures.note(f"No picture is published: {error}")
            return {}

    def close(self) -> None:
        """Has no last message."""


def _encode(image_rgb_u8: Image) -> bytes:
    height, width = image_rgb_u8.shape[:2]
    scale = min(1.0, _LONGER_SIDE / max(height, width))
    size_wh = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image_rgb_u8, size_wh, interpolation=cv2.INTER_AREA)
    image_bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    return cv2.imencode(".jpg", image_bgr, options)[1].tobytes()
