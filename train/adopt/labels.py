"""Reads the labels of a model's outputs, and finds those of the photos among them."""

import importlib.util
import json
import re
from collections.abc import Sequence
from pathlib import Path

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.device.system.storage import json_text

# The names of one output: "n01440764" and "tench" of ImageNet, or only one.
Names = tuple[str, ...]
# Files beside a model; the first is that of Teachable Machine, the second Frigate's.
_BESIDE = ("labels.txt", "labelmap.txt", "classes.txt", "class_names.txt")
# ImageNet's folders have the numbers of their nouns in WordNet. The package with the
# list, in the usual order of outputs, is one that keras-cv needs.
_WORDNET = re.compile(r"n\d{8}")
_IMAGENET = "tensorflow_datasets", "datasets/imagenet2012/labels.txt"
_IMAGENET_CLASSES = 1000
_NUMBERED = re.compile(r"(\d+)[\s:,]+(\S.*)")
_REMEDY = "give a file with one label per line, in the order of the outputs"
_SHOWN = 5


def find_labels_file(model: Path) -> Path | None:
    """Returns a file of labels beside a model; None if there is none."""
    found = (model.parent / name for name in _BESIDE)
    return next((path for path in found if path.is_file()), None)


def find_imagenet_labels(outputs: int, class_names: Sequence[str]) -> Path | None:
    """Returns the list of ImageNet's labels; None if the model has others.

    Args:
        outputs: How many the model has.
        class_names: The folders; all have to be numbers of WordNet, as "n01440764".
    """
    if outputs != _IMAGENET_CLASSES or not all(map(_WORDNET.fullmatch, class_names)):
        return None
    package, member = _IMAGENET
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / member
    return path if path.is_file() else None


def read_labels(path: Path) -> list[Names]:
    """Returns the names of each output.

    Args:
        path: Lines of text, with or without numbers from 0 ("0 cat"), or a JSON list,
            or a JSON object of numbers and names, such as Keras's file of ImageNet's.

    Raises:
        RequestError: It cannot be read, or is something else.
    """
    with files.reporting_unreadable(path, _REMEDY):
        content = files.read_limited(path)
    try:
        text = content.decode("utf-8-sig")
        if text.lstrip().startswith(("{", "[")):
            return _read_json(json_text.parse(text))
        return _read_lines(text)
    except (ValueError, LookupError, TypeError) as error:
        raise RequestError(f"{path}: is not a list of labels; {_REMEDY}.") from error


def find_columns(
    labels: Sequence[Names], class_names: Sequence[str], path: Path
) -> list[int]:
    """Returns the number of the output of each class.

    Case, spaces, hyphens and underscores are ignored.

    Raises:
        RequestError: A class has no label, or several.
    """
    columns = []
    for name in class_names:
        simple = _simplify(name)
        found = [i for i, names in enumerate(labels) if simple in map(_simplify, names)]
        if len(found) != 1:
            shown = ", ".join(names[0] for names in labels[:_SHOWN])
            more = ", ..." if len(labels) > _SHOWN else ""
            problem = "several labels" if found else "no label"
            raise RequestError(
                f"{path}: has {problem} for the folder {files.printable(name)!r} (it "
                f"has {shown}{more}); rename the folder or the label."
            )
        columns += found
    return columns


def _read_lines(text: str) -> list[Names]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    matches = [_NUMBERED.fullmatch(line) for line in lines]
    numbered = [match.groups() for match in matches if match]
    if [int(number) for number, _ in numbered] == list(range(len(lines))):
        lines = [name for _, name in numbered]
    if not lines:
        raise ValueError("empty")
    return [(line,) for line in lines]


def _read_json(content: object) -> list[Names]:
    if isinstance(content, dict):
        content = [content[str(number)] for number in range(len(content))]
    if not isinstance(content, list) or not content:
        raise ValueError(json.dumps(content)[:20])
    return [tuple(map(str, x)) if isinstance(x, list) else (str(x),) for x in content]


def _simplify(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()
