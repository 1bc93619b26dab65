"""Names the files that are given as weights and hold a model in another format."""

import struct
import zipfile
from pathlib import Path

_TFLITE_SIGNATURE = b"TFL3"
_ZIP_SIGNATURE = b"PK\x03\x04"
# A name in a zip archive that shows its kind, by its end.
_ZIP_KINDS = {
    "model.weights.h5": "a model of Keras 3",
    ".npy": "a NumPy archive",
}
# What zipfile raises for a damaged archive; the reader of checkpoints reports it.
_ZIP_ERRORS = (zipfile.BadZipFile, OSError, ValueError, RuntimeError, struct.error)
# Formats whose content has no signature.
_SUFFIX_KINDS = {
    ".onnx": "an ONNX model",
    ".safetensors": "a safetensors file",
    ".pb": "a TensorFlow graph",
}
_REMEDIES = {
    "a model of Keras 3": "load it with Keras and save it as HDF5, as in "
    "model.save('model.h5')",
}


def name_other_kind(path: Path, begin: bytes) -> str:
    """Returns the format of a file that is not one of weights; "" if it is unknown.

    Args:
        path: A file or a folder.
        begin: Its first 8 bytes.
    """
    if begin[4:] == _TFLITE_SIGNATURE:
        return "a TFLite model"
    if begin.startswith(_ZIP_SIGNATURE):
        return _name_zip(path)
    return _SUFFIX_KINDS.get(path.suffix.lower(), "")


def _name_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except _ZIP_ERRORS:
        return ""
    for end, kind in _ZIP_KINDS.items():
        if any(name.endswith(end) for name in names):
            return kind
    return "" if any(name.endswith("data.pkl") for name in names) else "a zip archive"


def suggest_other_file(kind: str) -> str:
    """Returns what to do about a file of a kind that `name_other_kind` names."""
    accepted = (
        "give a PyTorch checkpoint (.pth) of torchvision or EfficientNet-Lite0, an "
        ".h5 file of keras.applications, or the model.h5 of a run"
    )
    return "; or ".join(filter(None, [_REMEDIES.get(kind), accepted]))
