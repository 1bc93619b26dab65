"""What live sources have in common, and those that OpenCV opens itself."""

import abc
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from corallite.device.image.jpeg_stream import JpegSplitter
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Image, bgr_to_rgb, decode_image
from corallite.device.system.errors import RequestError

# After this long without a byte, FFmpeg and sockets give up by themselves.
NETWORK_TIMEOUT_S = 10


class Capture(abc.ABC):
    """An open live source. One thread uses it, but for `interrupt`.

    Attributes:
        name: What to call it.
        colour_order: "RGB" or "BGR": of what `retrieve` returns.
        passed: How many frames `grab` has passed over for a newer one.
        broken: How many it has passed over because they broke off.
    """

    colour_order = "RGB"

    def __init__(self, name: str) -> None:
        """Has passed over nothing yet."""
        self.name = name
        self.passed = 0
        self.broken = 0

    @abc.abstractmethod
    def grab(self) -> bool:
        """Waits for the next frame; returns False if there are no more.

        Raises:
            RequestError: There are no more, and this is why.
        """

    @abc.abstractmethod
    def retrieve(self) -> Image:
        """Decodes the frame that was grabbed; uint8 [height, width, 3].

        Raises:
            RequestError: It is damaged. The next one may not be.
        """

    @abc.abstractmethod
    def interrupt(self) -> None:
        """Makes a `grab` that waits return soon, if it can; for another thread."""

    @abc.abstractmethod
    def release(self) -> None:
        """Gives everything back."""


def retrieve_rgb(capture: Capture) -> Image:
    """Returns the frame that was grabbed, uint8 RGB [height, width, 3].

    Raises:
        RequestError: It is damaged.
    """
    image = capture.retrieve()
    if image.dtype != np.uint8 or image.shape[2:] != (3,) or not image.size:
        raise RequestError(
            f"{capture.name}: gave a frame of {image.dtype} {image.shape}, "
            "expected uint8 [height, width, 3]; set the camera to colour."
        )
    return bgr_to_rgb(image) if capture.colour_order == "BGR" else image


class OpenCVCapture(Capture):
    """A camera or a stream that OpenCV reads."""

    colour_order = "BGR"

    def __init__(self, capture: Any, name: str) -> None:
        """Takes over an opened `cv2.VideoCapture`."""
        super().__init__(name)
        self._capture = capture

    def grab(self) -> bool:
        """See `Capture`."""
        return self._capture.grab()

    def retrieve(self) -> Image:
        """See `Capture`."""
        retrieved, frame_bgr = self._capture.retrieve()
        if not retrieved:
            raise RequestError(f"{self.name}: gave a damaged frame; check its cable.")
        return frame_bgr

    def interrupt(self) -> None:
        """Does nothing: to release a capture that another thread reads, crashes."""

    def release(self) -> None:
        """See `Capture`."""
        self._capture.release()


class JpegCapture(Capture):
    """JPEG images one after the other, from wherever `receive` gets them.

    Of images that came together only the newest is decoded, so that a stream that is
    faster than the decoder does not queue up on its way here.
    """

    def __init__(self, name: str) -> None:
        """Starts between two images."""
        super().__init__(name)
        self._splitter = JpegSplitter()
        self._image = b""

    @abc.abstractmethod
    def receive(self) -> bytes:
        """Waits for bytes; returns all that are there, none at the end.

        Raises:
            RequestError: There are no more, and this is why.
        """

    def grab(self) -> bool:
        """See `Capture`."""
        while data := self.receive():
            broken_before = self._splitter.broken
            images = self._splitter.feed(data)
            broken = self._splitter.broken - broken_before
            if images or broken:
                self.passed += max(0, len(images) - 1)
                # The one that `retrieve` will complain of is counted by whom it tells.
                self.broken += broken if images else broken - 1
                self._image = images[-1] if images else b""
                return True
        return False

    def retrieve(self) -> Image:
        """See `Capture`."""
        if not self._image:
            raise RequestError(f"{self.name}: an image broke off; check its network.")
        return decode_image(self._image, self.name)


def open_camera(target: int | str) -> OpenCVCapture:
    """Opens a USB camera.

    Args:
        target: Its number N, for /dev/videoN, or the path of a device.

    Raises:
        RequestError: It is not there or in use.
    """
    name = f"camera {target}" if isinstance(target, int) else target
    capture = cv2.VideoCapture(target, cv2.CAP_V4L2)
    if not capture.isOpened():
        capture.release()
        raise RequestError(
            f"{name}: cannot be opened; check that it is connected and that no other "
            "program uses it."
        )
    # Where the driver heeds it, the next frame is not an old one.
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return OpenCVCapture(capture, name)


def open_stream(url: str) -> OpenCVCapture:
    """Opens the stream at a URL, of any kind that FFmpeg reads.

    Raises:
        RequestError: Nothing answers, or not with video.
    """
    name = without_secrets(url)
    timeout_ms = NETWORK_TIMEOUT_S * 1000
    settings = [
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms),
        # With more threads, the decoder holds one frame back for each.
        *(cv2.CAP_PROP_N_THREADS, 1),
    ]
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, settings)
    if not capture.isOpened():
        capture.release()
        raise RequestError(
            f"{name}: gives no video; check the address, the password and that the "
            "camera is on."
        )
    return OpenCVCapture(capture, name)


def without_secrets(url: str) -> str:
    """Returns a URL to show: without user, password and query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
