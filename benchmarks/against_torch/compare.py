"""Compares the speed of training with PyTorch's: images per second of both.

python3 -m venv torch && torch/bin/pip install torch
python benchmarks/against_torch/compare.py --torch_python=torch/bin/python

Each is a process of its own; they take turns. The columns are medians of all rounds:
images per second, milliseconds of processor time an image, and the ratio of ours to
PyTorch's in each round. Processor time hardly depends on other programs.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags

_TORCH = flags.DEFINE_string(
    "torch_python", None, "Python of an environment with PyTorch.", required=True
)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Turns of each.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 20.0, "Of each measurement.")
# Width, side in pixels, images per batch.
_ROWS = ((0.5, 32, 128), (1.0, 128, 32))


def _measure(python: str, script: str, row: tuple[float, int, int]) -> list[float]:
    """Returns images per second, and milliseconds of processor time an image."""
    width, side, batch_size = row
    flags_given = (
        *(f"--width={width}", f"--side={side}", f"--batch_size={batch_size}"),
        f"--seconds={_SECONDS.value}",
    )
    command = [python, str(Path(__file__).with_name(script)), *flags_given]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    speed: list[float] = json.loads(done.stdout.splitlines()[-1])
    return speed


def _compare(row: tuple[float, int, int]) -> str:
    ours, theirs = [], []
    for _ in range(_ROUNDS.value):
        ours.append(_measure(sys.executable, "train_ours.py", row))
        theirs.append(_measure(_TORCH.value, "train_torch.py", row))
    pairs = list(zip(ours, theirs, strict=True))
    ratio = statistics.median(x[0] / y[0] for x, y in pairs)
    cost_ratio = statistics.median(y[1] / x[1] for x, y in pairs)
    cells = []
    for rounds in (ours, theirs):
        speed, cost = (statistics.median(x) for x in zip(*rounds, strict=True))
        cells.append(f"{speed:.0f} | {cost:.2f}")
    width, side, batch_size = row
    name = f"{width}x, {side} pixels, batch {batch_size}"
    return f"| {name} | {' | '.join(cells)} | {ratio:.2f} | {cost_ratio:.2f} |"


def main(argv: Sequence[str]) -> None:
    print(
        "| ShuffleNetV2 | ours, images/s | ms | PyTorch, images/s | ms "
        "| ratio | by processor time |\n|---|---:|---:|---:|---:|---:|---:|"
    )
    for row in _ROWS:
        print(_compare(row), flush=True)


if __name__ == "__main__":
    app.run(main)
