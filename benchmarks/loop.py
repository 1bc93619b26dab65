"""Compares the loop with its parts.

    python benchmarks/loop.py --model=model_int8.tflite --work_dir=runs/loop

The sources are a folder of JPEG photos, a video of them, and two network cameras. On
each source the parts run alone (capture with decoding, resizing, inference), then the
parts in plain sequence, then the whole loop with a JSON line per frame. The bound is
the speed of the slowest part, or of all cores at the processor time of the sequence if
that is lower; a part may use several cores itself, as FFmpeg does. The cost is the
processor time that the loop takes in addition to the sequence. Exit status 1 if a
source reaches less than --min_ratio of its bound, or the loop costs more than
--max_cost.

One camera sends --camera_fps. The other one, the flood, sends as fast as it is read:
its frames are decoded and then dropped for newer ones. The bound does not include that
work, so the flood has no influence on the exit status. Cameras have no cost.
"""

import contextlib
import itertools
import json
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from absl import flags
from made_photos import make_photos
from mjpeg_server import serving

from corallite.device.camera.capture import retrieve_rgb
from corallite.device.camera.http_capture import open_http
from corallite.device.camera.open_source import open_source
from corallite.device.cli import program
from corallite.device.engine.classifier import Classifier
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Image, bgr_to_rgb, fit_image, read_image
from corallite.device.loop import classify_frames, result_lines
from corallite.device.outputs.lines import Lines, Sinks
from corallite.device.system.url import parse_url

_MODEL = flags.DEFINE_string("model", None, "The .tflite file.", required=True)
_WORK_DIR = flags.DEFINE_string("work_dir", "runs/loop", "Folder for the photos.")
_FRAMES = flags.DEFINE_integer("frames", 200, "Frames per round.", lower_bound=10)
_ROUNDS = flags.DEFINE_integer(
    "rounds", 7, "Rounds; the median of their ratios counts.", lower_bound=1
)
_MIN_RATIO = flags.DEFINE_float(
    "min_ratio", 0.9, "Lowest ratio to the bound.", lower_bound=0.0
)
_MAX_COST = flags.DEFINE_float(
    "max_cost", 0.1, "Highest cost, relative to the parts' time.", lower_bound=0.0
)
_CAMERA_FPS = flags.DEFINE_float(
    "camera_fps", 30.0, "Frames per second of the first camera.", lower_bound=1.0
)

_PARTS = ("capture", "resize", "inference")
# Not timed: frames that were prefetched before the measurement began.
_FIRST_FRAMES = 5


@dataclass(frozen=True)
class _Source:
    """A source of the loop, and how to read its images without the loop."""

    name: str
    url: str
    capture: Callable[[], Iterator[Image]]
    is_live: bool = False
    is_judged: bool = True


def main(argv: Sequence[str]) -> int:
    """Measures all sources, and prints a table and JSON."""
    program.reject_arguments(argv)
    work_dir = Path(_WORK_DIR.value)
    photos, video = work_dir / "photos", work_dir / "video.avi"
    make_photos(photos, _FRAMES.value + _FIRST_FRAMES)
    _make_video(video, photos)
    jpegs = [path.read_bytes() for path in sorted(photos.rglob("*.jpg"))[:32]]
    classifier = Classifier(_MODEL.value)
    with serving(jpegs, _CAMERA_FPS.value) as camera, serving(jpegs) as flood:
        sources = [
            _Source("folder", str(photos), lambda: _read_folder(photos)),
            _Source("video", str(video), lambda: _read_video(video)),
            _Source("camera", camera, lambda: _read_http(camera), is_live=True),
            _Source(
                "flood",
                *(flood, lambda: _read_http(flood)),
                is_live=True,
                is_judged=False,
            ),
        ]
        rows = [_measure(source, classifier) for source in sources]
    _print_table(rows)
    print(json.dumps(rows))
    is_fast = all(
        row["ratio"] >= _MIN_RATIO.value and row["cost"] <= _MAX_COST.value
        for row, source in zip(rows, sources, strict=True)
        if source.is_judged
    )
    return program.EXIT_DONE if is_fast else program.EXIT_CHECK_FAILED


def _print_table(rows: list[dict[str, Any]]) -> None:
    print(
        f"{'source':<8}{'capture':>10}{'resize':>10}{'inference':>11}{'bound':>10}"
        f"{'loop':>10}{'ratio':>8}{'cost':>8}"
    )
    for row in rows:
        print(
            f"{row['source']:<8}{row['capture_ms']:>7.2f} ms{row['resize_ms']:>7.2f} ms"
            f"{row['inference_ms']:>8.2f} ms{row['bound_fps']:>8.1f}/s"
            f"{row['loop_fps']:>8.1f}/s{row['ratio']:>8.3f}{row['cost']:>8.1%}"
        )


def _measure(source: _Source, classifier: Classifier) -> dict[str, Any]:
    rounds = []
    _run_loop(classifier, source.url)  # Reads the files into the system's cache.
    for _ in range(_ROUNDS.value):
        row = _time_parts(classifier, source.capture)
        row["loop_s"], row["loop_cpu_s"] = _run_loop(classifier, source.url)
        row["bound_s"] = _bound_s(row)
        row["ratio"] = row["bound_s"] / row["loop_s"]
        row["cost"] = 0.0
        if not source.is_live:
            row["cost"] = row["loop_cpu_s"] / row["plain_cpu_s"] - 1
        rounds.append(row)
    medians = {key: statistics.median(row[key] for row in rounds) for key in rounds[0]}
    return {
        "source": source.name,
        **{f"{part}_ms": round(medians[f"{part}_s"] * 1000, 3) for part in _PARTS},
        "bound_fps": round(1 / medians["bound_s"], 1),
        "loop_fps": round(1 / medians["loop_s"], 1),
        "ratio": round(medians["ratio"], 4),
        "ratios": [round(row["ratio"], 3) for row in rounds],
        "cost": round(medians["cost"], 4),
        "costs": [round(row["cost"], 3) for row in rounds],
    }


def _bound_s(row: dict[str, float]) -> float:
    """Returns the least seconds per frame: of the slowest part, or of all cores."""
    cores = len(os.sched_getaffinity(0))
    parts_s = [row[f"{part}_s"] for part in _PARTS]
    return max(*parts_s, row["plain_cpu_s"] / cores)


def _time_parts(
    classifier: Classifier, capture: Callable[[], Iterator[Image]]
) -> dict[str, float]:
    """Returns seconds per frame of each part, and of the parts in sequence."""
    count = _FRAMES.value
    with contextlib.closing(capture()) as images:
        kept = list(itertools.islice(images, 16))
        capture_s, _ = _time(lambda: sum(1 for _ in itertools.islice(images, count)))
    frames = list(itertools.islice(itertools.cycle(kept), count))
    preprocessing = classifier.preprocessing
    resize_s, _ = _time(lambda: [fit_image(f, preprocessing) is f for f in frames])
    pixels = [fit_image(frame, preprocessing) for frame in kept]
    inputs = list(itertools.islice(itertools.cycle(pixels), count))
    inference_s, _ = _time(lambda: [classifier.run(p).size for p in inputs])
    plain_cpu_s = _run_in_sequence(classifier, capture)
    return {
        "capture_s": capture_s / max(1, count),
        "resize_s": resize_s / count,
        "inference_s": inference_s / count,
        "plain_cpu_s": plain_cpu_s,
    }


def _run_in_sequence(
    classifier: Classifier, capture: Callable[[], Iterator[Image]]
) -> float:
    """Returns processor seconds per frame of the parts in sequence."""
    with contextlib.closing(capture()) as images:

        def run(count: int) -> None:
            for image in itertools.islice(images, count):
                classifier.run(fit_image(image, classifier.preprocessing))

        run(_FIRST_FRAMES)
        _, cpu_s = _time(lambda: run(_FRAMES.value))
    return cpu_s / _FRAMES.value


def _run_loop(classifier: Classifier, source: str) -> tuple[float, float]:
    """Returns seconds and processor seconds per frame of the whole loop."""
    stop = threading.Event()
    with open(os.devnull, "wb") as file, open_source(source, stop) as frames:
        sinks = Sinks([Lines(file.fileno(), result_lines.to_json_line)])
        results = classify_frames.classify_frames(frames, classifier, stop, 3)

        def run(count: int) -> None:
            for result in itertools.islice(results, count):
                sinks.put(result)

        run(_FIRST_FRAMES)
        seconds, cpu_s = _time(lambda: run(_FRAMES.value))
        results.close()
    return seconds / _FRAMES.value, cpu_s / _FRAMES.value


def _time(work: Callable[[], object]) -> tuple[float, float]:
    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start_s, time.process_time() - start_cpu_s


def _read_folder(folder: Path) -> Iterator[Image]:
    for path in itertools.cycle(sorted(folder.rglob("*.jpg"))):
        yield read_image(path)


def _read_video(path: Path) -> Iterator[Image]:
    while True:
        capture = cv2.VideoCapture(str(path))
        try:
            while (read := capture.read())[0]:
                yield bgr_to_rgb(read[1])
        finally:
            capture.release()


def _read_http(url: str) -> Iterator[Image]:
    capture = open_http(parse_url(url))
    try:
        while capture.grab():
            yield retrieve_rgb(capture)
    finally:
        capture.release()


def _make_video(path: Path, photos: Path) -> None:
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), codec, 30, (640, 480))
    for photo in sorted(photos.rglob("*.jpg")):
        writer.write(read_image(photo)[..., ::-1])
    writer.release()


if __name__ == "__main__":
    program.run(main)
