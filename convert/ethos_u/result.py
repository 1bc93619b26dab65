"""The result of compiling a file for an Ethos-U, as JSON and as text."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corallite.convert.tflite.model import Model
from corallite.convert.tflite.text_lines import describe, format_entries
from corallite.device.benchmark.ethosu.vela import Estimate

ON_NPU = "Mapped to the NPU"
# Of an operator for which Vela gives no reason.
ON_CPU = "Left to the CPU"
_KIB = 1024


@dataclasses.dataclass(frozen=True)
class Compilation:
    """What Vela made of a file.

    Attributes:
        path: The model.
        model: Its structure.
        accelerator: The NPU, as Vela names it.
        version: Of Vela.
        estimate: Vela's figures of one inference.
        status: Where each operator runs, by its number: ON_NPU, or why on the CPU.
        subgraphs: Parts of the network that run on the NPU without the CPU.
        duration_s: How long Vela ran.
        compiled: The files that were written.
    """

    path: Path
    model: Model
    accelerator: str
    version: str
    estimate: Estimate
    status: dict[int, str]
    subgraphs: int
    duration_s: float
    compiled: tuple[Path, ...] = ()

    @property
    def mapped(self) -> list[int]:
        """Numbers of the operators that run on the NPU."""
        return [number for number, text in self.status.items() if text == ON_NPU]

    def to_json(self) -> dict[str, Any]:
        """Returns a dict for JSON, similar to that of the Edge TPU."""
        figures = dataclasses.asdict(self.estimate)
        del figures["layers"]
        return {
            "file": str(self.path),
            "compiled": [str(path) for path in self.compiled],
            "operators": len(self.model.main.operators),
            "ethos_u": {
                "accelerator": self.accelerator,
                "compiler": self.version,
                "mapped": self.mapped,
                "status": {str(number): text for number, text in self.status.items()},
                "subgraphs": self.subgraphs,
                "milliseconds": round(self.estimate.milliseconds, 4),
                **figures,
            },
            "duration_s": round(self.duration_s, 3),
        }


def format_compilation(made: Compilation, *, details: bool = False) -> str:
    """Returns the result as text of 80 columns.

    Args:
        made: The result to format.
        details: Whether to list every operator with its status.
    """
    entries = [*_describe_files(made), *_describe_mapping(made), *_describe_cost(made)]
    operators = made.model.main.operators
    if details:
        entries += [
            ("" if number else "operators", f"{describe(operators[number])}: {text}")
            for number, text in made.status.items()
        ]
    return "\n".join(format_entries(entries))


def _describe_files(made: Compilation) -> Iterator[tuple[str, str]]:
    yield "model", str(made.path)
    for path in made.compiled:
        yield "compiled", f"{path}, {path.stat().st_size:,} bytes"
    yield "took", f"{made.duration_s:.1f} s"


def _describe_mapping(made: Compilation) -> Iterator[tuple[str, str]]:
    yield "Ethos-U", f"result of Vela {made.version} for {made.accelerator}:"
    operators = made.model.main.operators
    counts = Counter((operators[n].name, text) for n, text in made.status.items())
    for (name, text), count in sorted(counts.items(), key=_mapped_last):
        yield "", f"{count:>3} {name}: {text}"
    yield "mapped", f"{len(made.mapped)} of {len(operators)} operators"
    yield "subgraphs", str(made.subgraphs)


def _mapped_last(item: tuple[tuple[str, str], int]) -> tuple[bool, str]:
    (name, status), _ = item
    return status == ON_NPU, name


def _describe_cost(made: Compilation) -> Iterator[tuple[str, str]]:
    found = made.estimate
    yield (
        "estimated",
        f"{found.cycles:,} cycles, {found.milliseconds:.3g} ms at "
        f"{found.clock_hz / 1e6:.0f} MHz ({found.system_config}, {found.memory_mode})"
        + ("; without the operators on the CPU" if found.cpu_operators else ""),
    )
    sizes = (
        ("SRAM", found.sram_bytes),
        ("DRAM", found.dram_bytes),
        ("flash", found.flash_bytes),
    )
    used = [f"{size / _KIB:,.1f} KiB {name}" for name, size in sizes if size]
    yield "memory", ", ".join(used) or "none"
