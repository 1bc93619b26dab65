"""The settings of the preprocessing; `preprocess` applies them.

A separate module, so that reading a manifest does not load OpenCV, which takes a third
of a second and 200 MB of address space.
"""

from typing import Any, NamedTuple

FITS = ("crop", "pad", "stretch")


class Area(NamedTuple):
    """A rectangle of pixels."""

    top: int
    left: int
    height: int
    width: int


class Placement(NamedTuple):
    """Which pixels of an image are where in a model's input.

    Attributes:
        in_image: The area of the image that the model sees.
        in_input: Where this is in the input; the rest is black.
        image_hw: Height and width of the image.
    """

    in_image: Area
    in_input: Area
    image_hw: tuple[int, int]

    def to_input(
        self, left: float, top: float, right: float, bottom: float
    ) -> tuple[float, float, float, float]:
        """Returns a box of the image in pixels of the input; it may be outside."""
        source, target = self.in_image, self.in_input
        x_scale, y_scale = target.width / source.width, target.height / source.height
        return (
            (left - source.left) * x_scale + target.left,
            (top - source.top) * y_scale + target.top,
            (right - source.left) * x_scale + target.left,
            (bottom - source.top) * y_scale + target.top,
        )

    def to_image(
        self, left: float, top: float, right: float, bottom: float
    ) -> tuple[float, float, float, float]:
        """Returns a box of the input in pixels of the image, ending at its border.

        It may be larger than the area that the model sees, but one in the black bars
        becomes empty.
        """
        source, target, (height, width) = self.in_image, self.in_input, self.image_hw
        x_scale, y_scale = source.width / target.width, source.height / target.height
        return (
            _clip((left - target.left) * x_scale + source.left, width),
            _clip((top - target.top) * y_scale + source.top, height),
            _clip((right - target.left) * x_scale + source.left, width),
            _clip((bottom - target.top) * y_scale + source.top, height),
        )


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

    def place(self, image_hw: tuple[int, int]) -> Placement:
        """Returns where an image of this height and width is in the input."""
        (rows, columns), (height, width) = image_hw, self.size_hw
        # Relative to the input, the image is wider than high.
        is_wide = columns * height > rows * width
        whole, inside = Area(0, 0, rows, columns), Area(0, 0, height, width)
        if self.fit == "crop":
            kept_hw = (rows, _scale(rows, width, height))
            if not is_wide:
                kept_hw = (_scale(columns, height, width), columns)
            whole = _centre(kept_hw, image_hw)
        elif self.fit == "pad":
            used_hw = (_scale(width, rows, columns), width)
            if not is_wide:
                used_hw = (height, _scale(height, columns, rows))
            inside = _centre(used_hw, self.size_hw)
        return Placement(whole, inside, image_hw)

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


def _centre(inner_hw: tuple[int, int], outer_hw: tuple[int, int]) -> Area:
    (height, width), (rows, columns) = inner_hw, outer_hw
    return Area((rows - height) // 2, (columns - width) // 2, height, width)


def _scale(length: int, numerator: int, denominator: int) -> int:
    """Returns length * numerator / denominator, rounded, in integers, at least 1."""
    return max(1, (2 * length * numerator + denominator) // (2 * denominator))


def _clip(value: float, most: float) -> float:
    return min(max(value, 0.0), most)
