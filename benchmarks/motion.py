"""Measures what --motion saves on made videos.

    python benchmarks/motion.py --model=model_int8.tflite --work_dir=runs/motion

The videos have 640x480 pixels, 300 frames and ten frames a second: a still scene; the
same with the noise of a camera at night (standard deviation 12 of 255); that noise and
an object that crosses the picture in 3 of each 10 seconds; and an object that never
stops. The loop runs on each with and without --motion, in turns. Prints the processor
time of a frame, decoding included, and how many frames were classified.
"""

import itertools
import os
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from absl import flags

from corallite.device.camera.open_source import open_source
from corallite.device.cli import program
from corallite.device.engine.classifier import Classifier
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Image
from corallite.device.loop import classify_frames, result_lines
from corallite.device.loop.motion import MotionGate
from corallite.device.outputs.lines import Lines, Sinks

_MODEL = flags.DEFINE_string("model", None, "The .tflite file.", required=True)
_WORK_DIR = flags.DEFINE_string("work_dir", "runs/motion", "Folder for the videos.")
_ROUNDS = flags.DEFINE_integer(
    "rounds", 3, "Runs of each; their median counts.", lower_bound=1
)

_FRAMES, _FPS, _SIZE_WH = 300, 10, (640, 480)
_OBJECT = 96
# Standard deviation of the noise, and in how many of ten seconds an object moves.
_VIDEOS = {
    "still": (0.0, 0),
    "still, noise": (12.0, 0),
    "moves in 3 of 10 s, noise": (12.0, 3),
    "always moves": (0.0, 10),
}


def main(argv: Sequence[str]) -> None:
    """Measures all videos, and prints a table."""
    program.reject_arguments(argv)
    classifier, folder = Classifier(_MODEL.value), Path(_WORK_DIR.value)
    folder.mkdir(parents=True, exist_ok=True)
    print("| video | without | with --motion | ratio | frames classified |")
    print("| :---- | ------: | ------------: | ----: | ----------------: |")
    for name, (sigma, seconds) in _VIDEOS.items():
        path = folder / f"{name.replace(' ', '_').replace(',', '')}.avi"
        if not path.exists():
            _write_video(path, sigma, seconds)
        print(_measure(name, path, classifier), flush=True)


def _measure(name: str, path: Path, classifier: Classifier) -> str:
    runs = [
        (_run(path, classifier, None), _run(path, classifier, MotionGate()))
        for _ in range(_ROUNDS.value)
    ]
    without_ms = statistics.median(without[0] for without, _ in runs)
    gated_ms = statistics.median(gated[0] for _, gated in runs)
    ratio = statistics.median(gated[0] / without[0] for without, gated in runs)
    return (
        f"| {name} | {without_ms:.2f} ms | {gated_ms:.2f} ms | {ratio:.2f} "
        f"| {runs[0][1][1]} of {_FRAMES} |"
    )


def _run(
    path: Path, classifier: Classifier, gate: MotionGate | None
) -> tuple[float, int]:
    """Returns processor milliseconds a frame, and the number of inferences."""
    stop, classified = threading.Event(), 0
    start_s = time.process_time()
    with open(os.devnull, "wb") as file, open_source(str(path), stop) as frames:
        sinks = Sinks([Lines(file.fileno(), result_lines.to_json_line)])
        for result in classify_frames.classify_frames(
            frames, classifier, stop, 3, gate=gate
        ):
            sinks.put(result)
            classified += not result.repeated
    return (time.process_time() - start_s) * 1000 / _FRAMES, classified


def _write_video(path: Path, sigma: float, moving_s: int) -> None:
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), codec, _FPS, _SIZE_WH)
    for image in itertools.islice(_draw(sigma, moving_s), _FRAMES):
        writer.write(image)
    writer.release()


def _draw(sigma: float, moving_s: int) -> Iterator[Image]:
    """Yields frames, uint8 BGR; the object rests where it is until it moves again."""
    rng = np.random.default_rng(0)
    colours = rng.integers(20, 236, (6, 8, 3), np.uint8)
    scene = cv2.resize(colours, _SIZE_WH, interpolation=cv2.INTER_CUBIC)
    left = 0
    for number in itertools.count():
        image = scene.copy()
        if moving_s:
            if number % (10 * _FPS) < moving_s * _FPS:
                left = (left + 8) % (_SIZE_WH[0] - _OBJECT)
            image[200 : 200 + _OBJECT, left : left + _OBJECT] = 230
        noise = rng.normal(0, sigma, image.shape) if sigma else 0
        yield np.clip(image + noise, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    program.run(main)
