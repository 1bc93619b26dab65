"""A table of the latency of operators on one machine, and its file."""

import importlib.metadata
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from corallite.device.benchmark.layers.operator import Operator
from corallite.device.board.processor import describe_processor
from corallite.device.engine.runtime import choose_runtime
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.device.system.storage import json_text


@dataclass(frozen=True)
class LatencyTable:
    """What each operator takes; the sum over a network predicts its latency.

    Attributes:
        machine: Where it was measured.
        runtime: By what, such as "ai-edge-litert 2.3.0".
        threads: Threads of one inference.
        date: Of the measurement, as 2026-11-30.
        milliseconds: By `Operator.key`.
        reference_ms: What a fixed small network took in the same time. Times that are
            measured later are scaled to it. None if they are computed.
    """

    machine: str
    runtime: str
    threads: int = 1
    date: str = field(default_factory=lambda: date.today().isoformat())
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    reference_ms: float | None = None

    @classmethod
    def of_this_machine(cls, threads: int = 1) -> "LatencyTable":
        """Returns an empty table.

        Raises:
            RequestError: No runtime works here.
        """
        name = choose_runtime().replace("_", "-")
        version = importlib.metadata.version(name)
        return cls(describe_processor(), f"{name} {version}", threads)

    def lookup(self, operator: Operator) -> float:
        """Returns the milliseconds of an operator.

        Raises:
            RequestError: It is not in the table.
        """
        try:
            return self.milliseconds[operator.key]
        except KeyError as error:
            raise RequestError(
                f"{operator.key}: is not in the latency table of {self.machine}; "
                "measure it with: corallite benchmark --layers."
            ) from error

    def missing(self, operators: Iterable[Operator]) -> list[Operator]:
        """Returns the operators that are not in the table, each once."""
        every = dict.fromkeys(operators)
        return [each for each in every if each.key not in self.milliseconds]

    def predict(self, operators: Iterable[Operator]) -> float:
        """Returns the milliseconds of a network with these operators.

        Raises:
            RequestError: As `lookup`.
        """
        return math.fsum(map(self.lookup, operators))

    def with_times(self, milliseconds: Mapping[str, float]) -> "LatencyTable":
        """Returns a table that also has these times."""
        return replace(self, milliseconds={**self.milliseconds, **milliseconds})

    def require_same(self, other: "LatencyTable", path: str | Path) -> None:
        """Refuses to mix times of two machines, runtimes or numbers of threads.

        Raises:
            RequestError: `other`, which was read from `path`, has others.
        """
        for name, label in (
            ("machine", "machine"),
            ("runtime", "runtime"),
            ("threads", "number of threads"),
        ):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours != theirs:
                raise RequestError(
                    f"{path}: its {label} is {theirs}, not {ours} as here; give "
                    "another file as --out."
                )


def write_table(table: LatencyTable, path: Path) -> None:
    """Writes a table as JSON; replaces the file in one step."""
    content = asdict(table)
    times = sorted(table.milliseconds.items())
    content["milliseconds"] = {key: round(ms, 7) for key, ms in times}
    files.write_json(path, content)


def read_table(path: Path) -> LatencyTable:
    """Reads a table.

    Raises:
        RequestError: The file cannot be read, or is not a latency table.
    """
    try:
        return _parse(_read_json(path))
    except ValueError as error:
        raise RequestError(
            f"{path}: is not a latency table ({error}); measure it again with: "
            "corallite benchmark --layers, or copy it again."
        ) from error


def read_operators(path: Path) -> list[Operator]:
    """Reads a list of operators: the JSON of each, in the order of the file.

    Raises:
        RequestError: The file cannot be read, or is not such a list.
    """
    try:
        content = _read_json(path)
        if not isinstance(content, list):
            raise ValueError("expected a list")
        return [Operator.from_json(each) for each in content]
    except ValueError as error:
        raise RequestError(
            f"{path}: is not a list of operators ({error}); see docs/device.md."
        ) from error


def _read_json(path: Path) -> Any:
    with files.reporting_unreadable(path, "check its name"):
        return json_text.parse(files.read_limited(path))


def _parse(content: Any) -> LatencyTable:
    """Raises ValueError if `content` is not of a table."""
    if not isinstance(content, dict):
        raise ValueError("expected an object")
    types = {"machine": str, "runtime": str, "threads": int, "date": str}
    for name, kind in {**types, "milliseconds": dict}.items():
        if not isinstance(content.get(name), kind):
            raise ValueError(f"expected {name!r} to be of type {kind.__name__}")
    times, reference_ms = content["milliseconds"], content.get("reference_ms")
    numbers = dict(times)
    if reference_ms is not None:
        numbers["reference_ms"] = reference_ms
    for key, value in numbers.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or value < 0:
            raise ValueError(f"expected a number of ms at {key!r}, got {value!r}")
    return LatencyTable(
        **{name: content[name] for name in types},
        milliseconds=times,
        reference_ms=reference_ms,
    )
