"""An input that takes an image."""

from typing import Any, NamedTuple

from corallite.device.image.spec import Preprocessing
from corallite.device.model.tensors import fields


class ImageInput(NamedTuple):
    """An input that takes an image.

    Attributes:
        preprocessing: How an image becomes the input.
        colour_order: Of the last axis; always "RGB".
        input_range: The input values of pixels 0 and 255. Our models are trained on
            (0, 1), third-party models often on (-1, 1).
        name: What other tools show.
    """

    preprocessing: Preprocessing
    colour_order: str = "RGB"
    input_range: tuple[float, float] = (0.0, 1.0)
    name: str = "image"

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "ImageInput":
        """Creates an object from the dict of `to_json`."""
        content = {**cls._field_defaults, **content}
        low, high = content["input_range"]
        if content["colour_order"] != "RGB":
            raise ValueError("its colour order is not RGB")
        return cls(
            Preprocessing.from_json(content["preprocessing"]),
            fields.text(content, "colour_order"),
            (fields.finite(low), fields.finite(high)),
            fields.text(content, "name"),
        )

    def to_json(self) -> dict[str, Any]:
        """Returns a dict for JSON; the reverse of `from_json`."""
        return {
            "kind": "image",
            **self._asdict(),
            "preprocessing": self.preprocessing.to_json(),
        }
