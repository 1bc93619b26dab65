"""The named inputs and outputs of a model file, whatever runs it.

`find_image`, `find_classes` and `find_boxes` are the only places that know which
signatures can be served, and that name the others.
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

from corallite.device.model.tensors.boxes_output import BoxesOutput
from corallite.device.system.errors import RequestError

# The stored numbers of each quantized type.
LIMITS = {"uint8": (0, 255), "int8": (-128, 127), "int16": (-32768, 32767)}
DTYPES = ("uint8", "int8", "int16", "float32")
NHWC, NCHW, NHW = "NHWC", "NCHW", "NHW"
# How far the range of the pixels may be off the range that an input can hold, as a
# share of the latter. A calibrated range ends at the brightest pixel seen, not always
# at 255; a model trained on (-1, 1) and given (0, 1) is off by 0.5.
_RANGE_TOLERANCE = 0.25
# Of an input; the numbers of as many pixels take 200 MB as float32.
_MOST_PIXELS = 2**24


class TensorSpec(NamedTuple):
    """An input or an output of a model.

    Attributes:
        name: Unique among the inputs, and among the outputs.
        shape: The size of each axis; -1 if it is open, other than the batch.
        dtype: The name of its NumPy type, such as "int8".
        scale: A stored q is the number (q - zero_point) * scale; 0: not quantized.
        zero_point: See `scale`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0

    @property
    def sizes(self) -> str:
        """The shape as text, such as 1x?x?x3."""
        return "x".join("?" if n < 0 else str(n) for n in self.shape) or "scalar"

    @property
    def holds(self) -> tuple[float, float] | None:
        """The lowest and the highest real number of a quantized tensor."""
        if not self.scale or self.dtype not in LIMITS:
            return None
        least, most = LIMITS[self.dtype]
        return (
            (least - self.zero_point) * self.scale,
            (most - self.zero_point) * self.scale,
        )

    def takes(self, numbers: tuple[float, float]) -> bool:
        """Tells whether a quantized tensor is made for numbers of this range."""
        if self.holds is None:
            return False
        low, high = self.holds
        if self.dtype == "int16":
            # Symmetric: it says how far numbers reach, and not in which direction.
            numbers = low, max(map(abs, numbers))
        allowed = _RANGE_TOLERANCE * (high - low)
        return max(abs(low - numbers[0]), abs(high - numbers[1])) <= allowed


class ModelSignature(NamedTuple):
    """A model's inputs and outputs, each in the order of the file."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns a dict for JSON; the reverse of `from_json`."""
        inputs, outputs = ([spec._asdict() for spec in side] for side in self)
        return {"inputs": inputs, "outputs": outputs}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "ModelSignature":
        """Creates an object from the dict of `to_json`.

        Raises:
            KeyError, TypeError: `content` is something else.
        """
        inputs, outputs = (
            tuple(
                TensorSpec(**{**spec, "shape": tuple(spec["shape"])}) for spec in side
            )
            for side in (content["inputs"], content["outputs"])
        )
        return cls(inputs, outputs)


class ImageLayout(NamedTuple):
    """How the image of an input lies in memory.

    Attributes:
        size_hw: Height and width.
        channels: 3 for RGB, 1 for grey.
        order: `NHWC`, `NCHW`, or `NHW` for grey without an axis of channels.
    """

    size_hw: tuple[int, int]
    channels: int
    order: str


def find_image(signature: ModelSignature, path: str | Path) -> ImageLayout:
    """Returns the layout of a model's only input, an RGB or grey image.

    Raises:
        RequestError: It has another input, or several.
    """
    inputs = signature.inputs
    if len(inputs) != 1:
        raise RequestError(
            f"{path}: has {len(inputs)} inputs ({_list(inputs)}), but corallite gives "
            "it one image; convert it with that input only."
        )
    (spec,) = inputs
    if len(spec.shape) not in (3, 4):
        raise RequestError(
            f"{path}: takes {spec.sizes} ({spec.name!r}), which is not an image; give "
            "an image classifier, whose input is 1 x height x width x 3."
        )
    batch, *sizes = spec.shape
    if batch != 1:
        raise RequestError(
            f"{path}: takes {batch} images at once ({spec.sizes}); convert it with a "
            "batch of 1."
        )
    _require_type(spec, path)
    layout = _find_layout(sizes, spec, path)
    if math.prod(layout.size_hw) > _MOST_PIXELS:
        raise RequestError(
            f"{path}: takes images of {math.prod(layout.size_hw) / 1e6:.0f} megapixels "
            f"({spec.sizes}), of at most {_MOST_PIXELS / 1e6:.1f}; convert it with a "
            "smaller input."
        )
    return layout


def find_classes(signature: ModelSignature, path: str | Path) -> int:
    """Returns how many numbers a model's only output has.

    Raises:
        RequestError: It has several outputs, or one of another kind.
    """
    outputs = signature.outputs
    if _is_detection(outputs):
        raise RequestError(
            f"{path}: gives boxes ({_list(outputs)}), so it is an object detector; of "
            "these, corallite runs only those whose manifest says how to read them."
        )
    if len(outputs) != 1:
        raise RequestError(
            f"{path}: has {len(outputs)} outputs ({_list(outputs)}), but a classifier "
            "has one number for each class; convert it with that output only."
        )
    (spec,) = outputs
    if math.prod(spec.shape) != max(spec.shape, default=0):
        raise RequestError(
            f"{path}: gives {spec.sizes} ({spec.name!r}), not one number for each "
            "class; corallite runs classifiers only."
        )
    _require_readable(spec, path)
    return max(spec.shape)


def find_boxes(
    signature: ModelSignature, described: BoxesOutput, path: str | Path
) -> tuple[TensorSpec, TensorSpec]:
    """Returns the heatmap and the boxes among a model's outputs.

    Args:
        signature: The model's.
        described: The two outputs in the manifest.
        path: The model's file, for errors.

    Raises:
        RequestError: One is missing, or their shapes do not fit the manifest.
    """
    by_name = {spec.name: spec for spec in signature.outputs}
    missing = [x for x in (described.heatmap, described.boxes) if x not in by_name]
    if missing:
        raise RequestError(
            f"{path}: has no output {missing[0]!r} ({_list(signature.outputs)}), in "
            "which its manifest says that boxes are; convert the model again."
        )
    heatmap, boxes = by_name[described.heatmap], by_name[described.boxes]
    size_hw = find_image(signature, path).size_hw
    grid = [math.ceil(size / described.stride) for size in size_hw]
    for spec, depth in ((heatmap, len(described.labels)), (boxes, 4)):
        if spec.shape != (1, *grid, depth):
            raise RequestError(
                f"{path}: its output {spec.name!r} is {spec.sizes}, but its manifest "
                f"says {'x'.join(map(str, (1, *grid, depth)))}; convert the model "
                "again."
            )
        _require_readable(spec, path)
    return heatmap, boxes


def without_boxes(signature: ModelSignature, described: BoxesOutput) -> ModelSignature:
    """Returns a signature without the two outputs of `find_boxes`."""
    taken = described.heatmap, described.boxes
    others = tuple(spec for spec in signature.outputs if spec.name not in taken)
    return signature._replace(outputs=others)


def _find_layout(sizes: list[int], spec: TensorSpec, path: str | Path) -> ImageLayout:
    if len(sizes) == 2:
        return ImageLayout((sizes[0], sizes[1]), 1, NHW)
    first, middle, last = sizes
    if last in (1, 3):
        return ImageLayout((first, middle), last, NHWC)
    if first in (1, 3):
        return ImageLayout((middle, last), first, NCHW)
    channels = 4 if 4 in (first, last) else min(first, last)
    kind = "RGBA images" if channels == 4 else f"images of {channels} channels"
    raise RequestError(
        f"{path}: takes {kind} ({spec.sizes}), but corallite gives RGB (3 channels) or "
        "grey (1); convert it with one of these."
    )


def _is_detection(outputs: tuple[TensorSpec, ...]) -> bool:
    """Tells detectors: boxes, classes, scores and a count; or rows of boxes."""
    shapes = [spec.shape for spec in outputs]
    if len(shapes) > 1:
        return any(len(shape) == 3 and shape[-1] == 4 for shape in shapes)
    return any(len(shape) == 3 and min(shape[1:]) > 4 for shape in shapes)


def _require_type(spec: TensorSpec, path: str | Path) -> None:
    """Raises `RequestError` for a tensor of a type that we neither fill nor read."""
    if spec.dtype not in DTYPES:
        raise RequestError(
            f"{path}: tensor {spec.name!r} is {spec.dtype}, expected one of "
            f"{', '.join(DTYPES)}; convert the model with such a type."
        )


def _require_readable(spec: TensorSpec, path: str | Path) -> None:
    """Raises `RequestError` for an output whose numbers are unknown."""
    _require_type(spec, path)
    if spec.dtype in LIMITS and not spec.scale:
        raise RequestError(
            f"{path}: its output is {spec.dtype} without a scale, so that its values "
            "are unknown; convert the model again."
        )


def _list(specs: tuple[TensorSpec, ...]) -> str:
    shown = [f"{spec.name} {spec.sizes}" for spec in specs[:4]]
    return ", ".join(shown) + (" ..." if specs[4:] else "")
