"""Reads PyTorch checkpoints without PyTorch, and without running code from them.

A checkpoint is a pickle, and a pickle can call any function. This reader allows only
the few names that a dictionary of tensors needs, and refuses all others before anything
is called. It reads both formats: the zip archive of PyTorch 1.6 and later, and the
older sequence of pickles and raw numbers, which many published weights still have.
"""

import collections
import dataclasses
import io
import math
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from corallite.device.system.errors import RequestError

_ZIP_SIGNATURE = b"PK\x03\x04"
# The first pickle of the older format.
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES: dict[str, np.dtype] = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
# What unpickling damaged or hostile bytes was seen to raise.
_UNPICKLING_ERRORS = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)

Tensors = dict[str, np.ndarray]


def read_checkpoint(path: Path) -> Tensors:
    """Reads a dictionary of tensors that `torch.save` wrote.

    Args:
        path: A `.pth` or `.pt` file: a state dict, or a dictionary that holds one under
            "state_dict" or "model".

    Returns:
        Arrays by name, in the order of the file, with the file's types and shapes.

    Raises:
        FileNotFoundError: There is no such file.
        RequestError: It is not a checkpoint, is damaged, or has objects other than
            tensors.
    """
    with path.open("rb") as file:
        try:
            is_zip = file.read(len(_ZIP_SIGNATURE)) == _ZIP_SIGNATURE
            content = _read_zip(file) if is_zip else _read_rows(file)
        except _UNPICKLING_ERRORS as error:
            raise RequestError(
                f"{path} is not a complete PyTorch checkpoint ({_first_line(error)}); "
                "give a state dict that torch.save wrote."
            ) from error
    return _named_tensors(content, path)


@dataclasses.dataclass
class _Storage:
    """The numbers of a tensor; in the older format they follow the tensors."""

    dtype: np.dtype
    numbers: np.ndarray | None = None


@dataclasses.dataclass
class _Tensor:
    """A view into a storage: offset, shape and strides, in numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def to_array(self) -> np.ndarray:
        numbers = self.storage.numbers
        last = self.offset + sum(
            (n - 1) * s for n, s in zip(self.shape, self.strides, strict=True)
        )
        if numbers is None or min((self.offset, *self.shape, *self.strides)) < 0:
            raise ValueError("a tensor has no storage")
        # The product also refuses a few numbers that are repeated until memory is full.
        if last >= len(numbers) > 0 or math.prod(self.shape) > len(numbers):
            raise ValueError("a tensor reaches beyond its storage")
        strides = [s * self.storage.dtype.itemsize for s in self.strides]
        view = np.lib.stride_tricks.as_strided(
            numbers[self.offset :], self.shape, strides, writeable=False
        )
        return view.copy()


class _TensorUnpickler(pickle.Unpickler):
    """Allows only the names that tensors need."""

    def __init__(self, file: BinaryIO, find_storage: Callable[..., _Storage]):
        super().__init__(file, encoding="utf-8")
        self._find_storage = find_storage

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _rebuild_parameter
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(
            f"it asks for {module}.{name}, which no tensor needs"
        )

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, count, *_ = pid
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError("it refers to something that is not a tensor")
        return self._find_storage(str(key), dtype, int(count))


def _rebuild_tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, *_: Any
) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor refers to no storage")
    return _Tensor(storage, int(offset), tuple(shape), tuple(strides))


def _rebuild_parameter(tensor: Any, *_: Any) -> Any:
    return tensor


def _read_zip(file: BinaryIO) -> Any:
    with zipfile.ZipFile(file) as archive:
        pickled = [n for n in archive.namelist() if n.endswith("data.pkl")]
        if len(pickled) != 1:
            raise ValueError(f"the archive holds {len(pickled)} files data.pkl, not 1")
        # torch.save does not compress; a few bytes must not unpack to gigabytes.
        if any(x.compress_type != zipfile.ZIP_STORED for x in archive.infolist()):
            raise ValueError("the archive is compressed")
        folder = pickled[0].removesuffix("data.pkl")
        if _read_if_there(archive, f"{folder}byteorder") == b"big":
            raise ValueError("it is big-endian")

        def find_storage(key: str, dtype: np.dtype, count: int) -> _Storage:
            data = archive.read(f"{folder}data/{key}")
            return _Storage(dtype, np.frombuffer(data, dtype, count))

        return _TensorUnpickler(
            io.BytesIO(archive.read(pickled[0])), find_storage
        ).load()


def _read_if_there(archive: zipfile.ZipFile, name: str) -> bytes:
    return archive.read(name) if name in archive.namelist() else b""


def _read_rows(file: BinaryIO) -> Any:
    storages: dict[str, _Storage] = {}

    def find_storage(key: str, dtype: np.dtype, count: int) -> _Storage:
        return storages.setdefault(key, _Storage(dtype))

    def load_next() -> Any:
        return _TensorUnpickler(file, find_storage).load()

    file.seek(0)
    if load_next() != _LEGACY_MAGIC:
        raise pickle.UnpicklingError("it does not start like one")
    load_next()  # The version of the protocol.
    load_next()  # About the machine that wrote it.
    content = load_next()
    for key in load_next():
        storage = storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        data = file.read(count * storage.dtype.itemsize)
        storage.numbers = np.frombuffer(data, storage.dtype, count)
    return content


def _named_tensors(content: Any, path: Path) -> Tensors:
    for name in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    if not isinstance(content, dict) or not content:
        raise RequestError(f"{path} holds no dictionary of tensors; give a state dict.")
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise RequestError(
                f"{path}: {name!r} is not a tensor; give a state dict and not a model."
            )
    try:
        return {name: tensor.to_array() for name, tensor in content.items()}
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        raise RequestError(f"{path} is damaged ({error}); get it again.") from error


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0] or type(error).__name__
