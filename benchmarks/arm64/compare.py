"""Compares predictions of this machine and of an emulated arm64 userland.

python benchmarks/arm64/compare.py --model=model_int8.tflite --images=photos/test \
    --arm64_python=.venv/arm64/python

It runs `classify --json` and `doctor` in both. The last line begins with PASS, or with
FAIL and status 1. The labels must be equal, and the probabilities may differ by one
step of int8, 1/256: kernels for the two CPUs may round differently. `make test-arm64`
creates the userland first.
"""

import json
import subprocess
import sys
from collections.abc import Sequence

from absl import flags

from corallite.device.cli import program
from corallite.device.system.errors import RequestError

_MODEL = flags.DEFINE_string("model", None, "A .tflite file.", required=True)
_IMAGES = flags.DEFINE_string("images", None, "Folder of images.", required=True)
_ARM64_PYTHON = flags.DEFINE_string(
    "arm64_python", ".venv/arm64/python", "Python of make_userland.sh."
)
_MAX_FRAMES = flags.DEFINE_integer(
    "max_frames", 2000, "Most images to classify.", lower_bound=1
)

# One step of a full-int8 model's probabilities, and the rounding of the printed ones.
_TOLERANCE = 1 / 256 + 1e-4
# Under emulation the start alone takes ten seconds or more on a busy machine.
_TIMEOUT_S = 600
# Checks of the doctor that must pass in both.
_DOCTOR_CHECKS = ("python", "wheels", "numpy", "runtime", "opencv", "run", "manifest")


def main(argv: Sequence[str]) -> int:
    """Prints the differences and the result."""
    program.reject_arguments(argv)
    pythons = {"here": sys.executable, "arm64": _ARM64_PYTHON.value}
    flaws = [
        *_compare_predictions(*(_classify(python) for python in pythons.values())),
        *(f for name, python in pythons.items() for f in _diagnose(name, python)),
    ]
    for flaw in flaws:
        print(f"  {flaw}")
    print(f"FAIL: {len(flaws)} differences" if flaws else "PASS: arm64 is as here")
    return program.EXIT_CHECK_FAILED if flaws else program.EXIT_DONE


def _classify(python: str) -> list[dict]:
    lines = _run(
        python,
        "classify",
        f"--model={_MODEL.value}",
        f"--source={_IMAGES.value}",
        f"--max_frames={_MAX_FRAMES.value}",
        "--top_k=1000",
        "--json",
    ).stdout.splitlines()
    return [json.loads(line) for line in lines]


def _compare_predictions(here: list[dict], arm64: list[dict]) -> list[str]:
    """Returns a sentence for each image whose predictions differ too much."""
    if not here or len(here) != len(arm64):
        return [f"{len(here)} predictions here, {len(arm64)} on arm64"]
    kinds = len({next(iter(_probabilities(answer))) for answer in here})
    if kinds == 1:
        return ["all images have the same label; use images of several classes"]
    flaws, largest = [], 0.0
    for row, (one, other) in enumerate(zip(here, arm64, strict=True)):
        first, second = _probabilities(one), _probabilities(other)
        if next(iter(first)) != next(iter(second)):
            flaws.append(f"image {row}: {next(iter(first))}, {next(iter(second))}")
        apart = max(abs(p - second.get(label, 0.0)) for label, p in first.items())
        if apart > _TOLERANCE:
            flaws.append(f"image {row}: probabilities {apart:.4f} apart")
        largest = max(largest, apart)
    print(
        f"{len(here)} images, {kinds} labels, "
        f"probabilities at most {largest * 256:.2f}/256 apart"
    )
    return flaws


def _probabilities(answer: dict) -> dict[str, float]:
    """Returns the probability of each label, the most probable first."""
    return {row["label"]: row["probability"] for row in answer["top"]}


def _diagnose(name: str, python: str) -> list[str]:
    """Returns a sentence for each check of the doctor that did not pass."""
    done = _run(python, "doctor", f"--model={_MODEL.value}", "--json", check=False)
    content = json.loads(done.stdout)
    levels = {row["check"]: row["level"] for row in content["findings"]}
    listed = " ".join(f"{check}={level}" for check, level in levels.items())
    print(f"doctor {name}: exit {done.returncode}: {listed}")
    bad = [check for check in _DOCTOR_CHECKS if levels.get(check) != "ok"]
    return [f"doctor {name}: {check} is {levels.get(check)}" for check in bad]


def _run(
    python: str, verb: str, *arguments: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    command = [python, "-m", f"corallite.device.cli.{verb}_main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    if done.returncode < 0 or (check and done.returncode):
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RequestError(
            f"{python}: {verb} exited with {done.returncode} ({last}); "
            "create the userland again."
        )
    return done


if __name__ == "__main__":
    program.run(main)
