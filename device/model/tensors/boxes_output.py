"""Two outputs that tell where objects are: a heatmap and boxes."""

from typing import Any, NamedTuple

from corallite.device.model.tensors import fields

# A cell is never larger than the images that we train on.
_MOST_STRIDE = 256
_MOST_BOXES = 1000


class BoxesOutput(NamedTuple):
    """Boxes of objects, from two tensors over a grid of cells.

    Each cell has `stride` x `stride` pixels of the input. Both tensors have values from
    0 to 1 (Zhou et al. 2019, "Objects as Points", arXiv:1904.07850, with one map of
    boxes for all labels).

    Attributes:
        labels: The name of each kind of object, in order.
        heatmap: The name of the tensor `[1, rows, columns, labels]`: the probability
            that an object of the label has the centre of its box in the cell.
        boxes: The name of the tensor `[1, rows, columns, 4]`: the place of the centre
            in the cell, x and y, as a share of the stride; then width and height of the
            box as a share of those of the input.
        stride: Height and width of a cell in pixels of the input.
        threshold: The least probability of a box, 0 to 1.
        most: The largest number of boxes of an image; the most probable stay.
    """

    labels: tuple[str, ...]
    heatmap: str = "heatmap"
    boxes: str = "boxes"
    stride: int = 8
    threshold: float = 0.3
    most: int = 100

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "BoxesOutput":
        """Creates an object from the dict of `to_json`.

        Raises:
            KeyError, TypeError, ValueError: `content` is something else.
        """
        content = {**cls._field_defaults, **content}
        found = cls(
            fields.labels(content),
            fields.text(content, "heatmap"),
            fields.text(content, "boxes"),
            fields.whole(content, "stride", 1, _MOST_STRIDE),
            fields.finite(content["threshold"]),
            fields.whole(content, "most", 1, _MOST_BOXES),
        )
        if not found.labels:
            raise ValueError("its boxes have no labels")
        if found.heatmap == found.boxes:
            raise ValueError("its heatmap and its boxes are the same output")
        if not 0 <= found.threshold <= 1:
            raise ValueError(f"the threshold {found.threshold} is not from 0 to 1")
        return found

    def to_json(self) -> dict[str, Any]:
        """Returns a dict for JSON; the reverse of `from_json`."""
        return {"kind": "boxes", **self._asdict()}
