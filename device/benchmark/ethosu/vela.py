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
_PACKAGE = "ethos-u-vela"
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
        macs: Multiply-accumulates on the NPU.
        layers: In the order of execution.
    """

    cycles: int
    clock_hz: float
    sram_bytes: int
    macs: int
    layers: tuple[Layer, ...]

    @property
    def milliseconds(self) -> float:
        """The time of all cycles."""
        return 1000 * self.cycles / self.clock_hz

    @property
    def cpu_operators(self) -> int:
        """How many operators run on the CPU."""
        return sum(not layer.is_on_npu for layer in self.layers)


def estimate(content: bytes, accelerator: str = "ethos-u55-128") -> Estimate:
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
            raise _refusal(str(error)) from error
        summaries = list(folder.glob("*_summary_*.csv"))
        if not summaries:
            raise _refusal(printed)
        (summary,) = _read_rows(summaries[0])
        return _parse(summary, _read_rows(folder / "model_per-layer.csv"))


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


def _refusal(printed: str) -> RequestError:
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
        sram_bytes=round(float(summary["sram_memory_used"]) * 1024),
        macs=round(float(summary["nn_macs"])),
        layers=tuple(layers),
    )
