"""Reads a `.tflite` file that may be damaged or hostile."""

import io
import itertools
import mmap
import stat
import zipfile
from pathlib import Path

from corallite.convert.tflite.compact import read_names
from corallite.convert.tflite.model import Graph, Model, Operator, Tensor
from corallite.convert.tflite.schema import OPTIONS, TENSOR_TYPES, name_of
from corallite.device.model import identifiers
from corallite.device.model.flatbuffer import DamagedError, Flatbuffer, Table
from corallite.device.system.errors import RequestError

# More than any operator supports; it bounds the time of products over dimensions.
_MAX_RANK = 32
# The archive with the manifest begins after at most this much padding.
_ARCHIVE_START = b"PK\x03\x04"
_ARCHIVE_WITHIN = 1 << 16


def read_model(path: str | Path) -> Model:
    """Reads the structure of a `.tflite` file; its weights are not read.

    The file stays mapped into memory while the model is in use: replace it by renaming
    another file, not by writing into it.

    Raises:
        RequestError: The file does not exist, is not a TFLite model, or is damaged.
    """
    content = _map(Path(path))
    try:
        return decode(content)
    except DamagedError as error:
        raise RequestError(
            f"{path}: is damaged ({error}). Copy or convert it again."
        ) from error


def decode(content: bytes | mmap.mmap) -> Model:
    """Returns the model in the bytes of a `.tflite` file.

    Tensors of a compacted file get their names from its archive.

    Raises:
        DamagedError: The bytes are truncated or not a valid model.
    """
    buffer = Flatbuffer(content)
    root = buffer.root()
    buffers = [_find_bytes(buffer, table) for table in root.tables(4)]
    codes = [_decode_code(table) for table in root.tables(1)]
    archived = itertools.chain(read_names(content), itertools.repeat([]))
    graphs = [
        _GraphDecoder(table, codes, buffers, names).graph()
        for table, names in zip(root.tables(2), archived, strict=False)
    ]
    if not graphs:
        raise DamagedError("it has no graph")
    model = Model(
        version=root.number(0, "I"),
        description=root.text(3),
        graphs=tuple(graphs),
        operator_codes=tuple((name, version) for name, version, _ in codes),
        metadata=_find_metadata(root.tables(6), buffers),
        content=content,
    )
    _check_archive(content, buffer.end)
    return model


def _map(path: Path) -> mmap.mmap:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "not a file"
            raise RequestError(f"{path}: is {kind}. Pass a .tflite file.")
        with path.open("rb") as file:
            start = file.read(8)
            if start[4:] == identifiers.MODEL:
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    # ValueError: a name with a null byte, or a file too large for 32-bit memory.
    except (OSError, ValueError) as error:
        detail = getattr(error, "strerror", None) or error
        raise RequestError(
            f"{path}: cannot be read ({detail}). Check its name."
        ) from error
    if not start:
        raise RequestError(f"{path}: is empty. Copy or convert it again.")
    raise RequestError(
        f"{path}: is not a TFLite model. Create one with: corallite convert."
    )


def _find_bytes(buffer: Flatbuffer, table: Table) -> tuple[int, int]:
    """Returns the position of a constant's bytes: (start, size)."""
    start, size = table.number(1, "Q"), table.number(2, "Q")
    # Files above 2 GB have them behind the flatbuffer. 1 is a placeholder.
    if start > 1:
        buffer.require(start, size)
        return start, size
    return table.span(0)


def _find_metadata(
    entries: list[Table], buffers: list[tuple[int, int]]
) -> dict[str, tuple[int, int]]:
    """Returns the position of each entry's bytes; of equal names, the first."""
    found: dict[str, tuple[int, int]] = {}
    for entry in entries:
        number = entry.number(1, "I")
        if number >= len(buffers):
            raise DamagedError(f"metadata use buffer {number}, which does not exist")
        found.setdefault(entry.text(0), buffers[number])
    return found


def _decode_code(table: Table) -> tuple[str, int, str]:
    """Returns the name, version and custom name of an operator type."""
    # The second field was added when the first was full.
    code = max(table.number(0, "b"), table.number(3, "i"))
    if code < 0:
        raise DamagedError(f"an operator has the code {code}")
    return name_of(code), table.number(2, "i", 1), table.text(1)


def _check_archive(content: bytes | mmap.mmap, end: int) -> None:
    """Raises if an archive behind the flatbuffer is truncated."""
    start = content.find(_ARCHIVE_START, end, end + _ARCHIVE_WITHIN)
    # An archive ends with its directory and a comment of at most 64 KB.
    tail = content[max(start, len(content) - (1 << 17)) :]
    if start >= 0 and not zipfile.is_zipfile(io.BytesIO(tail)):
        raise DamagedError(f"the archive at byte {start} behind the model is truncated")


class _GraphDecoder:
    """Decodes one graph, whose operators refer to its tensors by number."""

    def __init__(
        self,
        table: Table,
        codes: list[tuple[str, int, str]],
        buffers: list[tuple[int, int]],
        names: list[str],
    ) -> None:
        self._names = names
        self._table = table
        self._codes = codes
        self._buffers = buffers
        self._tensors = [
            self._tensor(index, table) for index, table in enumerate(table.tables(0))
        ]

    def graph(self) -> Graph:
        operators = [
            self._operator(index, table)
            for index, table in enumerate(self._table.tables(3))
        ]
        _check_order(operators)
        return Graph(
            tensors=tuple(self._tensors),
            operators=tuple(operators),
            inputs=tuple(t for t in self._refer(self._table, 1) if t is not None),
            outputs=tuple(t for t in self._refer(self._table, 2) if t is not None),
        )

    def _tensor(self, index: int, table: Table) -> Tensor:
        code = table.number(1, "b")
        if not 0 <= code < len(TENSOR_TYPES):
            raise DamagedError(f"tensor {index} has the unknown type {code}")
        name, bits = TENSOR_TYPES[code]
        number = table.number(2, "I")
        if number >= len(self._buffers):
            raise DamagedError(
                f"tensor {index} uses buffer {number}, which does not exist"
            )
        start, size = self._buffers[number]
        quantization = table.table(4)
        return Tensor(
            index=index,
            name=table.text(3) or self._archived_name(index),
            type=name,
            shape=_decode_shape(table, 0, index),
            signature=_decode_shape(table, 7, index),
            scales=quantization.numbers(2, "f") if quantization else (),
            zero_points=quantization.numbers(3, "q") if quantization else (),
            channel_axis=quantization.number(6, "i") if quantization else 0,
            element_bits=bits,
            start=start,
            size=size,
            is_variable=bool(table.number(5, "?")),
        )

    def _archived_name(self, index: int) -> str:
        name = self._names[index] if index < len(self._names) else ""
        # As `Table.text` returns a name that is not UTF-8.
        return name.encode(errors="surrogateescape").decode(errors="backslashreplace")

    def _operator(self, index: int, table: Table) -> Operator:
        kind = table.number(0, "I")
        if kind >= len(self._codes):
            raise DamagedError(
                f"operator {index} has type {kind}, which does not exist"
            )
        name, version, custom_code = self._codes[kind]
        options = table.table(4)
        return Operator(
            index=index,
            name=name,
            version=version,
            inputs=self._refer(table, 1),
            outputs=self._refer(table, 2),
            custom_code=custom_code,
            options={
                option: options.number(*place) if options else place[2]
                for option, place in OPTIONS.get(name, {}).items()
            },
        )

    def _refer(self, table: Table, field: int) -> tuple[Tensor | None, ...]:
        """Returns the tensors of a vector of tensor numbers; -1 is an omitted one."""
        numbers = table.numbers(field, "i")
        for number in numbers:
            if not -1 <= number < len(self._tensors):
                raise DamagedError(f"tensor {number} is used but does not exist")
        return tuple(self._tensors[n] if n >= 0 else None for n in numbers)


def _check_order(operators: list[Operator]) -> None:
    """Raises if an operator reads the output of itself or of a later one."""
    written_by: dict[int, int] = {}
    for operator in operators:
        for tensor in operator.written:
            written_by.setdefault(tensor.index, operator.index)
    for operator in operators:
        for tensor in operator.read:
            writer = written_by.get(tensor.index, -1)
            if writer >= operator.index and not tensor.is_variable:
                raise DamagedError(
                    f"operator {operator.index} reads the output of operator {writer} "
                    "before it is written"
                )


def _decode_shape(table: Table, field: int, index: int) -> tuple[int, ...]:
    shape = table.numbers(field, "i")
    if len(shape) > _MAX_RANK or min(shape, default=0) < -1:
        raise DamagedError(f"tensor {index} has an invalid shape")
    return shape
