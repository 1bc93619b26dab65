"""Reads, completes and compares what a stage was made from."""

import hashlib
import importlib.metadata
import json
import zipfile
from pathlib import Path
from typing import Any

from corallite.device.system.errors import RequestError
from corallite.device.system.storage import json_text
from corallite.train.runs.recipe import ADDED_FIELDS

_PACKAGES = (
    "corallite",
    "tensorflow",
    "tf-keras",
    "tensorflow-model-optimization",
    "keras-cv",
    "ai-edge-litert",
    "opencv-python-headless",
    "numpy",
)


def read_header(path: Path) -> dict[str, Any] | None:
    """Returns inputs, history and best epoch of a saved state; None if there is none.

    It does not use NumPy, so that a run can be read without it.

    Raises:
        RequestError: The file is damaged.
    """
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read("header.npy")
        # NumPy's format 1.0: from byte 8 the length of a preamble, then UTF-32.
        begin = 10 + int.from_bytes(content[8:10], "little")
        header = json_text.parse(content[begin:].decode("utf-32-le"))
        return {**header, "inputs": complete(header["inputs"])}
    except (TypeError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise damaged_state(path) from error


def damaged_state(path: Path) -> RequestError:
    """Returns the error of a training state that cannot be read."""
    return RequestError(
        f"{path} is damaged and the training cannot be resumed from it; remove the "
        "file to start this stage again."
    )


def package_versions() -> dict[str, str]:
    """Returns the installed versions of the packages that results depend on."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def hash_file(path: Path) -> str:
    """Returns the SHA-256 of a file's content in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def as_json(inputs: dict[str, Any]) -> dict[str, Any]:
    """Returns `inputs` as they are when read back: tuples become lists, and so on."""
    return json.loads(json.dumps(inputs))


def complete(inputs: dict[str, Any]) -> dict[str, Any]:
    """Returns recorded inputs, with the fields of the recipe that are newer."""
    if "recipe" not in inputs:
        return dict(inputs)
    return {**inputs, "recipe": {**ADDED_FIELDS, **inputs["recipe"]}}


def describe_difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Returns as text which settings of `new` differ from `old`; "" if none."""
    old, new = _flatten(old), _flatten(new)
    names = [n for n in new if old.get(n) != new[n] and n != "parent"]
    return ", ".join(f"{n} {old.get(n)}, now {new[n]}" for n in names)


def _flatten(inputs: dict[str, Any]) -> dict[str, Any]:
    """Moves the fields of the recipe and of the preprocessing to the top level."""
    flat: dict[str, Any] = {}
    for name, value in inputs.items():
        flat.update(value if isinstance(value, dict) else {name: value})
    return flat
