"""Opens any source that a user can name: a camera, a stream, files, a pipe."""

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corallite.device.camera import recorded
from corallite.device.camera.connection_state import Timeouts
from corallite.device.camera.frame import Frame, FrameStream
from corallite.device.image.decoding_limits import check_frame_size
from corallite.device.image.opencv import cv2
from corallite.device.image.orientation import UNTURNED, Orientation
from corallite.device.image.preprocess import IMAGE_SUFFIXES
from corallite.device.system import log
from corallite.device.system.errors import RequestError
from corallite.device.system.url import may_be_url, parse_url, without_secrets

if TYPE_CHECKING:
    from corallite.device.camera.capture import Capture

# FFmpeg renders text files, such as a list of labels, as a video with this codec.
_ANSI_ART = cv2.VideoWriter.fourcc(*"ansi")

_SCHEMES = ("http", "https", "rtsp", "rtsps")
_URL_FORM = f"one of {', '.join(_SCHEMES)}, then ://USER:PASSWORD@HOST:PORT/PATH"
# Linux has 256 video devices (drivers/media/v4l2-core/v4l2-dev.c). A folder may have
# the number of a year.
_LAST_CAMERA = 255
# Below /dev, these are no devices that may be connected later.
_FILES_BELOW_DEV = ("/dev/shm/", "/dev/fd/", "/dev/std")
_WHAT_TO_GIVE = (
    "give a camera's number (0 to 255), csi, a URL, a video, an image, a folder, or - "
    "for stdin."
)


@contextlib.contextmanager
def open_source(
    source: str,
    stop: threading.Event | None = None,
    timeouts: Timeouts | None = None,
    orientation: Orientation = UNTURNED,
    snapshot_fps: float | None = None,
) -> Iterator[FrameStream]:
    """Opens a source of frames, and releases it after the block.

    Live sources give the newest frame, drop the others, and are reopened whenever they
    fail; see `LiveStream`. All other sources give every frame, and end.

    Args:
        source: Live: the number of a USB camera, 0 to 255, as "0", or its path below
            /dev, as "/dev/video0", which may be missing now; "csi" or "csi:1" for a
            camera on the ribbon connector; an http, https, rtsp or rtsps URL. A file
            or folder of the same name is written "./0".
            Or the path of a video, of an image, or of a folder. The images of a folder
            and of its sub-folders come in the order of their names, without hidden
            files. An image that cannot be read is logged, counted and skipped.
            Or "-" for JPEG images on stdin.
        stop: Ends the iteration when it is set.
        timeouts: Timeouts of a live source; default, those of `Timeouts`.
        orientation: How to turn each frame, whatever the source.
        snapshot_fps: How often to request a URL that gives one image, per second;
            default, `SNAPSHOT_FPS`. At least twice in the time after which the source
            would be stale.

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
    timeouts = timeouts or Timeouts()
    live = _find_live(source, snapshot_fps, timeouts)
    if live is not None:
        from corallite.device.camera.live import LiveStream

        name, open_capture = live
        stream = LiveStream(name, open_capture, timeouts, stop, orientation.apply)
        try:
            yield stream
        finally:
            stream.close()
    else:
        with _open_recorded(source, stop, orientation) as recorded_stream:
            yield recorded_stream


def name_source(source: str) -> str:
    """Returns how a source is shown: a URL without its secrets, else `source`."""
    return without_secrets(source) if _is_url(source) else source


# The modules of live sources are imported late: they would slow down each start.


def _find_live(
    source: str, snapshot_fps: float | None, timeouts: Timeouts
) -> "tuple[str, Callable[[], Capture]] | None":
    """Returns the name of a live source and its opener; None if it is not live."""
    csi_number = source.startswith("csi") and re.fullmatch("csi(?::([0-9]))?", source)
    is_number = re.fullmatch("[0-9]{1,3}", source) and int(source) <= _LAST_CAMERA
    if (csi_number or is_number) and os.path.exists(source):
        log.warning(
            "%s: is a camera; for the file or folder, write ./%s", source, source
        )
    if csi_number:
        return _find_csi(int(csi_number[1] or 0))
    if is_number:
        return _find_camera(f"camera {int(source)}", int(source))
    if _is_device(source):
        return _find_camera(source, source)
    return _find_url(source, snapshot_fps, timeouts) if _is_url(source) else None


def _is_device(source: str) -> bool:
    """Returns whether a path is that of a camera, which may be disconnected now."""
    if os.path.exists(source):
        return Path(source).is_char_device()
    # A link, such as /home/pi/door, may name a path below /dev.
    paths = [os.path.abspath(source), os.path.realpath(source)]
    return any(path.startswith("/dev/") for path in paths) and not any(
        path.startswith(_FILES_BELOW_DEV) for path in paths
    )


def _is_url(source: str) -> bool:
    return "://" in source or (may_be_url(source) and not os.path.exists(source))


def _find_camera(name: str, target: int | str) -> "tuple[str, Callable[[], Capture]]":
    from corallite.device.camera import capture

    if isinstance(target, str):
        capture.refuse_other_devices(target)
    return name, partial(capture.open_camera, target)


def _find_csi(number: int) -> "tuple[str, Callable[[], Capture]]":
    from corallite.device.camera import csi

    csi.require_csi_support()
    return f"camera csi:{number}", partial(csi.open_csi, number)


def _find_url(
    text: str, snapshot_fps: float | None, timeouts: Timeouts
) -> "tuple[str, Callable[[], Capture]]":
    url = parse_url(text, _SCHEMES, _URL_FORM)
    from corallite.device.camera import capture, http_capture

    if url.scheme.startswith("http"):
        fps = snapshot_fps or http_capture.SNAPSHOT_FPS
        fps = max(fps, 2 / timeouts.stale_after_s)
        return url.name, partial(http_capture.open_http, url, fps)
    return url.name, partial(capture.open_stream, url)


@contextlib.contextmanager
def _open_recorded(
    source: str, stop: threading.Event, orientation: Orientation
) -> Iterator[FrameStream]:
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
            frames = recorded.image_frames(path)
            stream.frames = _turn(frames, orientation)
            yield stream
            return
        else:
            _require_video_file(path)
            capture = stack.enter_context(_open_video(path))
            frames = recorded.video_frames(capture, path)
        # Imported late: the start with a single image needs no queues.
        from corallite.device.camera.prefetch import prefetching

        prefetched = prefetching(
            _turn(frames, orientation),
            stream.note_wait,
            # A lambda, because the consumer sets `prepare` after this.
            lambda frame: stream.prepare(frame),
        )
        stream.frames = stack.enter_context(prefetched)
        stack.callback(closing.set)
        yield stream


def _turn(frames: Iterator[Frame], orientation: Orientation) -> Iterator[Frame]:
    for frame in frames:
        yield frame._replace(image_rgb_u8=orientation.apply(frame.image_rgb_u8))


@contextlib.contextmanager
def _open_video(path: Path) -> Iterator[Any]:
    # Imported only for a file that is not an image: tarfile would delay every start.
    from corallite.device.system.archives import how_to_unpack

    hint = how_to_unpack(path)
    if hint:
        raise RequestError(f"{path}: is a file; {hint} and give that folder.")
    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened() or capture.get(cv2.CAP_PROP_FOURCC) == _ANSI_ART:
            raise RequestError(
                f"{path}: is neither an image nor a video that OpenCV reads; convert "
                "it to JPEG or MP4."
            )
        check_frame_size(capture, str(path))
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
