"""Opens a Keras model of any format without executing code of its file."""

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.device.system.text import cut
from corallite.train.adopt.file import hdf5, keras_archive, saved_model
from corallite.train.adopt.file.input_size import fix_input_size
from corallite.train.adopt.file.translate import translate
from corallite.train.framework.keras import keras, tf
from corallite.train.framework.model_config import find_unknown
from corallite.train.weights.other_kinds import name_other_kind

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_ACCEPTED = "give a model that Keras saved: .keras, .h5 or a SavedModel"
# What h5py, zipfile and Keras were seen to raise for damaged files.
_ERRORS = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError),
    *(MemoryError, AssertionError, EOFError, zipfile.BadZipFile, tf.errors.OpError),
)
_MOST_DETAIL = 200


def open_model(
    path: Path, *, image_size: int | None = None, is_trusted: bool = False
) -> keras.Model:
    """Builds the model of a file, and gives it the file's weights.

    Args:
        path: A `.keras` or `.h5` file, or the folder of a SavedModel.
        image_size: Height and width of the input, if the model leaves them open.
        is_trusted: Build layers that execute code of the file too.

    Returns:
        A model of Keras 2 with one input `[batch, height, width, 3 or 1]`, float32.

    Raises:
        RequestError: It is not such a file, is damaged, cannot be built, or has a class
            that could execute code and is not trusted.
    """
    reader = _find_reader(path)
    with _reporting_damage(path):
        config = reader.read_config(path)
        described = fix_input_size(translate(config, path), image_size, path)
        unknown = find_unknown(described)
        if unknown and not is_trusted:
            raise RequestError(
                f"{path}: has {unknown}, which could execute code, so nothing of it "
                "was executed; replace that layer, or add --trust if you trust it."
            )
        # The newer format refuses a Lambda, also a trusted one.
        model = keras.layers.deserialize(described, use_legacy_format=bool(unknown))
        reader.load_weights(model, config, path)
    _require_numbers(model, path)
    return model


def _find_reader(path: Path) -> ModuleType:
    with files.reporting_unreadable(path, _ACCEPTED):
        files.require_regular(path)
        if path.is_dir():
            if saved_model.is_saved_model(path):
                return saved_model
            raise RequestError(f"{path}: is a folder without a model; {_ACCEPTED}.")
        with path.open("rb") as file:
            begin = file.read(len(_HDF5_SIGNATURE))
        if begin == _HDF5_SIGNATURE:
            return hdf5
        if keras_archive.is_archive(path):
            return keras_archive
    kind = name_other_kind(path, begin) or "not a model of Keras"
    raise RequestError(f"{path}: is {kind}; {_ACCEPTED}.")


@contextlib.contextmanager
def _reporting_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except _ERRORS as error:
        reason = cut(str(error).split("\n")[0] or repr(error), _MOST_DETAIL)
        raise RequestError(
            f"{path}: Keras cannot build its model ({reason}); save it again, or "
            "replace the layer that this names."
        ) from error


def _require_numbers(model: keras.Model, path: Path) -> None:
    for weight in model.weights:
        if weight.dtype.is_floating and not bool(
            tf.reduce_all(tf.math.is_finite(weight))
        ):
            raise RequestError(
                f"{path}: the weight {weight.name!r} has values that are not numbers; "
                "train the model again."
            )
