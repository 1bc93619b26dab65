"""Compares the start of `corallite classify` with that of a bare interpreter.

    python benchmarks/start.py --model=model_int8.tflite

It alternately times both, on one JPEG photo, from the start of the process to its first
line. The bare script only imports the runtime and OpenCV, decodes, resizes, runs the
model and prints. Exit status 1 if the median of the ratios is above --max_ratio.
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
_WORK_DIR = flags.DEFINE_string("work_dir", "runs/start", "Folder for the photo.")
_ROUNDS = flags.DEFINE_integer("rounds", 21, "Rounds.", lower_bound=1)
_MAX_RATIO = flags.DEFINE_float(
    "max_ratio", 1.3, "Highest median of the ratios.", lower_bound=0.0
)

_BARE = """
import sys
import cv2
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
(source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
image = cv2.imread(sys.argv[2], cv2.IMREAD_COLOR_RGB)
height, width = source["shape"][1:3]
interpreter.set_tensor(source["index"], cv2.resize(image, (width, height))[None])
interpreter.invoke()
print(interpreter.get_tensor(target["index"])[0].argmax(), flush=True)
"""


def main(argv: Sequence[str]) -> int:
    """Measures both alternately, and prints JSON."""
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
    for _ in range(_ROUNDS.value + 1):  # The first round fills the file cache.
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
    # Compiles the modules of corallite, if they are not compiled yet.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    start_s = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        line = process.stdout.readline() if process.stdout else b""
        seconds = time.perf_counter() - start_s
    if not line or process.returncode:
        raise ChildProcessError(f"{command}: printed no line or failed.")
    return seconds


if __name__ == "__main__":
    program.run(main)
