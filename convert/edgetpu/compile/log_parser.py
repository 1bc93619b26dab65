"""Parses the Edge TPU compiler's output and logs, and finds why it failed.

The texts are from published logs and from issues of google-coral/edgetpu (i490 is its
issue 490), for compilers 1.0 to 16. Unknown lines are kept; no text raises an error.
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
# A number with more digits is not a count or a size.
_MOST_DIGITS = 15
# By the text before the colon. A field that ends in _bytes is a size.
_ON_CHIP = "On-chip memory {} for caching model parameters"
_FIELDS = {
    "Input": "input",
    "Input model": "input",
    "Output": "output",
    "Output model": "output",
    "Input size": "input_bytes",
    "Output size": "output_bytes",
    _ON_CHIP.format("available"): "on_chip_available_bytes",
    _ON_CHIP.format("used"): "on_chip_used_bytes",
    _ON_CHIP.format("remaining"): "on_chip_remaining_bytes",
    "Off-chip memory used for streaming uncached model parameters": "streamed_bytes",
    "Number of Edge TPU subgraphs": "subgraphs",
    "Total number of operations": "operations",
    "Number of operations that will run on Edge TPU": "on_edgetpu",
    "Number of operations that will run on CPU": "on_cpu",
    "Operation log": "log",
}
_COUNTS = ("subgraphs", "operations", "on_edgetpu", "on_cpu")
# Lines without new information.
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
# With -d, each attempt replaces the output of the one before.
_NEW_ATTEMPT = re.compile(r"Try to compile segment with \d+ ops")


@dataclass(frozen=True)
class Row:
    """One line of the table of operators.

    Attributes:
        operator: Type as in the schema; "CUSTOM" for all custom operators.
        count: Operators of this type with this status.
        status: As the compiler prints it.
    """

    operator: str
    count: int
    status: str


@dataclass(frozen=True)
class CompilerText:
    """The parsed output for one model; None, "" or empty for missing values.

    Attributes:
        version: Full version of the compiler.
        compile_ms: Compilation time.
        input: Name of the model.
        output: Name of the compiled model.
        input_bytes: Size of the model. Sizes have two decimals of their unit.
        output_bytes: Size of the compiled model.
        on_chip_available_bytes: Room for parameters; compilers 1.0 and 2.0 only.
        on_chip_used_bytes: Room that the parameters take.
        on_chip_remaining_bytes: Room left.
        streamed_bytes: Parameters that are sent again for every image.
        subgraphs: Subgraphs that run on the Edge TPU.
        operations: Operators in all.
        on_edgetpu: Mapped operators; not printed if all are.
        on_cpu: Operators that are not mapped.
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
    """Parses stdout or a log of the compiler: one result per compiled model.

    Of a search with -d, only the last attempt counts. Several models that were compiled
    together, or segments of one, follow each other.

    Args:
        text: Any text.

    Returns:
        At least one result; the last one contains the final messages.
    """
    parser = _Parser()
    for line in text.splitlines():
        if line.strip():
            parser.read(line.strip())
    return parser.results()


def parse_size(text: str) -> int | None:
    """Returns the bytes of "3.86MiB", "12.00KiB" or "0.00B"; None for other text."""
    found = _SIZE.match(text.strip())
    if not found or len(found[1]) > _MOST_DIGITS:
        return None
    return round(float(found[1]) * _UNITS[found[2]])


class _Parser:
    """Parses line by line; a line that names an input begins the next model."""

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
        # Printed once, before the first.
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
        name = _FIELDS.get(found[1]) if found else None
        if found is None or not name:
            return False
        value: int | str | None = found[2]
        if name.endswith("_bytes"):
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


@dataclass(frozen=True)
class Cause:
    """Why a compilation fails.

    Attributes:
        pattern: Regular expression for the error line.
        suggestion: What to do.
        is_retried: Whether another try may succeed.
        is_local: Whether one operator can be the cause; bisection then finds it.
    """

    pattern: str
    suggestion: str
    is_retried: bool = False
    is_local: bool = True

    def find(self, text: str) -> str:
        """Returns the line of `text` that matches; "" if none does."""
        lines = (line.strip() for line in text.splitlines())
        return next((line for line in lines if re.search(self.pattern, line)), "")


_STATIC = "convert with a batch of 1 and fixed sizes, so that all sizes are constants"
# The first match counts, so the specific causes come first.
CAUSES = (
    # i168, i213, i222, i313, i391
    Cause(
        r"Model not quantized",
        "convert to full int8: corallite convert",
        is_local=False,
    ),
    # i34, i45, i147, i152, i210, i340, i384, i631, i845, i879
    Cause(
        r"Didn't find op for builtin opcode|builtin_code out of range",
        "convert with options, or with an older TensorFlow, that give a lower operator "
        "version",
    ),
    # i718
    Cause(
        r"Regular TensorFlow ops are not supported|unresolved custom op|Flex[A-Z]",
        "convert without SELECT_TF_OPS",
    ),
    # i490, i512, i601
    Cause(
        r"large activation tensors",
        "use a smaller input, or leave the large operators to the CPU: "
        "--search_delegate",
    ),
    # i586, i829, i831
    Cause(r"dynamic-sized tensors", _STATIC),
    Cause(r"failed in Tflite interpreter", _STATIC),
    # i828
    Cause(
        r"is not supported on DarwiNN",
        "select channels by a 1x1 convolution, or slice them without strides",
    ),
    # i381
    Cause(
        r"operands don't have the same rank",
        "give both operands of a broadcast the same number of dimensions",
    ),
    # i47, i49, i92, i104, i148, i157, i173, i189, i190, i206, i211, i283, i365, i378,
    # i419
    Cause(
        r"Internal compiler error",
        "replace the operator, make its tensors smaller, or use another compiler",
        is_retried=True,
    ),
    Cause(r"Model could not be parsed", "convert the model again", is_local=False),
    Cause(r"Invalid model", "convert the model again", is_local=False),
)
TIMEOUT_SUGGESTION = (
    "increase --timeout_s, or leave the large operators to the CPU: --search_delegate"
)
UNKNOWN_SUGGESTION = "read its output; --search_delegate leaves more to the CPU"


def find_cause(text: str) -> Cause | None:
    """Returns the cause that a failed compiler prints; None if it is unknown."""
    return next((cause for cause in CAUSES if cause.find(text)), None)
