"""Opens any source that a user can name: a camera, a stream, files, a pipe."""

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from corallite.device.camera import recorded
from corallite.device.camera.connection_state import Timeouts
from corallite.device.camera.frame import FrameStream
from corallite.device.camera.prefetch import prefetching
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import IMAGE_SUFFIXES
from corallite.device.system.errors import RequestError

if TYPE_CHECKING:
    from corallite.device.camera.capture import Capture

# FFmpeg renders text files, such as a list of labels, as a video with this codec.
_ANSI_ART = cv2.VideoWriter.fourcc(*"ansi")

# The major number of video devices (Linux, Documentation/admin-guide/devices.txt).
_VIDEO4LINUX = 81
_SCHEMES = ("http", "https", "rtsp", "rtsps")
# Digits of a camera's number; OpenCV does not take many more.
_MOST_DIGITS = 4
_WHAT_TO_GIVE = (
    "give a camera's number, csi, a URL, a video, an image, a folder, or - for stdin."
)


@contextlib.contextmanager
def open_source(
    source: str,
    stop: threading.Event | None = None,
    timeouts: Timeouts | None = None,
) -> Iterator[FrameStream]:
    """Opens a source of frames, and releases it after the block.

    Live sources give the newest frame, drop the others, and are reopened whenever they
    fail; see `LiveStream`. All other sources give every frame, and end.

    Args:
        source: Live: the number of a USB camera, as "0", or its path, as
            "/dev/video0"; "csi" or "csi:1" for a camera on the ribbon connector; an
            http, https, rtsp or rtsps URL.
            Or the path of a video, of an image, or of a folder. The images of a folder
            and of its sub-folders come in the order of their names, without hidden
            files. An image that cannot be read is logged, counted and skipped.
            Or "-" for JPEG images on stdin.
        stop: Ends the iteration when it is set.
        timeouts: Timeouts of a live source; default, those of `Timeouts`.

    Yields:
        The frames.

    Raises:
        RequestError: The name is empty, or the source is missing or cannot be opened.
            Later, from the iterator: a live source is given up, or a video, a folder or
            a pipe has no frames.
    """
    if not source:
        raise RequestError(f"--source is empty; {_WHAT_TO_GIVE}")
    stop = stop or threading.Event()
    live = _find_live(source)
    if live is not None:
        from corallite.device.camera.live import LiveStream

        name, open_capture = live
        stream = LiveStream(name, open_capture, timeouts or Timeouts(), stop)
        try:
            yield stream
        finally:
            stream.close()
    else:
        with _open_recorded(source, stop) as recorded_stream:
            yield recorded_stream


# The modules of live sources are imported late: they would slow down each start.


def _find_live(source: str) -> "tuple[str, Callable[[], Capture]] | None":
    """Returns the name of a live source and its opener; None if it is not live."""
    path = Path(source)
    is_number = source.isdecimal() and len(source) <= _MOST_DIGITS
    if is_number and not path.exists():
        return _find_camera(f"camera {source}", int(source))
    if path.is_char_device():
        if os.major(path.stat().st_rdev) != _VIDEO4LINUX:
            raise RequestError(
                f"{source}: is not a camera but another device; give a camera, such as "
                "/dev/video0."
            )
        return _find_camera(source, source)
    csi = re.fullmatch("csi(?::([0-9]))?", source)
    if csi and not path.exists():
        return _find_csi(int(csi[1] or 0))
    if "://" in source:
        return _find_url(source)
    return None


def _find_camera(name: str, target: int | str) -> "tuple[str, Callable[[], Capture]]":
    from corallite.device.camera.capture import open_camera

    return name, partial(open_camera, target)


def _find_csi(number: int) -> "tuple[str, Callable[[], Capture]]":
    from corallite.device.camera import csi

    csi.require_csi_support()
    return f"camera csi:{number}", partial(csi.open_csi, number)


def _find_url(url: str) -> "tuple[str, Callable[[], Capture]]":
    _check_url(url)
    from corallite.device.camera import capture, http_capture

    is_http = url.lower().startswith("http")
    opener = http_capture.open_http if is_http else capture.open_stream
    return capture.without_secrets(url), partial(opener, url)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or parts.scheme not in _SCHEMES:
        raise RequestError(
            f"{re.sub('//.*@', '//', url)}: is not a valid stream URL; write one of "
            f"{', '.join(_SCHEMES)}, then ://HOST:PORT/PATH."
        )


@contextlib.contextmanager
def _open_recorded(source: str, stop: threading.Event) -> Iterator[FrameStream]:
    path = Path(source)
    stream = FrameStream()
    closing = threading.Event()
    with contextlib.ExitStack() as stack:
        if source == "-":
            frames = recorded.stdin_frames(
                stream, lambda: stop.is_set() or closing.is_set()
            )
        elif path.is_dir():
            frames = recorded.folder_frames(path, stream)
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            stream.frames = recorded.image_frames(path)
            yield stream
            return
        else:
            _require_video_file(path)
            capture = stack.enter_context(_open_video(path))
            frames = recorded.video_frames(capture, path)
        prefetched = prefetching(
            frames,
            stream.note_wait,
            # A lambda, because the consumer sets `prepare` after this.
            lambda frame: stream.prepare(frame),
        )
        stream.frames = stack.enter_context(prefetched)
        stack.callback(closing.set)
        yield stream


@contextlib.contextmanager
def _open_video(path: Path) -> Iterator[Any]:
    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened() or capture.get(cv2.CAP_PROP_FOURCC) == _ANSI_ART:
            raise RequestError(
                f"{path}: is neither an image nor a video that OpenCV reads; convert "
                "it to JPEG or MP4."
            )
        yield capture
    finally:
        capture.release()


def _require_video_file(path: Path) -> None:
    if not path.exists():
        raise RequestError(f"{path}: no such file or folder; {_WHAT_TO_GIVE}")
    if not path.is_file():
        # OpenCV would wait for a writer and ignore all signals.
        raise RequestError(
            f"{path}: is a pipe or a device, not a video; to read JPEG images from a "
            f"pipe, write: --source=- < {path}"
        )
