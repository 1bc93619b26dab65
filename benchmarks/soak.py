"""Soak test: runs the loop over many frames at full speed, and looks for leaks.

    python benchmarks/soak.py --model=model_int8.tflite --frames=200000

It starts `corallite classify` on JPEG images from stdin, or from a network camera that
sends as fast as it can, and reads the results. It compares memory, file descriptors and
threads after --settled results with those at the end. Exit status 1 if memory differs
by more than --max_growth, descriptors or threads differ at all, or a result is missing.
"""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from absl import flags
from mjpeg_server import serving

from corallite.device.cli import program
from corallite.device.image.opencv import cv2

_MODEL = flags.DEFINE_string("model", None, "The .tflite file.", required=True)
_SOURCE = flags.DEFINE_enum("source", "stdin", ("stdin", "http"), "Source of images.")
_FRAMES = flags.DEFINE_integer("frames", 200_000, "Results in all.", lower_bound=2)
_SETTLED = flags.DEFINE_integer(
    "settled", 10_000, "Results after which memory is steady.", lower_bound=1
)
_MAX_GROWTH = flags.DEFINE_float(
    "max_growth", 0.02, "Largest relative change of memory.", lower_bound=0.0
)


def main(argv: Sequence[str]) -> int:
    """Runs the loop, and prints its resources as JSON."""
    program.reject_arguments(argv)
    jpegs = _make_jpegs()
    with contextlib.ExitStack() as stack:
        source = (
            "-" if _SOURCE.value == "stdin" else stack.enter_context(serving(jpegs))
        )
        process = stack.enter_context(_start(source))
        if process.stdin:
            feeder = threading.Thread(target=_feed, args=(process.stdin, jpegs))
            feeder.start()
            stack.callback(feeder.join)
        # Runs first at the exit: the feeder thread ends when its pipe is closed.
        stack.callback(process.kill)
        start_s = time.monotonic()
        samples = list(_watch(process))
        seconds = time.monotonic() - start_s
    row = _judge(samples, seconds)
    print(json.dumps(row))
    return program.EXIT_DONE if row["is_steady"] else program.EXIT_CHECK_FAILED


def _make_jpegs() -> list[bytes]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (16, 6, 8, 3), np.uint8)
    large = [cv2.resize(image, (64, 48)) for image in images]
    return [cv2.imencode(".jpg", image)[1].tobytes() for image in large]


def _start(source: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "corallite.device.cli.classify_main", "--json"]
    return subprocess.Popen(
        [*command, f"--model={_MODEL.value}", f"--source={source}", "--smooth=1"],
        stdin=subprocess.PIPE if source == "-" else None,
        stdout=subprocess.PIPE,
    )


def _feed(pipe: IO[bytes], jpegs: list[bytes]) -> None:
    block = b"".join(jpegs)
    with contextlib.suppress(BrokenPipeError), pipe:
        # Some more than needed, so that the loop still runs at the last sample.
        for _ in range(_FRAMES.value // len(jpegs) + 100):
            pipe.write(block)


def _watch(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """Yields samples of the process's resources, at some of its results.

    One sample is at `--settled` results, the last at `--frames`.
    """
    if process.stdout is None:
        return
    step = max(1, _FRAMES.value // 20)
    for number, line in enumerate(process.stdout, start=1):
        result = json.loads(line)
        if _SOURCE.value == "stdin" and result["frame"] != number - 1:
            return  # A result is missing; `_judge` finds too few.
        if number in (_SETTLED.value, _FRAMES.value) or number % step == 0:
            yield {"results": number, **_sample(process.pid)}
        if number == _FRAMES.value:
            return


def _sample(pid: int) -> dict[str, int]:
    folder = Path("/proc", str(pid))
    status = dict(
        line.split(":", 1) for line in (folder / "status").read_text().splitlines()
    )
    return {
        "memory_kb": int(status["VmRSS"].split()[0]),
        "threads": int(status["Threads"]),
        "descriptors": len(list((folder / "fd").iterdir())),
    }


def _judge(samples: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    settled = [x for x in samples if x["results"] >= _SETTLED.value]
    row: dict[str, Any] = {"source": _SOURCE.value, "is_steady": False}
    if not settled or settled[-1]["results"] != _FRAMES.value:
        return {**row, "looks": samples}
    first, last = settled[0], settled[-1]
    growth = last["memory_kb"] / first["memory_kb"] - 1
    is_same = all(
        sample[what] == first[what]
        for sample in settled
        for what in ("threads", "descriptors")
    )
    return {
        **row,
        "is_steady": is_same and abs(growth) <= _MAX_GROWTH.value,
        "results_per_s": round(_FRAMES.value / seconds, 1),
        "growth": round(growth, 5),
        "first": first,
        "last": last,
        "memory_kb": [sample["memory_kb"] for sample in samples],
    }


if __name__ == "__main__":
    program.run(main)
