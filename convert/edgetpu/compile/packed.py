"""Reads what a compiler needs of a file that has an archive behind it."""

from pathlib import Path

from corallite.convert.tflite.compact import NAMES_FILE, restore_names
from corallite.convert.tflite.model import Model
from corallite.convert.tflite.reader import decode
from corallite.device.model.archive import ARCHIVE_ERRORS, split_archive
from corallite.device.system.errors import RequestError


def read_packed(path: Path, model: Model) -> dict[str, bytes]:
    """Returns the files in the archive, such as labels, without the tensors' names.

    Raises:
        RequestError: The archive is damaged.
    """
    try:
        packed = split_archive(bytes(model.content))[1]
    except ARCHIVE_ERRORS as error:
        raise RequestError(
            f"{path}: the archive behind the model is damaged ({error}). Create the "
            "file again."
        ) from error
    packed.pop(NAMES_FILE, None)
    return packed


def read_named(path: Path, model: Model) -> Model:
    """Returns a model with the names in it that compacting has archived.

    A compiled file tells by their names which operators stay on the CPU.

    Raises:
        RequestError: The names are damaged.
    """
    content = bytes(model.content)
    try:
        named = restore_names(content)
    except ValueError as error:
        raise RequestError(
            f"{path}: its {NAMES_FILE} is damaged. Create the file again."
        ) from error
    return model if named is content else decode(named)
