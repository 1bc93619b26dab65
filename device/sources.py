"""Frames of a camera, a video, an image or a folder of images, all alike."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from absl import logging

from corallite.device.errors import RequestError
from corallite.device.opencv import cv2
from corallite.device.preprocess import (
    IMAGE_SUFFIXES,
    Image,
    bgr_to_rgb,
    read_image,
)

# FFmpeg draws text files, such as a list of labels, and gives that as a video.
_ANSI_ART = cv2.VideoWriter.fourcc(*"ansi")


@dataclass(frozen=True)
class Frame:
    """One image of a source.

    Attributes:
        number: 0 for the first that the source gave.
        time_s: A video's own time of the frame; else seconds since the source was
            opened.
        image_rgb_u8: uint8 RGB [height, width, 3].
        name: The file's, below the folder if the source is one; or the camera's.
    """

    number: int
    time_s: float
    image_rgb_u8: Image
    name: str


class FrameStream(Iterator[Frame]):
    """The frames of an open source.

    Attributes:
        skipped: How many images could not be read so far.
    """

    def __init__(self) -> None:
        """Has no frames until `open_source` gives it some."""
        self.skipped = 0
        self.frames: Iterator[Frame] = iter(())

    def __next__(self) -> Frame:
        return next(self.frames)


@contextlib.contextmanager
def open_source(source: str) -> Iterator[FrameStream]:
    """Opens a source of frames, and releases it after the block.

    Args:
        source: The number of a camera, as "0", or the path of a video, of an image,
            or of a folder, whose images are taken in the order of their names, its
            sub-folders' too. In a folder, hidden files are left out, and an image
            that cannot be read is logged, counted and skipped.

    Yields:
        The frames, each read when it is asked for.

    Raises:
        RequestError: Nothing is there, or it cannot be opened; or later, from the
            iterator: a camera gives no more frames, a video or a folder gave none.
    """
    path = Path(source)
    stream = FrameStream()
    with contextlib.ExitStack() as stack:
        if source.isdecimal() and not path.exists():
            capture = stack.enter_context(_capturing(int(source), f"camera {source}"))
            # Where the driver heeds it, the next frame is not an old one.
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
            stream.frames = _camera_frames(capture, f"camera {source}")
        elif path.is_dir():
            stream.frames = _folder_frames(path, stream)
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            stream.frames = iter([Frame(0, 0.0, read_image(path), path.name)])
        else:
            _require_file(path)
            capture = stack.enter_context(_capturing(source, source))
            stream.frames = _video_frames(capture, path)
        yield stream


@contextlib.contextmanager
def _capturing(target: int | str, name: str) -> Iterator[Any]:
    capture = cv2.VideoCapture(target)
    try:
        if not capture.isOpened() or capture.get(cv2.CAP_PROP_FOURCC) == _ANSI_ART:
            raise RequestError(
                f"{name}: cannot be opened; check that it is connected and that no "
                "other program uses it."
                if isinstance(target, int)
                else f"{name}: is neither an image nor a video that OpenCV reads; "
                "convert it to JPEG or MP4."
            )
        yield capture
    finally:
        capture.release()


def _camera_frames(capture: Any, name: str) -> Iterator[Frame]:
    start_s = time.monotonic()
    number = 0
    while (frame_bgr := _read(capture)) is not None:
        yield Frame(number, time.monotonic() - start_s, bgr_to_rgb(frame_bgr), name)
        number += 1
    raise RequestError(
        f"{name}: gave no more frames after {number}; check its cable and start again."
    )


def _video_frames(capture: Any, path: Path) -> Iterator[Frame]:
    announced = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    number = 0
    while (frame_bgr := _read(capture)) is not None:
        # After a read, this is the time of the frame that was read.
        time_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        yield Frame(number, time_s, bgr_to_rgb(frame_bgr), path.name)
        number += 1
    if not number:
        raise RequestError(f"{path}: has no frames; record or copy it again.")
    if number < announced:
        logging.warning(
            "%s: ended after %d of %d frames; it may be cut short.",
            path,
            number,
            announced,
        )


def _folder_frames(folder: Path, stream: FrameStream) -> Iterator[Frame]:
    start_s = time.monotonic()
    number = 0
    for path in _walk_images(folder, set()):
        try:
            image = read_image(path)
        except RequestError as error:
            logging.warning("Skipped: %s", error)
            stream.skipped += 1
            continue
        name = path.relative_to(folder).as_posix()
        yield Frame(number, time.monotonic() - start_s, image, name)
        number += 1
    if not number:
        raise RequestError(
            f"{folder}: has no image that can be read ({stream.skipped} skipped); give "
            "a folder with JPEG or PNG files."
        )


def _walk_images(folder: Path, visited: set[str]) -> Iterator[Path]:
    """Yields image paths below `folder`; a link that leads back is not followed."""
    real_path = os.path.realpath(folder)
    if real_path in visited:
        return
    visited.add(real_path)
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk_images(entry, visited)
        elif entry.suffix.lower() in IMAGE_SUFFIXES:
            yield entry


def _require_file(path: Path) -> None:
    if not path.exists():
        raise RequestError(
            f"{path}: no such file or folder; give a camera's number, a video, an "
            "image or a folder."
        )


def _read(capture: Any) -> Image | None:
    grabbed, frame_bgr = capture.read()
    return frame_bgr if grabbed else None
