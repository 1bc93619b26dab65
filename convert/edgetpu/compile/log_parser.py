"""Reads what the Edge TPU compiler prints and what it writes into its log.

The texts of compilers 1.0 to 16, as published logs have them. Whatever they are, an
unknown line is kept and nothing raises.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

_VERSION = re.compile(r"Edge TPU Compiler version (\d[\w.]*)")
_COMPILED = re.compile(r"Models? compiled successfully in (\d+) ms[.!]?$")
_ROW = re.compile(r"([A-Z][A-Z0-9_]*)\s+(\d+)\s+(\S.*?)$")
_HEADING = re.compile(r"Operator\s+Count\s+Status$")
_VALUE = re.compile(r"([A-Z][^:]*): ?(.*)$")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB)$")
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
# Digits beyond these are no count that a compiler would print.
_MOST_DIGITS = 15
# By what stands before the colon: the field, and whether it is a size.
_FIELDS = {
    "Input": ("input", False),
    "Input model": ("input", False),
    "Output": ("output", False),
    "Output model": ("output", False),
    "Input size": ("input_bytes", True),
    "Output size": ("output_bytes", True),
    "On-chip memory available for caching model parameters": (
        "on_chip_available_bytes",
        True,
    ),
    "On-chip memory used for caching model parameters": ("on_chip_used_bytes", True),
    "On-chip memory remaining for caching model parameters": (
        "on_chip_remaining_bytes",
        True,
    ),
    "Off-chip memory used for streaming uncached model parameters": (
        "streamed_bytes",
        True,
    ),
    "Number of Edge TPU subgraphs": ("subgraphs", False),
    "Total number of operations": ("operations", False),
    "Number of operations that will run on Edge TPU": ("on_edgetpu", False),
    "Number of operations that will run on CPU": ("on_cpu", False),
    "Operation log": ("log", False),
}
_COUNTS = ("subgraphs", "operations", "on_edgetpu", "on_cpu")
# What says nothing that is not known otherwise.
_KNOWN = re.compile(
    r"Started a compilation timeout timer of \d+ seconds\."
    r"|Compilation child process completed within timeout period\."
    r"|Compilation succeeded!"
    r"|See the operation log file for individual operation details\."
    r"|Model successfully compiled but not all operations are supported by the Edge "
    r"TPU\..*"
    r"|Searching for valid delegate with step \d+"
    r"|Try to compile segment with \d+ ops"
    r"|Intermediate tensors: .*"
)
# With -d, each attempt; what was said of the one before does not count any more.
_NEW_ATTEMPT = re.compile(r"Try to compile segment with \d+ ops")


@dataclass(frozen=True)
class Row:
    """One line of the table of operators.

    Attributes:
        operator: By the schema's name; "CUSTOM" whatever a custom one is called.
        count: How many of them.
        status: In the compiler's words.
    """

    operator: str
    count: int
    status: str


@dataclass(frozen=True)
class CompilerText:
    """What was read; None, "" or empty where nothing was said.

    Attributes:
        version: Of the compiler, in full.
        compile_ms: How long it took.
        input: Name of the model.
        output: Name of the compiled model.
        input_bytes: Size of the model, to two decimals of its unit as are all sizes.
        output_bytes: Size of the compiled model.
        on_chip_available_bytes: Room for parameters; compilers 1.0 and 2.0 only.
        on_chip_used_bytes: Taken by parameters.
        on_chip_remaining_bytes: Left over.
        streamed_bytes: Parameters that are sent again for every image.
        subgraphs: Pieces of the graph that run on the Edge TPU.
        operations: How many there are.
        on_edgetpu: How many are mapped; not said if all are.
        on_cpu: How many are not.
        log: Name of the log.
        rows: The table of operators.
        unknown: All other lines, in order.
    """

    version: str = ""
    compile_ms: int | None = None
    input: str = ""
    output: str = ""
    input_bytes: int | None = None
    output_bytes: int | None = None
    on_chip_available_bytes: int | None = None
    on_chip_used_bytes: int | None = None
    on_chip_remaining_bytes: int | None = None
    streamed_bytes: int | None = None
    subgraphs: int | None = None
    operations: int | None = None
    on_edgetpu: int | None = None
    on_cpu: int | None = None
    log: str = ""
    rows: tuple[Row, ...] = ()
    unknown: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns a dict that `json` can write."""
        content = {**vars(self), "unknown": list(self.unknown)}
        content["rows"] = [vars(row) for row in self.rows]
        return content


def parse_text(text: str) -> list[CompilerText]:
    """Reads stdout or a log of the compiler: one result a compiled model.

    Of a search for what compiles (-d), only the last attempt counts. Several models
    compiled together, or segments of one, follow each other.

    Args:
        text: Any text at all.

    Returns:
        At least one; the last one has what is said of the end.
    """
    parser = _Parser()
    for line in text.splitlines():
        if line.strip():
            parser.read(line.strip())
    return parser.results()


def parse_size(text: str) -> int | None:
    """Returns the bytes of "3.86MiB", "12.00KiB" or "0.00B"; None of anything else."""
    found = _SIZE.match(text.strip())
    if not found or len(found[1]) > _MOST_DIGITS:
        return None
    return round(float(found[1]) * _UNITS[found[2]])


class _Parser:
    """Reads line by line; a second model begins where a field comes again."""

    def __init__(self) -> None:
        self._done: list[CompilerText] = []
        self._values: dict[str, Any] = {}
        self._rows: list[Row] = []
        self._unknown: list[str] = []

    def read(self, line: str) -> None:
        if _NEW_ATTEMPT.match(line):
            self._forget_attempt()
        elif not (_KNOWN.match(line) or _HEADING.match(line)):
            read = self._read_version(line) or self._read_row(line)
            if not (read or self._read_time(line) or self._read_value(line)):
                self._unknown.append(line)

    def results(self) -> list[CompilerText]:
        if self._values or self._rows or self._unknown or not self._done:
            self._close()
        first, *others = self._done
        # Said once, before the first.
        version, compile_ms = first.version, first.compile_ms
        known = [replace(t, version=version, compile_ms=compile_ms) for t in others]
        return [first, *known]

    def _close(self) -> None:
        text = CompilerText(
            **self._values, rows=tuple(self._rows), unknown=tuple(self._unknown)
        )
        self._done.append(text)
        self._values, self._rows, self._unknown = {}, [], []

    def _forget_attempt(self) -> None:
        version = self._values.get("version", "")
        self._done, self._rows, self._unknown = [], [], []
        self._values = {"version": version} if version else {}

    def _read_version(self, line: str) -> bool:
        found = _VERSION.match(line)
        if found:
            self._values.setdefault("version", found[1])
        return bool(found)

    def _read_time(self, line: str) -> bool:
        found = _COMPILED.match(line)
        if found:
            self._values["compile_ms"] = _count(found[1])
        return bool(found)

    def _read_row(self, line: str) -> bool:
        found = _ROW.match(line)
        count = _count(found[2]) if found else None
        if found is None or count is None:
            return False
        self._rows.append(Row(found[1], count, found[3]))
        return True

    def _read_value(self, line: str) -> bool:
        found = _VALUE.match(line)
        name, is_size = _FIELDS.get(found[1], ("", False)) if found else ("", False)
        if found is None or not name:
            return False
        value: int | str | None = found[2]
        if is_size:
            value = parse_size(found[2])
        elif name in _COUNTS:
            value = _count(found[2])
        if value is None:
            return False
        if name == "input" and name in self._values:
            self._close()
        self._values[name] = value
        return True


def _count(digits: str) -> int | None:
    digits = digits.strip()
    known = digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS
    return int(digits) if known else None
