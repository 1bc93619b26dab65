"""Compiles files with Vela for its estimate; needs no NPU.

Vela 5.2.0, `ethos-u-vela` on PyPI. Its cycles are a model of the hardware: the same
file gives the same number.
"""

import contextlib
import csv
import importlib
import importlib.metadata
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corallite.device.system.errors import RequestError
from corallite.device.system.process.isolated import try_python

ACCELERATORS = (
    *("ethos-u55-32", "ethos-u55-64", "ethos-u55-128", "ethos-u55-256"),
    *("ethos-u65-256", "ethos-u65-512"),
    *("ethos-u85-128", "ethos-u85-256", "ethos-u85-512", "ethos-u85-1024"),
    "ethos-u85-2048",
)
DEFAULT_ACCELERATOR = "ethos-u55-128"
_PACKAGE = "ethos-u-vela"
_VERSION = "5.2.0"
# Of the network and of its layers.
_TABLES = 2
_KIB = 1024
# Enough for a large network on a busy machine.
_LIMIT_S = 600.0
_TRIAL = """
from pathlib import Path
from corallite.device.benchmark.ethosu import vela
vela.estimate(Path(sys.argv[1]).read_bytes(), sys.argv[2])
"""


@dataclass(frozen=True)
class Layer:
    """What Vela makes of an operator, or of a part of one.

    Attributes:
        tensor: The name of its output.
        kind: Vela's name of the operator, such as "Conv2D".
        is_on_npu: Otherwise it runs on the CPU, in a time that Vela does not know.
        cycles: Of the NPU.
    """

    tensor: str
    kind: str
    is_on_npu: bool
    cycles: int


@dataclass(frozen=True)
class Estimate:
    """Vela's figures of one inference.

    Attributes:
        cycles: All cycles of the NPU.
        clock_hz: Of the NPU.
        sram_bytes: The memory for activations and, where it is so configured, weights.
        dram_bytes: The same, where the memory mode has DRAM.
        flash_bytes: What is read from flash, on the chip or off it.
        macs: Multiply-accumulates on the NPU.
        system_config: Vela's name of clocks and bandwidths.
        memory_mode: Vela's name of what is in which memory.
        layers: In the order of execution.
    """

    cycles: int
    clock_hz: float
    sram_bytes: int
    dram_bytes: int
    flash_bytes: int
    macs: int
    system_config: str
    memory_mode: str
    layers: tuple[Layer, ...]

    @property
    def milliseconds(self) -> float:
        """The time of all cycles."""
        return 1000 * self.cycles / self.clock_hz

    @property
    def cpu_operators(self) -> int:
        """How many operators run on the CPU."""
        return sum(not layer.is_on_npu for layer in self.layers)


def estimate(content: bytes, accelerator: str = DEFAULT_ACCELERATOR) -> Estimate:
    """Returns Vela's figures of a file, with its default system and memory mode.

    Args:
        content: Content of an int8 `.tflite` file.
        accelerator: One of `ACCELERATORS`.

    Raises:
        RequestError: Vela is not installed, or does not compile the file.
    """
    require_accelerator(accelerator)
    vela = _import()
    with tempfile.TemporaryDirectory() as name:
        folder, path = Path(name), Path(name) / "model.tflite"
        path.write_bytes(content)
        options = [f"--accelerator-config={accelerator}", f"--output-dir={folder}"]
        try:
            printed = _run(vela, [*options, "--verbose-performance", str(path)])
        # What its C++ part, its checks and its reader raise.
        except (RuntimeError, ValueError, LookupError, SystemExit) as error:
            raise refusal(str(error)) from error
        return read_estimate(folder, printed)


def read_estimate(folder: Path, printed: str) -> Estimate:
    """Reads the tables that Vela writes with --verbose-performance.

    Args:
        folder: Its output folder.
        printed: What it has printed.

    Raises:
        RequestError: There are none, or those of another version.
    """
    paths = [*folder.glob("*_summary_*.csv"), *folder.glob("*_per-layer.csv")]
    if len(paths) != _TABLES:
        raise refusal(printed)
    try:
        (summary,), layers = map(_read_rows, paths)
        return _parse(summary, layers)
    except (LookupError, ValueError) as error:
        raise RequestError(
            f"Vela's tables cannot be read ({error}); this is version "
            f"{importlib.metadata.version(_PACKAGE)}, run: pip install "
            f"{_PACKAGE}=={_VERSION}."
        ) from error


def require_no_crash(path: Path, accelerator: str) -> None:
    """Tries a file in another process, because Vela crashes with some damaged ones.

    Args:
        path: A `.tflite` file.
        accelerator: One of `ACCELERATORS`.

    Raises:
        RequestError: Vela crashes or hangs. `estimate` raises the other errors.
    """
    outcome = try_python(_TRIAL, str(path), accelerator, timeout_s=_LIMIT_S)
    if outcome.crashed:
        raise RequestError(
            f"{path}: Vela does not compile it ({outcome.failure}); copy or convert it "
            "again."
        )


def require_accelerator(name: str) -> None:
    """Raises `RequestError` if Vela has no such accelerator."""
    if name not in ACCELERATORS:
        raise RequestError(
            f"{name}: is not an accelerator of Vela; choose one of "
            f"{', '.join(ACCELERATORS)}."
        )


def version() -> str:
    """Returns the version of Vela.

    Raises:
        RequestError: It is not installed.
    """
    _import()
    return importlib.metadata.version(_PACKAGE)


def _import() -> Any:
    try:
        return importlib.import_module("ethosu.vela.vela")
    except ImportError as error:
        raise RequestError(
            f"Vela is not installed ({error}); run: pip install {_PACKAGE}."
        ) from error


def _run(vela: Any, arguments: list[str]) -> str:
    """Runs Vela in this process, which saves its start; returns what it prints."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        vela.main(arguments)
    return text.getvalue()


def refusal(printed: str) -> RequestError:
    """Returns the error of a Vela that fails, with the last line that it printed."""
    lines = printed.strip().splitlines() or ["it printed nothing"]
    return RequestError(
        f"Vela does not compile the file ({lines[-1].rstrip('.')}); convert it again, "
        "or use another network."
    )


def _read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _parse(summary: dict[str, str], rows: list[dict[str, str]]) -> Estimate:
    layers = [
        Layer(
            row["Name"],
            row["Original Operator"],
            row["Target"] == "NPU",
            round(float(row["Op Cycles"])),
        )
        for row in rows
    ]
    return Estimate(
        cycles=round(float(summary["cycles_total"])),
        clock_hz=float(summary["core_clock"]),
        sram_bytes=_size(summary, "sram"),
        dram_bytes=_size(summary, "dram"),
        flash_bytes=_size(summary, "on_chip_flash") + _size(summary, "off_chip_flash"),
        macs=round(float(summary["nn_macs"])),
        system_config=summary["system_config"],
        memory_mode=summary["memory_mode"],
        layers=tuple(layers),
    )


def _size(summary: dict[str, str], memory: str) -> int:
    """Returns the bytes of a memory that are used."""
    return round(float(summary[f"{memory}_memory_used"]) * _KIB)
