"""Parses the inputs and outputs of a manifest, and brings format 1 up to date."""

from typing import Any

from corallite.device.model.tensors.boxes_output import BoxesOutput
from corallite.device.model.tensors.classes_output import ClassesOutput
from corallite.device.model.tensors.image_input import ImageInput

IMAGE_FIELDS = ("preprocessing", "colour_order", "input_range")


def upgrade(content: dict[str, Any]) -> dict[str, Any]:
    """Returns format 2 of a manifest of format 1."""
    image = {name: content[name] for name in IMAGE_FIELDS if name in content}
    classes = {"labels": content["labels"]}
    if "output" in content:
        classes["values"] = content["output"]
    inputs = [{"kind": "image", **image}]
    outputs = [{"kind": "classes", **classes}]
    return {**content, "inputs": inputs, "outputs": outputs}


def parse_inputs(items: list[dict[str, Any]]) -> tuple[ImageInput, ...]:
    """Parses inputs; raises what `parse_outputs` does."""
    return _parse_all(items, image=ImageInput)


def parse_outputs(
    items: list[dict[str, Any]],
) -> tuple[ClassesOutput | BoxesOutput, ...]:
    """Parses outputs.

    Raises:
        AttributeError, KeyError, TypeError, ValueError, OverflowError: `items` are
            something else.
    """
    outputs = _parse_all(items, classes=ClassesOutput, boxes=BoxesOutput)
    kinds = [item["kind"] for item in items]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise ValueError(f"it lists {kind} twice")
    return outputs


def _parse_all(items: list[dict[str, Any]], **type_of: Any) -> tuple[Any, ...]:
    """Parses inputs or outputs by their kind."""
    if not items:
        raise ValueError("it lists no inputs or no outputs")
    unknown = {str(item["kind"]) for item in items} - set(type_of)
    if unknown:
        raise ValueError(f"the kind {min(unknown)!r} is unknown; update corallite")
    return tuple(type_of[item["kind"]].from_json(item) for item in items)
