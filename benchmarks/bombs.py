"""Measures the memory of `classify` on small files that decode to many pixels.

python benchmarks/bombs.py --model=model_int8.tflite

For each format, it makes a folder with four copies of an image, one more than
`classify` holds at once, and a small PNG that must still be classified. The table has
the peak memory of `classify` and of the processes that it starts, first for images of
an ordinary size, then for bombs. Exit status 1 if a peak exceeds --most_mb, or if the
small PNG was not classified.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import image_bombs
import numpy as np
import peak_memory
from absl import flags

from corallite.device.cli import program
from corallite.device.image.opencv import cv2

_MODEL = flags.DEFINE_string("model", None, "The .tflite file.", required=True)
_FORMATS = flags.DEFINE_list(
    "formats", list(image_bombs.BOMBS), "Formats to measure, as the table names them."
)
_ORDINARY = flags.DEFINE_integer(
    "ordinary", 12, "Megapixels of the ordinary images.", 1, 25
)
# OpenCV takes 2**27 at most; AVIF and WebP take seconds to make.
_BOMB = flags.DEFINE_integer("bomb", 132, "Megapixels of the bombs.", 1, 134)
_MOST_MB = flags.DEFINE_integer("most_mb", 400, "Largest peak, in 10**6 bytes.")

_COPIES = 4
_LIMIT_S = 300
_GOOD = "z.png"  # The last one of the folder.
# The other formats need no pixels of their own. Making these takes gigabytes.
_MOST_MEGAPIXELS = {"AVIF": 67, "WebP": 67, "lossless WebP": 67}


def main(argv: Sequence[str]) -> int:
    """Prints the table."""
    program.reject_arguments(argv)
    print(f"{'format':<17} {'ordinary':>25}  {'bomb':>25}")
    print(f"{'':<17}" + f" {'MP':>5} {'bytes':>10} {'peak MB':>8} " * 2)
    are_good = True
    for name in _FORMATS.value:
        cells = ""
        for megapixels in (_ORDINARY.value, _BOMB.value):
            megapixels = min(megapixels, _MOST_MEGAPIXELS.get(name, megapixels))
            side = int((megapixels * 10**6) ** 0.5)
            data = image_bombs.BOMBS[name](side, side)
            peak_mb, is_classified = _measure(data)
            are_good &= is_classified and peak_mb <= _MOST_MB.value
            cells += f" {megapixels:>5} {len(data):>10,} {peak_mb:>8.0f} "
        print(f"{name:<17}{cells}", flush=True)
    return program.EXIT_DONE if are_good else program.EXIT_CHECK_FAILED


def _measure(data: bytes) -> tuple[float, bool]:
    """Returns the peak in 10**6 bytes, and whether the small PNG was classified."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(_COPIES):
            # Its suffix does not matter: the first bytes tell the format.
            Path(folder, f"{number}.png").write_bytes(data)
        cv2.imwrite(str(Path(folder, _GOOD)), np.zeros((8, 8, 3), np.uint8))
        command = [sys.executable, "-m", "corallite.device.cli.classify_main", "--json"]
        process = subprocess.Popen(
            [*command, f"--model={_MODEL.value}", f"--source={folder}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with peak_memory.watching(process.pid) as memory:
            try:
                output, _ = process.communicate(timeout=_LIMIT_S)
            finally:
                process.kill()
    sources = [json.loads(line)["source"] for line in output.splitlines()]
    return memory.megabytes, _GOOD in sources


if __name__ == "__main__":
    program.run(main)
