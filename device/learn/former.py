"""Decides whether a taught model replaces the one before it."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from corallite.device.engine.runtime import read_model
from corallite.device.learn.head import Array
from corallite.device.learn.interval import sign_test
from corallite.device.model.archive import ARCHIVE_ERRORS, open_content, read_archived
from corallite.device.system.errors import RequestError
from corallite.device.system.storage import json_text

# The file in the archive of a taught model.
RECORD_NAME = "taught.json"
# The new model is rejected if the p-value of its losses is below this.
LEVEL = 0.05
_DIGITS = 32  # Of the SHA-256 of a photo.
# Of photos, for five folds; numbers beyond are damage.
_MOST_FOLDS = 1_000
_DAMAGE = (
    *(*ARCHIVE_ERRORS, AttributeError, KeyError, OverflowError, TypeError),
    RequestError,
)


class Comparison(NamedTuple):
    """Held-out predictions for photos that both models were taught with.

    Attributes:
        photos: Their number.
        gained: Number of photos that only the new model classifies correctly.
        lost: Number of photos that only the former model does.
        p_value: See `sign_test`.
    """

    photos: int
    gained: int
    lost: int
    p_value: float

    @property
    def is_fall(self) -> bool:
        """Whether the accuracy falls by more than chance explains."""
        return self.p_value < LEVEL


class Former(NamedTuple):
    """What a taught model records of its photos.

    Attributes:
        class_names: Its labels.
        photos: The held-out prediction and the fold of each photo, by the first 32
            hexadecimal digits of its SHA-256.
    """

    class_names: tuple[str, ...]
    photos: dict[str, tuple[int, int]]

    def find_folds(self, sha256: Array) -> Array:
        """Returns the fold of each photo, -1 for one that is not known.

        Args:
            sha256: uint8 `[n, 32]`, of each photo.
        """
        return np.array([self.photos.get(x, (0, -1))[1] for x in _names(sha256)])

    def compare(self, sha256: Array, predicted: Array, labels: Array) -> Comparison:
        """Compares with a new model of the same classes.

        Args:
            sha256: uint8 `[n, 32]`, of each photo.
            predicted: int `[n]`, held-out predictions of the new model.
            labels: int `[n]`, the classes that the photos have now.
        """
        rows = zip(_names(sha256), predicted.tolist(), labels.tolist(), strict=True)
        both = [
            (self.photos[name][0] == label, now == label)
            for name, now, label in rows
            if name in self.photos
        ]
        gained = sum(now and not before for before, now in both)
        lost = sum(before and not now for before, now in both)
        return Comparison(len(both), gained, lost, sign_test(gained, lost))


def record(
    class_names: tuple[str, ...], sha256: Array, predicted: Array, fold_of: Array
) -> bytes:
    """Returns what `read_former` reads; see `Former`."""
    values = zip(predicted.tolist(), fold_of.tolist(), strict=True)
    photos = dict(zip(_names(sha256), values, strict=True))
    return json.dumps({"labels": class_names, "photos": photos}).encode()


def name_former(model: Path) -> Path:
    """Returns where `teach` keeps the model before this one."""
    return model.with_name(f"{model.stem}.former{model.suffix}")


def read_former(path: Path) -> Former | None:
    """Reads the record of a taught model; None if there is no such file.

    Raises:
        RequestError: The file is something else, and must not be replaced.
    """
    if not path.exists():
        return None
    try:
        with open_content(path, read_model(path)) as file:
            text = read_archived(file, RECORD_NAME)
        if text is None:
            raise ValueError
        return _parse(json_text.parse(text))
    except _DAMAGE as error:
        raise RequestError(
            f"{path}: was not made by corallite teach, so it is not replaced; give "
            "another --model, or remove it."
        ) from error


def _parse(content: Any) -> Former:
    names = tuple(map(str, content["labels"]))
    photos = {
        str(name): (int(predicted), int(fold))
        for name, (predicted, fold) in content["photos"].items()
    }
    if any(not 0 <= fold < _MOST_FOLDS for _, fold in photos.values()):
        raise ValueError("a fold is not one")
    return Former(names, photos)


def _names(sha256: Array) -> list[str]:
    return [row.tobytes().hex()[:_DIGITS] for row in sha256]
