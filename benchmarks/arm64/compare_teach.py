"""Compares `corallite teach` of this machine and of an emulated arm64 userland.

    python benchmarks/arm64/compare_teach.py --photos=photos/train --images=photos/test

Both teach with nothing cached, and both files then classify the images on this machine.
Prints seconds, the peak of the memory, and how many labels differ. The kernels of the
two machines round features differently, by one step, so the heads differ a little, and
photos on the border between two classes may get either. The last line begins with PASS,
or with FAIL and status 1 if a probability differs by more than 0.05. See
make_userland.sh.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from corallite.device.cli import program
from corallite.device.engine.classifier import Classifier
from corallite.device.image.preprocess import read_image
from corallite.device.learn.photos import list_photos

_PHOTOS = flags.DEFINE_string("photos", None, "Class folders.", required=True)
_IMAGES = flags.DEFINE_string("images", None, "Others to classify.", required=True)
_ARM64_PYTHON = flags.DEFINE_string(
    "arm64_python", ".venv/arm64/python", "Python of make_userland.sh."
)
# Thirteen steps of int8; the first comparison found 0.03.
_TOLERANCE = 0.05


def main(argv: Sequence[str]) -> int:
    """Prints what differs, and the result."""
    program.reject_arguments(argv)
    pythons = {"here": sys.executable, "arm64": _ARM64_PYTHON.value}
    with tempfile.TemporaryDirectory() as folder:
        taught = [_teach(name, pythons[name], Path(folder)) for name in pythons]
        # Not earlier: a child process begins with the memory of this one.
        images = [read_image(path) for path in list_photos(Path(_IMAGES.value)).paths]
        answers = [[model.classify(x) for x in images] for model in taught]
    pairs = list(zip(*answers, strict=True))
    apart = max(float(abs(one - other).max()) for one, other in pairs)
    differ = [one for one, other in pairs if one.argmax() != other.argmax()]
    print(f"{len(pairs)} images, {len(differ)} labels differ")
    for answer in differ:
        second, first = np.sort(answer)[-2:]
        print(f"  between two classes of {first:.3f} and {second:.3f}")
    has_failed = apart > _TOLERANCE
    print(f"{'FAIL' if has_failed else 'PASS'}: probabilities {apart:.4f} apart")
    return program.EXIT_CHECK_FAILED if has_failed else program.EXIT_DONE


def _teach(name: str, python: str, folder: Path) -> Classifier:
    """Teaches with an empty cache; returns the model."""
    path = folder / f"{name}.tflite"
    command = [python, "-m", "corallite.device.cli.teach_main"]
    flags = (f"--photos={_PHOTOS.value}", f"--model={path}")
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / name)}
    begin_s = time.monotonic()
    child = subprocess.Popen([*command, *flags], env=environment)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds, peak = time.monotonic() - begin_s, used.ru_maxrss / 1024
    print(f"{name}: {seconds:.1f} s, peak {peak:.0f} MiB, status {child.returncode}")
    return Classifier(path)


if __name__ == "__main__":
    program.run(main)
