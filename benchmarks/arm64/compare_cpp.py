"""Runs the C++ program of examples/cpp on an emulated Raspberry Pi 4, without OpenCV.

    sudo apt install cmake g++-aarch64-linux-gnu qemu-user
    pip download --no-deps --only-binary=:all: --platform=manylinux_2_27_aarch64 \
      --python-version=3.11 ai-edge-litert==2.3.0
    unzip -j ai_edge_litert-*aarch64.whl '*/libLiteRt.so' -d runs/arm64
    python benchmarks/arm64/compare_cpp.py --model=model_int8.tflite \
      --library=runs/arm64/libLiteRt.so --images=photos/test

Compares its scores with Python's on this machine, for raw pixels. Prints JSON; exit
status 1 if a label differs.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from corallite.device.cli import program
from corallite.device.engine.classifier import Classifier
from corallite.device.image.preprocess import IMAGE_SUFFIXES, fit_image, read_image
from corallite.device.system.errors import RequestError

_MODEL = flags.DEFINE_string("model", None, "The .tflite file.", required=True)
_LIBRARY = flags.DEFINE_string(
    "library", None, "libLiteRt.so for aarch64.", required=True
)
_IMAGES = flags.DEFINE_string("images", None, "Folder with images.", required=True)
_COUNT = flags.DEFINE_integer("count", 100, "Images that are used.", lower_bound=1)
_WORK_DIR = flags.DEFINE_string("work_dir", "runs/arm64", "Folder for the build.")

_SOURCE = Path(__file__).parents[2] / "examples" / "cpp"
_COMPILER = "aarch64-linux-gnu-g++"
_SYSTEM = Path("/usr/aarch64-linux-gnu")
# See make_userland.sh.
_CPUINFO = Path(__file__).with_name("cpuinfo")


def main(argv: Sequence[str]) -> int:
    """Builds the program, runs it, and compares."""
    program.reject_arguments(argv)
    for tool in ("cmake", _COMPILER, "qemu-aarch64"):
        if not shutil.which(tool):
            raise RequestError(f"{tool} is not installed; see --help.")
    work = Path(_WORK_DIR.value).absolute()
    binary, root = _build(work / "build"), _make_root(work / "root")
    classifier = Classifier(_MODEL.value)
    paths, ours = _prepare(classifier, work / "pixels")
    command = ["qemu-aarch64", "-L", str(root), str(binary), "--raw", "--scores"]
    text = _run([*command, _MODEL.value, *paths])
    theirs = np.array([json.loads(x)["scores"] for x in text.splitlines()], np.float32)
    same = int((theirs.argmax(1) == ours.argmax(1)).sum())
    row = {
        "images": len(paths),
        "labels_equal": same,
        "scores_equal": int((theirs == ours).all(1).sum()),
        "largest_difference": float(np.abs(theirs - ours).max()),
    }
    print(json.dumps(row))
    return program.EXIT_DONE if same == len(paths) else program.EXIT_CHECK_FAILED


def _build(folder: Path) -> Path:
    options = [
        f"-DCMAKE_CXX_COMPILER={_COMPILER}",
        "-DCMAKE_SYSTEM_NAME=Linux",
        "-DCMAKE_SYSTEM_PROCESSOR=aarch64",
        f"-DLITERT_LIBRARY={Path(_LIBRARY.value).absolute()}",
        "-DWITH_OPENCV=OFF",
    ]
    _run(["cmake", "-S", str(_SOURCE), "-B", str(folder), *options])
    _run(["cmake", "--build", str(folder)])
    return folder / "classify"


def _make_root(folder: Path) -> Path:
    """Returns a folder with the libraries of arm64, and a processor of it."""
    (folder / "proc").mkdir(parents=True, exist_ok=True)
    shutil.copy(_CPUINFO, folder / "proc")
    if not (folder / "lib").is_symlink():
        (folder / "lib").symlink_to(_SYSTEM / "lib")
    return folder


def _prepare(classifier: Classifier, folder: Path) -> tuple[list[str], np.ndarray]:
    """Writes the pixels of some images; returns the files and Python's scores."""
    folder.mkdir(parents=True, exist_ok=True)
    found = sorted(
        x for x in Path(_IMAGES.value).rglob("*") if x.suffix.lower() in IMAGE_SUFFIXES
    )
    chosen = np.random.default_rng(0).permutation(len(found))[: _COUNT.value]
    paths, scores = [], []
    for index in chosen:
        pixels = fit_image(read_image(found[index]), classifier.preprocessing)
        path = folder / f"{index}.rgb"
        path.write_bytes(pixels.tobytes())
        paths.append(str(path))
        scores.append(classifier.run(pixels))
    if not paths:
        raise RequestError(f"{_IMAGES.value}: has no images; give another folder.")
    return paths, np.array(scores)


def _run(command: Sequence[str]) -> str:
    environment = {"QEMU_CPU": "cortex-a72", **os.environ}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr[-500:] or f"status {done.returncode}"
        raise RequestError(f"{' '.join(command[:4])} failed: {reason}")
    return done.stdout


if __name__ == "__main__":
    program.run(main)
