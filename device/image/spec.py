"""The settings of the preprocessing; `preprocess` applies them.

A separate module, so that reading a manifest does not load OpenCV, which takes a third
of a second and 200 MB of address space.
"""

from dataclasses import dataclass
from typing import Any

FITS = ("crop", "pad", "stretch")


@dataclass(frozen=True)
class Preprocessing:
    """How to fit an image of any size to the model's input.

    Attributes:
        size_hw: Height and width of the input in pixels, each at least 1.
        fit: "crop" crops the centre to the input's aspect ratio, "pad" keeps the whole
            image between black bars, "stretch" changes the aspect ratio.
    """

    size_hw: tuple[int, int]
    fit: str = "crop"

    def __post_init__(self) -> None:
        if len(self.size_hw) != 2 or min(self.size_hw) < 1:
            raise ValueError(
                "Expected `size_hw` to be a height and a width of at least 1, "
                f"got {self.size_hw!r}."
            )
        if self.fit not in FITS:
            raise ValueError(
                f"Expected `fit` to be one of {', '.join(FITS)}, got {self.fit!r}."
            )

    def to_json(self) -> dict[str, Any]:
        """Returns a dict for JSON; the reverse of `from_json`."""
        return {"size_hw": list(self.size_hw), "fit": self.fit}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Preprocessing":
        """Creates an object from the dict of `to_json`.

        Raises:
            KeyError, TypeError, ValueError: `content` is something else.
        """
        height, width = content["size_hw"]
        return cls((int(height), int(width)), content["fit"])
