"""The interface of an open live source, and the captures that OpenCV opens itself."""

import abc
import os
import stat
from typing import Any

import numpy as np

from corallite.device.image.decoding_limits import check_frame_size
from corallite.device.image.jpeg_stream import JpegSplitter
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Image, bgr_to_rgb, decode_image
from corallite.device.system.errors import RequestError
from corallite.device.system.url import Url

# FFmpeg and sockets stop waiting after this time without a byte.
NETWORK_TIMEOUT_S = 10
# Largest image of a camera: up to three are in memory, one of them half received.
MOST_IMAGE_BYTES = 2**24
# The major number of video devices (Linux, Documentation/admin-guide/devices.txt).
_VIDEO4LINUX = 81


class Capture(abc.ABC):
    """An open live source. Only one thread uses it, except for `interrupt`.

    Attributes:
        name: Shown in messages.
        colour_order: "RGB" or "BGR", of the image that `retrieve` returns.
        dropped: Frames that `grab` skipped because a newer one was there.
        broken: Frames that `grab` skipped because they were incomplete.
    """

    colour_order = "RGB"

    def __init__(self, name: str) -> None:
        """Starts both counters at 0."""
        self.name = name
        self.dropped = 0
        self.broken = 0

    @abc.abstractmethod
    def grab(self) -> bool:
        """Waits for the next frame; returns False if there are no more.

        Raises:
            RequestError: There are no more frames, with the reason.
        """

    @abc.abstractmethod
    def retrieve(self) -> Image:
        """Decodes the grabbed frame; uint8 [height, width, 3].

        Raises:
            RequestError: The frame is damaged. The next one may be good.
        """

    def interrupt(self) -> None:  # noqa: B027 - most captures need no other.
        """Ends a waiting `grab` soon, where possible; called by another thread.

        By default it does nothing: OpenCV crashes if a capture is released while
        another thread reads it, and picamera2 has its own timeout.
        """

    @abc.abstractmethod
    def release(self) -> None:
        """Releases the device, the connection or the process."""


def retrieve_rgb(capture: Capture) -> Image:
    """Returns the grabbed frame, uint8 RGB [height, width, 3].

    Raises:
        RequestError: The frame is damaged.
    """
    image = capture.retrieve()
    if image.dtype != np.uint8 or image.shape[2:] != (3,) or not image.size:
        raise RequestError(
            f"{capture.name}: sent a frame of {image.dtype} {image.shape}, "
            "expected uint8 [height, width, 3]; set the camera to colour."
        )
    return bgr_to_rgb(image) if capture.colour_order == "BGR" else image


class OpenCVCapture(Capture):
    """A camera or a stream that OpenCV reads."""

    colour_order = "BGR"

    def __init__(self, capture: Any, name: str) -> None:
        """Takes ownership of an opened `cv2.VideoCapture`."""
        super().__init__(name)
        self._capture = capture

    def grab(self) -> bool:
        """See `Capture`."""
        return self._capture.grab()

    def retrieve(self) -> Image:
        """See `Capture`."""
        retrieved, frame_bgr = self._capture.retrieve()
        if not retrieved:
            raise RequestError(f"{self.name}: sent a damaged frame; check its cable.")
        return frame_bgr

    def release(self) -> None:
        """See `Capture`."""
        self._capture.release()


class JpegCapture(Capture):
    """A sequence of JPEG images, from the bytes that `receive` returns.

    If several images arrive together, only the newest is decoded. So frames do not
    queue up when the stream is faster than the decoder.
    """

    def __init__(self, name: str) -> None:
        """Starts between two images."""
        super().__init__(name)
        self._splitter = JpegSplitter(MOST_IMAGE_BYTES)
        self._image = b""

    @abc.abstractmethod
    def receive(self) -> bytes:
        """Waits for bytes; returns all that are available, b"" at the end.

        Raises:
            RequestError: There are no more bytes, with the reason.
        """

    def grab(self) -> bool:
        """See `Capture`."""
        self._image = b""  # Not kept while the next one arrives.
        while data := self.receive():
            broken_before = self._splitter.broken
            images = self._splitter.feed(data)
            broken = self._splitter.broken - broken_before
            if images or broken:
                self.dropped += max(0, len(images) - 1)
                # Without an image, `retrieve` raises, and its caller counts that one.
                self.broken += broken if images else broken - 1
                self._image = images[-1] if images else b""
                return True
        return False

    def retrieve(self) -> Image:
        """See `Capture`."""
        if not self._image:
            raise RequestError(
                f"{self.name}: sent an incomplete image; check its network."
            )
        return decode_image(self._image, self.name)


def open_camera(target: int | str) -> OpenCVCapture:
    """Opens a USB camera.

    Args:
        target: The number N of /dev/videoN, or the path of a device.

    Raises:
        RequestError: The camera is missing or in use, or is another device.
    """
    name = f"camera {target}" if isinstance(target, int) else target
    if isinstance(target, str):
        refuse_other_devices(target)
    capture = cv2.VideoCapture(target, cv2.CAP_V4L2)
    if not capture.isOpened():
        capture.release()
        raise RequestError(
            f"{name}: cannot be opened; check that it is connected and that no other "
            "program uses it."
        )
    # If the driver supports it, the next frame is not an old one.
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return OpenCVCapture(capture, name)


def refuse_other_devices(path: str) -> None:
    """Raises `RequestError` if there is something else than a camera at a path.

    A camera that is not connected, and so has no path, is not refused.
    """
    try:
        status = os.stat(path)
    except OSError:
        return
    is_device = stat.S_ISCHR(status.st_mode)
    if not is_device or os.major(status.st_rdev) != _VIDEO4LINUX:
        raise RequestError(
            f"{path}: is not a camera but another device or file; give a camera, such "
            "as /dev/video0."
        )


def open_stream(url: Url) -> OpenCVCapture:
    """Opens the stream at a URL, in any format that FFmpeg reads.

    Raises:
        RequestError: The server does not answer, or does not send video.
    """
    name = url.name
    timeout_ms = NETWORK_TIMEOUT_S * 1000
    settings = [
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms),
        # The decoder delays its output by one frame per extra thread.
        *(cv2.CAP_PROP_N_THREADS, 1),
    ]
    capture = cv2.VideoCapture(url.text, cv2.CAP_FFMPEG, settings)
    if not capture.isOpened():
        capture.release()
        raise RequestError(
            f"{name}: no video received; check the address, the password and that the "
            "camera is on."
        )
    check_frame_size(capture, name)
    return OpenCVCapture(capture, name)
