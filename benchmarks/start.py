"""Measures how soon the first answer comes, against a bare interpreter's.

    python benchmarks/start.py --model=model_int8.tflite

From the start of a process to its first line, on one JPEG photo, in turns: a script
that does nothing but import the runtime and OpenCV, decode, resize, run and print, and
`corallite classify`. Exit status 1 if the median of their ratios is above --max_ratio.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from absl import flags
from made_photos import make_photos

from corallite.device.cli import program

_MODEL = flags.DEFINE_string("model", None, "The .tflite file.", required=True)
_WORK_DIR = flags.DEFINE_string("work_dir", "runs/start", "Where the photo is kept.")
_ROUNDS = flags.DEFINE_integer("rounds", 21, "Turns.", lower_bound=1)
_MAX_RATIO = flags.DEFINE_float(
    "max_ratio", 1.3, "Highest median of the ratios.", lower_bound=0.0
)

_BARE = """
import sys
import cv2
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
door, out = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
image = cv2.imread(sys.argv[2], cv2.IMREAD_COLOR_RGB)
height, width = door["shape"][1:3]
interpreter.set_tensor(door["index"], cv2.resize(image, (width, height))[None])
interpreter.invoke()
print(interpreter.get_tensor(out["index"])[0].argmax(), flush=True)
"""


def main(argv: Sequence[str]) -> int:
    """Measures both in turns, and prints JSON."""
    program.reject_arguments(argv)
    work_dir = Path(_WORK_DIR.value)
    make_photos(work_dir, 1)
    photo = str(next(work_dir.rglob("*.jpg")))
    corallite = str(Path(sys.executable).with_name("corallite"))
    commands = {
        "bare": [sys.executable, "-c", _BARE, _MODEL.value, photo],
        "classify": [
            *(corallite, "classify"),
            *(f"--model={_MODEL.value}", f"--source={photo}"),
        ],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(_ROUNDS.value + 1):  # The first fills the system's cache.
        for name, command in commands.items():
            times[name].append(_time_first_line(command))
    bare, classify = (values[1:] for values in times.values())
    ratios = sorted(c / b for b, c in zip(bare, classify, strict=True))
    ratio = statistics.median(ratios)
    row = {
        "bare_ms": round(statistics.median(bare) * 1000, 1),
        "classify_ms": round(statistics.median(classify) * 1000, 1),
        "ratio": round(ratio, 4),
        "ratios": [round(r, 3) for r in ratios],
    }
    print(json.dumps(row))
    return program.EXIT_DONE if ratio <= _MAX_RATIO.value else program.EXIT_CHECK_FAILED


def _time_first_line(command: list[str]) -> float:
    # What is installed is compiled; only our own modules may not be yet.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    start_s = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        line = process.stdout.readline() if process.stdout else b""
        seconds = time.perf_counter() - start_s
    if not line or process.returncode:
        raise ChildProcessError(f"{command}: gave no answer.")
    return seconds


if __name__ == "__main__":
    program.run(main)
