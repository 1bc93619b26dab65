"""When a second model is asked: a part of the manifest of the first one."""

from typing import Any, NamedTuple

from corallite.device.model.refusal import parse_count, parse_share
from corallite.device.model.text_bounds import require_short
from corallite.device.system.files import printable


class Cascade(NamedTuple):
    """How sure the first of two models must be; `convert.evaluate.cascade` fits it.

    Attributes:
        threshold: The least calibrated probability of the first model's most probable
            class at which the second is not asked, 0 to 1.
        second: The second model that it was fitted with, see `name_model`.
        second_hash: That of its files, see `hash_model`.
        accuracy: Top-1 of the cascade on the images it was fitted to, 0 to 1.
        second_accuracy: That of the second model alone.
        share: The share of these images for which the second model is asked, 0 to 1.
        photos: Their number.
    """

    threshold: float
    second: str
    second_hash: str
    accuracy: float = 0.0
    second_accuracy: float = 0.0
    share: float = 0.0
    photos: int = 0

    def to_json(self) -> dict[str, Any]:
        """Returns a dict for JSON; the reverse of `from_json`."""
        return self._asdict()

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Cascade":
        """Creates an object from the dict of `to_json`.

        Raises:
            KeyError, TypeError, ValueError, OverflowError: `content` is something else.
        """
        if not isinstance(content, dict):
            raise TypeError("its cascade is not an object")
        content = {**cls._field_defaults, **content}
        return cls(
            second=_text(content, "second"),
            second_hash=_text(content, "second_hash"),
            photos=parse_count(content["photos"]),
            threshold=parse_share(content["threshold"]),
            accuracy=parse_share(content["accuracy"]),
            second_accuracy=parse_share(content["second_accuracy"]),
            share=parse_share(content["share"]),
        )


def _text(content: dict[str, Any], name: str) -> str:
    return printable(require_short(str(content[name]), name))
