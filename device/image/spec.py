"""The settings of the preprocessing; `preprocess` applies them.

A separate module, so that reading a manifest does not load OpenCV, which takes a third
of a second and 200 MB of address space.
"""

from typing import Any, NamedTuple

FITS = ("crop", "pad", "stretch")


class _Settings(NamedTuple):
    size_hw: tuple[int, int]
    fit: str


class Preprocessing(_Settings):
    """How to fit an image of any size to the model's input.

    Attributes:
        size_hw: Height and width of the input in pixels, each at least 1.
        fit: "crop" crops the centre to the input's aspect ratio, "pad" keeps the whole
            image between black bars, "stretch" changes the aspect ratio.
    """

    __slots__ = ()

    def __new__(cls, size_hw: tuple[int, int], fit: str = "crop") -> "Preprocessing":
        """Checks the settings.

        Raises:
            ValueError: One of them is not valid.
        """
        if len(size_hw) != 2 or min(size_hw) < 1:
            raise ValueError(
                "Expected `size_hw` to be a height and a width of at least 1, "
                f"got {size_hw!r}."
            )
        if fit not in FITS:
            raise ValueError(
                f"Expected `fit` to be one of {', '.join(FITS)}, got {fit!r}."
            )
        return super().__new__(cls, size_hw, fit)

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
