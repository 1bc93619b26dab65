"""Compares `corallite teach` of this machine and of an emulated arm64 userland.

    python benchmarks/arm64/compare_teach.py --photos=photos/train --images=photos/test

Both teach with nothing cached, and both files then classify the images on this machine.
Prints seconds, the peak of the memory, and how many labels differ; the last line begins
with PASS, or with FAIL and status 1 if any does. See make_userland.sh.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

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
    differ = sum(one.argmax() != other.argmax() for one, other in pairs)
    print(f"{len(pairs)} images, probabilities at most {apart:.4f} apart")
    print(f"{'FAIL' if differ else 'PASS'}: {differ} labels differ")
    return program.EXIT_CHECK_FAILED if differ else program.EXIT_DONE


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
