"""Writes model files: adds a manifest to a model, and packs a changed model.

Uses the generated schema in ai-edge-litert, which takes a second to load on a board:
modules that only read models never import this one.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from corallite.device.model import identifiers
from corallite.device.model.archive import ARCHIVE_ERRORS, append_archive, split_archive
from corallite.device.model.flatbuffer import DamagedError, Flatbuffer, Table
from corallite.device.model.manifest import LABELS_NAME, MANIFEST_NAME, Manifest
from corallite.device.model.metadata import Number, describe_metadata
from corallite.device.model.signature import ModelSignature, TensorSpec
from corallite.device.system.errors import RequestError

try:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema
except ImportError as error:
    raise RequestError(
        "Writing a model needs ai-edge-litert, which is not installed (32-bit Arm has "
        "none); write it on another machine."
    ) from error

# The schema's force_align of bytes, which the generated Python leaves out.
_ALIGNMENT = 16
_ARCHIVE_START = b"PK\x03\x04"
# Errors of the generated reader, on bytes that `flatbuffer` does not check.
_READ_ERRORS = (ValueError, TypeError, LookupError, struct.error)
_DTYPES = {0: "float32", 3: "uint8", 9: "int8"}
# The fields of each table that `flatbuffer` checks, by number, with their type: bytes,
# numbers by their letter in `struct`, a table, or (*) a vector of tables.
_FIELDS: dict[str, dict[int, str]] = {
    "Model": {
        **{1: "*OperatorCode", 2: "*SubGraph", 3: "bytes"},
        **{4: "*Buffer", 6: "*Metadata", 7: "*SignatureDef"},
    },
    "OperatorCode": {1: "bytes"},
    "SubGraph": {0: "*Tensor", 1: "i", 2: "i", 3: "*Operator", 4: "bytes"},
    "Tensor": {0: "i", 3: "bytes", 4: "QuantizationParameters", 7: "i"},
    "QuantizationParameters": {0: "f", 1: "f", 2: "f", 3: "q"},
    "Operator": {1: "i", 2: "i", 5: "bytes"},
    "Buffer": {0: "bytes"},
    "Metadata": {0: "bytes"},
    "SignatureDef": {0: "*TensorMap", 1: "*TensorMap", 2: "bytes"},
    "TensorMap": {0: "bytes"},
}
_METADATA_NAME = identifiers.TFLITE_METADATA_NAME.encode()


def attach_manifest(content: bytes, manifest: Manifest) -> bytes:
    """Returns a model file with `manifest` in it, in place of its former manifest.

    TFLite Metadata is written inside the model, JSON and labels into the archive behind
    it. Constants stay the same, byte by byte; other metadata and other files of the
    model are kept. The same arguments give the same bytes, also if repeated.

    Args:
        content: Content of a `.tflite` file.
        manifest: Its new manifest.

    Raises:
        ValueError: `content` is damaged, of a newer schema, or keeps its weights behind
            the flatbuffer.
    """
    model, files = unpack_file(content)
    try:
        _set_metadata(model, manifest)
    except DamagedError as error:
        raise ValueError(f"Expected `content` to be intact: {error}.") from error
    # A folder's name, which becomes a label, may hold line ends or invalid UTF-8.
    lines = [" ".join(label.splitlines()) + "\n" for label in manifest.labels]
    files[LABELS_NAME] = "".join(lines).encode(errors="replace")
    files[MANIFEST_NAME] = json.dumps(manifest.to_json(), indent=2).encode()
    return append_archive(pack(model), files)


def unpack_file(content: bytes) -> tuple[schema.ModelT, dict[str, bytes]]:
    """Returns a model as `unpack` does, and the files in the archive behind it.

    Args:
        content: Content of a `.tflite` file.

    Raises:
        ValueError: As `attach_manifest`.
    """
    try:
        flatbuffer, files = split_archive(content)
    except ARCHIVE_ERRORS as error:
        raise ValueError(
            f"Expected `content` to end in an intact archive or none: {error}."
        ) from error
    try:
        return unpack(flatbuffer), files
    except DamagedError as error:
        raise ValueError(f"Expected `content` to be intact: {error}.") from error


def unpack(content: bytes) -> schema.ModelT:
    """Returns a model as the schema's objects, whose arrays are views of `content`.

    Args:
        content: Content of a `.tflite` file, without the archive behind it.

    Raises:
        DamagedError: `content` is not intact.
        ValueError: It is of a newer schema, keeps its weights behind the flatbuffer, or
            has a truncated archive.
    """
    end = _check(content)
    try:
        model = schema.ModelT.InitFromPackedBuf(content)
    except _READ_ERRORS as error:
        raise DamagedError(str(error)) from error
    start = content.find(_ARCHIVE_START, end)
    if start >= 0:
        raise ValueError(
            "Expected `content` to end in an intact archive or none: the one at byte "
            f"{start} is cut short."
        )
    return model


def pack(model: schema.ModelT) -> bytes:
    """Returns the `.tflite` file of a model; equal vectors in it are written once."""
    builder = _SharingBuilder(1 << 20)
    builder.Finish(model.Pack(builder), identifiers.MODEL)
    return bytes(builder.Output())


def pack_tables(root: Mapping[int, Any], identifier: bytes) -> bytes:
    """Writes a flatbuffer of a schema for which there is no generated writer.

    Args:
        root: A table: its fields by their number in the schema. A field is a `Number`;
            a string; a table; a list of floats or of tables; or None, to leave it out.
        identifier: Four bytes that name the schema.
    """
    builder = flatbuffers.Builder()
    builder.Finish(_pack_part(builder, root), identifier)
    return bytes(builder.Output())


class _SharingBuilder(flatbuffers.Builder):
    """Writes equal vectors and strings once, such as zero points; aligns constants."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._written: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: np.ndarray) -> int:  # noqa: N802
        # A digest, because a copy of each constant would double the memory.
        key = x.dtype.str, hashlib.sha256(np.ascontiguousarray(x).data).digest()
        if key not in self._written:
            if x.dtype == np.uint8:
                self.Prep(_ALIGNMENT, x.size)
            self._written[key] = int(super().CreateNumpyVector(x))
        return self._written[key]

    def CreateString(self, s: str | bytes, *args: Any, **kwargs: Any) -> int:  # noqa: N802
        key = "", s.encode(errors="surrogatepass") if isinstance(s, str) else s
        if key not in self._written:
            self._written[key] = int(super().CreateString(s, *args, **kwargs))
        return self._written[key]


def _check(content: bytes) -> int:
    """Checks a model with `flatbuffer`; returns the end of its last byte.

    Raises:
        DamagedError: It is damaged.
        ValueError: The generated reader would lose some of it.
    """
    buffer = Flatbuffer(content)
    root = buffer.root()
    spans: set[tuple[int, int]] = set()
    _check_table(root, "Model", spans)
    # Written out, a megabyte that a thousand tables refer to becomes a gigabyte.
    if sum(size for _, size in spans) > len(content):
        raise DamagedError("its constants or names overlap")
    offsets = [table.number(1, "Q") for table in root.tables(4)]
    for graph in root.tables(2):
        offsets += [operator.number(9, "Q") for operator in graph.tables(3)]
    if max(offsets, default=0) > 1:
        raise ValueError(
            "Expected `content` to hold its weights, got a model that keeps them "
            "behind the flatbuffer; convert one below 2 GB."
        )
    return buffer.end


def _check_table(table: Table, name: str, spans: set[tuple[int, int]]) -> None:
    """Reads a table and those below it; adds the positions of bytes to `spans`."""
    known = len(vars(getattr(schema, f"{name}T")()))
    if table.field_count > known:
        raise ValueError(
            f"Expected a {name} of `content` to have up to {known} fields, got "
            f"{table.field_count}: its schema is newer; update ai-edge-litert."
        )
    for field, kind in _FIELDS[name].items():
        if kind == "bytes":
            spans.add(table.span(field))
        elif len(kind) == 1:
            table.numbers(field, kind)
        else:
            found = table.tables(field) if kind[0] == "*" else [table.table(field)]
            for each in filter(None, found):
                _check_table(each, kind.removeprefix("*"), spans)


def _pack_part(builder: flatbuffers.Builder, part: Any) -> int:
    """Writes a string, table or list; returns its offset."""
    if isinstance(part, str):
        return int(builder.CreateString(part, errors="replace"))
    if isinstance(part, Mapping):
        return _pack_table(builder, part)
    if all(isinstance(item, float) for item in part):
        return int(builder.CreateNumpyVector(np.array(part, "<f4")))
    offsets = [_pack_part(builder, item) for item in part]
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _pack_table(builder: flatbuffers.Builder, fields: Mapping[int, Any]) -> int:
    present = {slot: part for slot, part in fields.items() if part is not None}
    offsets = {
        slot: _pack_part(builder, part)
        for slot, part in present.items()
        if not isinstance(part, Number)
    }
    builder.StartObject(max(present, default=-1) + 1)
    for slot, part in present.items():
        if slot in offsets:
            builder.PrependUOffsetTRelativeSlot(slot, offsets[slot], 0)
        else:
            getattr(builder, f"Prepend{part.kind}Slot")(slot, part.value, None)
    return int(builder.EndObject())


def _set_metadata(model: schema.ModelT, manifest: Manifest) -> None:
    """Puts TFLite Metadata into a model, in place of former ones."""
    buffer = _find_metadata(model)
    if buffer is None:
        buffer, entry, name = schema.BufferT(), schema.MetadataT(), _METADATA_NAME
        others = [x for x in model.metadata or [] if x.name != name]
        model.buffers = [*(model.buffers or []), buffer]
        entry.name, entry.buffer = name, len(model.buffers) - 1
        model.metadata = [*others, entry]
    former = b"" if buffer.data is None else bytes(buffer.data)
    content = pack_tables(
        describe_metadata(manifest, _read_signature(model), former),
        identifiers.TFLITE_METADATA,
    )
    buffer.data = np.frombuffer(content, np.uint8)


def _find_metadata(model: schema.ModelT) -> schema.BufferT | None:
    """Returns the buffer of a model's metadata; None if there is none.

    Also None if the entry of that name holds something else: a tensor may share that
    buffer.
    """
    buffers = model.buffers or []
    for entry in model.metadata or []:
        if entry.name == _METADATA_NAME and entry.buffer < len(buffers):
            data = buffers[entry.buffer].data
            if data is not None and bytes(data[4:8]) == identifiers.TFLITE_METADATA:
                return buffers[entry.buffer]
    return None


def _read_signature(model: schema.ModelT) -> ModelSignature:
    """Returns the inputs and outputs of the first graph."""
    graph = model.subgraphs[0] if model.subgraphs else schema.SubGraphT()
    tensors = graph.tensors or []
    inputs, outputs = (
        tuple(_describe(tensors[n]) for n in _list(side) if 0 <= n < len(tensors))
        for side in (graph.inputs, graph.outputs)
    )
    return ModelSignature(inputs, outputs)


def _describe(tensor: schema.TensorT) -> TensorSpec:
    scales = _list(getattr(tensor.quantization, "scale", None))
    name, dtype = (tensor.name or b"").decode(errors="replace"), tensor.type
    scale = float(scales[0]) if scales else 0.0
    return TensorSpec(name, tuple(_list(tensor.shape)), _DTYPES.get(dtype, ""), scale)


def _list(vector: np.ndarray | None) -> list[Any]:
    return [] if vector is None else vector.tolist()
