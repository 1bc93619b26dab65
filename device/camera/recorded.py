"""Every frame of an image, a folder, a video or a pipe; none is dropped."""

import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from corallite.device.camera.frame import Frame, FrameStream
from corallite.device.image import preprocess
from corallite.device.image.jpeg_stream import JpegSplitter
from corallite.device.image.opencv import cv2
from corallite.device.system import files, log
from corallite.device.system.errors import RequestError

_TICK_S = 0.1


def image_frames(path: Path) -> Iterator[Frame]:
    """Yields an image file as a single frame."""
    image = preprocess.read_image(path)
    yield Frame(0, 0.0, image, path.name, time.monotonic())


def video_frames(capture: Any, path: Path) -> Iterator[Frame]:
    """Yields every frame of a video.

    Args:
        capture: A `cv2.VideoCapture` of the video.
        path: Names the frames, and the file in errors.

    Raises:
        RequestError: The video has no frames.
    """
    announced = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    number = 0
    while (frame_bgr := capture.read()[1]) is not None:
        captured_s = time.monotonic()
        # After a read, this is the time of the frame just read.
        time_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        image = preprocess.bgr_to_rgb(frame_bgr)
        yield Frame(number, time_s, image, path.name, captured_s)
        number += 1
    if not number:
        raise RequestError(f"{path}: has no frames; record or copy it again.")
    if number < announced:
        log.warning(
            "%s: ended after %d of %d frames; it may be truncated.",
            *(path, number, announced),
        )


def folder_frames(folder: Path, stream: FrameStream) -> Iterator[Frame]:
    """Yields the images of a folder and its sub-folders in the order of their names.

    Args:
        folder: Its hidden files are left out.
        stream: Counts the images that cannot be read; each of them is logged.

    Raises:
        RequestError: The folder has no readable image.
    """
    start_s = time.monotonic()
    number = 0

    def note_folder(error: OSError) -> None:
        reason = f"cannot be read ({error.strerror}); check its permissions."
        _note_skipped(stream, f"{error.filename}: {reason}")

    for path in files.walk(folder, set(), on_error=note_folder):
        if path.suffix.lower() not in preprocess.IMAGE_SUFFIXES:
            continue
        try:
            image = preprocess.read_image(path)
        except RequestError as error:
            _note_skipped(stream, str(error))
            continue
        name = path.relative_to(folder).as_posix()
        now_s = time.monotonic()
        yield Frame(number, now_s - start_s, image, name, now_s)
        number += 1
    if not number:
        raise RequestError(
            f"{folder}: has no readable image ({stream.skipped} skipped); give a "
            "folder with JPEG or PNG files."
        )


def stdin_frames(stream: FrameStream, is_over: Callable[[], bool]) -> Iterator[Frame]:
    """Yields all JPEG images from stdin, until its end.

    The program that writes them waits while the pipe is full.

    Args:
        stream: Counts the images that cannot be read; each of them is logged.
        is_over: Checked ten times a second; True ends the iteration.

    Raises:
        RequestError: stdin has no readable image.
    """
    start_s = time.monotonic()
    number = 0
    for jpeg in _piped_images(stream, is_over):
        captured_s = time.monotonic()
        try:
            image = preprocess.decode_image(jpeg, "stdin")
        except RequestError as error:
            _note_skipped(stream, str(error))
            continue
        yield Frame(number, captured_s - start_s, image, "stdin", captured_s)
        number += 1
    if not number and not is_over():
        raise RequestError(
            f"stdin: has no readable image ({stream.skipped} skipped); pipe JPEG files "
            "into it, as in: cat *.jpg | corallite classify --source=-"
        )


def _piped_images(stream: FrameStream, is_over: Callable[[], bool]) -> Iterator[bytes]:
    splitter = JpegSplitter()
    broken = 0
    for data in _chunks(_open_stdin(), stream, is_over):
        images = splitter.feed(data)
        stream.skipped += splitter.broken - broken
        broken = splitter.broken
        yield from images
    if splitter.is_inside_image and not is_over():
        _note_skipped(stream, "stdin: the last image is truncated.")


def _open_stdin() -> int:
    if sys.stdin is None or sys.stdin.isatty():
        raise RequestError(
            "stdin: is not a pipe; pipe JPEG files into it, as in: cat *.jpg | "
            "corallite classify --source=-"
        )
    return sys.stdin.fileno()


def _chunks(
    descriptor: int, stream: FrameStream, is_over: Callable[[], bool]
) -> Iterator[bytes]:
    """Yields bytes as they arrive; never blocks in a read, which signals cannot end."""
    while not is_over():
        stream.beat()
        if select.select([descriptor], [], [], _TICK_S)[0]:
            data = os.read(descriptor, 1 << 16)
            if not data:
                return
            yield data


def _note_skipped(stream: FrameStream, sentence: str) -> None:
    log.warning("Skipped: %s", sentence)
    stream.skipped += 1
