"""Writes a video of test images, and counts the frames that the device gets right."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from corallite.device.image.opencv import cv2
from corallite.device.system.errors import RequestError
from corallite.device.system.storage import atomic
from corallite.train.data.load import Split

_FRAME_SIZE = 240
_FRAMES_PER_IMAGE = 5
_FRAMES_PER_SECOND = 10


def choose_rows(split: Split, per_class: int) -> list[int]:
    """Returns the first rows of each class, classes in turn.

    Each class has the same number: `per_class`, or the size of the smallest class.
    """
    classes, counts = np.unique(split.labels, return_counts=True)
    count = min(per_class, *counts)
    rows = [np.flatnonzero(split.labels == label)[:count] for label in classes]
    return np.stack(rows, axis=1).ravel().tolist()


def write_video(path: Path, split: Split, rows: Sequence[int]) -> None:
    """Writes the images at `rows`, enlarged, half a second each.

    The format is MJPEG, which every build of OpenCV can write and read.

    Raises:
        RequestError: The video cannot be written.
    """
    with atomic.replacing(path) as partial:
        size_wh = (_FRAME_SIZE, _FRAME_SIZE)
        codec = cv2.VideoWriter.fourcc(*"MJPG")
        writer = cv2.VideoWriter(str(partial), codec, _FRAMES_PER_SECOND, size_wh)
        for row in rows:
            frame_bgr = cv2.cvtColor(split.images_rgb_u8[row], cv2.COLOR_RGB2BGR)
            frame_bgr = cv2.resize(frame_bgr, size_wh, interpolation=cv2.INTER_CUBIC)
            for _ in range(_FRAMES_PER_IMAGE):
                writer.write(frame_bgr)
        writer.release()
        # OpenCV does not report a full disk.
        written = cv2.VideoCapture(str(partial)).get(cv2.CAP_PROP_FRAME_COUNT)
        if written != _FRAMES_PER_IMAGE * len(rows):
            raise RequestError(
                f"{path} cannot be written; free some disk space and run again."
            )


def classify_video(model_path: Path, video_path: Path) -> list[dict]:
    """Runs `corallite classify` on a video; returns its JSON lines.

    Raises:
        RequestError: The program failed; its message went to stderr.
    """
    program = [sys.executable, "-m", "corallite.device.cli.classify_main", "--json"]
    flags = [f"--model={model_path}", f"--source={video_path}"]
    done = subprocess.run([*program, *flags], stdout=subprocess.PIPE)
    if done.returncode:
        raise RequestError(
            f"{video_path} could not be classified; fix the error above, remove the "
            "file and run again."
        )
    return [json.loads(line) for line in done.stdout.splitlines()]


def count_right(predictions: Sequence[dict], expected: Sequence[str]) -> int:
    """Returns how many frames were predicted right; one label per image is expected."""
    return sum(
        frame["top"][0]["label"] == expected[frame["frame"] // _FRAMES_PER_IMAGE]
        for frame in predictions
    )
