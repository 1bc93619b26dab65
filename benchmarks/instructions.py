"""Counts the instructions of one inference on arm64, under emulation.

    python benchmarks/shufflenet.py --width=1.0 --files_dir=networks
    benchmarks/arm64/make_userland.sh userland
    python benchmarks/instructions.py --files_dir=networks --userland=userland

Each network runs in LiteRT with one thread, --runs times and then twice as many times:
the difference excludes Python's start and the loading. The count says nothing about
caches, memory and instructions that a core executes in parallel. Needs qemu-user and a
C compiler.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from corallite.device.cli import program
from corallite.device.system.errors import RequestError

_FILES_DIR = flags.DEFINE_string(
    "files_dir", None, "The --files_dir of shufflenet.py.", required=True
)
_USERLAND = flags.DEFINE_string(
    "userland", None, "The folder of arm64/make_userland.sh.", required=True
)
_RUNS = flags.DEFINE_integer("runs", 10, "Inferences to count.", lower_bound=1)

_ARM64 = Path(__file__).parent / "arm64"
_OURS = "ours, LiteRT int8"
# ONNX Runtime 1.32 crashes under the qemu 7.2 of Debian 12.
_NETWORKS = {
    _OURS: "ours_int8.tflite",
    "ours, LiteRT float": "ours_float.tflite",
    "published, LiteRT int8": "published_int8.tflite",
    "published, LiteRT float": "published_float.tflite",
}


def main(argv: Sequence[str]) -> None:
    program.reject_arguments(argv)
    paths = _find_networks(Path(_FILES_DIR.value))
    python = Path(_USERLAND.value) / "python"
    if not python.exists():
        raise RequestError(
            f"{python} is missing; create it with benchmarks/arm64/make_userland.sh "
            f"{_USERLAND.value}."
        )
    millions: dict[str, float] = {}
    print(f"{'':<32}{'million instructions':>21}{'ours / it':>11}")
    with tempfile.TemporaryDirectory() as scratch:
        plugin = _build_plugin(Path(scratch))
        for name, path in paths.items():
            millions[name] = _count_millions(python, plugin, path)
            ratio = millions[_OURS] / millions[name]
            print(f"{name:<32}{millions[name]:>21.2f}{ratio:>11.2f}", flush=True)


def _find_networks(folder: Path) -> dict[str, Path]:
    """Returns the path of each existing network; the first is required."""
    paths = {name: folder / file for name, file in _NETWORKS.items()}
    if not paths[_OURS].exists():
        raise RequestError(
            f"{paths[_OURS]} is missing; create it with benchmarks/shufflenet.py "
            f"--files_dir={folder}."
        )
    return {name: path for name, path in paths.items() if path.exists()}


def _build_plugin(folder: Path) -> Path:
    plugin = folder / "count.so"
    source = _ARM64 / "count_instructions.c"
    command = ["cc", "-O2", "-shared", "-fPIC", "-o", plugin, source]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RequestError(f"{source} cannot be compiled: {_last_lines(done)}")
    return plugin


def _count_millions(python: Path, plugin: Path, network: Path) -> float:
    """Returns the millions of instructions of one inference."""
    few, many = (
        _count(python, plugin, network, runs) for runs in (_RUNS.value, 2 * _RUNS.value)
    )
    return (many - few) / _RUNS.value / 1e6


def _count(python: Path, plugin: Path, network: Path, runs: int) -> int:
    done = subprocess.run(
        [python, _ARM64 / "run_network.py", network, str(runs)],
        # Otherwise hashes, and so the cost of dictionaries, differ between starts.
        env={**os.environ, "QEMU_PLUGIN": f"file={plugin}", "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
    )
    counted = re.search(r"^instructions: (\d+)$", done.stderr, re.MULTILINE)
    if done.returncode or not counted:
        raise RequestError(f"{network} cannot be counted: {_last_lines(done)}")
    return int(counted[1])


def _last_lines(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join(done.stderr.splitlines()[-3:])


if __name__ == "__main__":
    program.run(main)
