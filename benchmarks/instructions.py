"""Counts the instructions of one inference on arm64, under emulation.

    python benchmarks/shufflenet.py --width=1.0 --files_dir=networks
    benchmarks/arm64/make_userland.sh userland
    python benchmarks/instructions.py --files_dir=networks --userland=userland

Each network runs in LiteRT with one thread, --runs times and twice
that: the difference is the inferences alone, without what Python and loading take. It
counts executed instructions, not time: caches, memory and what a core executes at once
are not in it. Needs qemu-user and a C compiler.
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
    "files_dir", None, "What shufflenet.py kept.", required=True
)
_USERLAND = flags.DEFINE_string(
    "userland", None, "What arm64/make_userland.sh made.", required=True
)
_RUNS = flags.DEFINE_integer("runs", 10, "Inferences, and twice that.", lower_bound=1)

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
            f"{python} is not there; make it with benchmarks/arm64/make_userland.sh "
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
    """Returns the path of each network that is there; ours, the first, has to be."""
    paths = {name: folder / file for name, file in _NETWORKS.items()}
    if not paths[_OURS].exists():
        raise RequestError(
            f"{paths[_OURS]} is not there; make it with benchmarks/shufflenet.py "
            f"--files_dir={folder}."
        )
    return {name: path for name, path in paths.items() if path.exists()}


def _build_plugin(folder: Path) -> Path:
    plugin = folder / "count.so"
    source = _ARM64 / "count_instructions.c"
    command = ["cc", "-O2", "-shared", "-fPIC", "-o", plugin, source]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RequestError(f"{source} could not be compiled: {_last_lines(done)}")
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
        # Hashes differ from start to start, and with them what dictionaries cost.
        env={**os.environ, "QEMU_PLUGIN": f"file={plugin}", "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
    )
    counted = re.search(r"^instructions: (\d+)$", done.stderr, re.MULTILINE)
    if done.returncode or not counted:
        raise RequestError(f"{network} could not be counted: {_last_lines(done)}")
    return int(counted[1])


def _last_lines(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join(done.stderr.splitlines()[-3:])


if __name__ == "__main__":
    program.run(main)
