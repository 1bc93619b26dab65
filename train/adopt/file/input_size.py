"""Finds the size of a model's input, and sets it if it is not fixed."""

from pathlib import Path

from corallite.device.system.errors import RequestError
from corallite.train.adopt.file.translate import MODELS, Entry

_HINT = "give its height and width as --image_size=PIXELS"


def fix_input_size(model: Entry, image_size: int | None, path: Path) -> Entry:
    """Returns the description of a model whose input has a fixed size.

    Args:
        model: What `translate` returned.
        image_size: Height and width in pixels; None for those of the model.
        path: Of the file, for messages.

    Raises:
        RequestError: There are several inputs; the size is open and not given, or is
            fixed and another one is given; or it is not an image.
    """
    shape = _find_shape(model, path)
    if shape is None:
        if image_size is None:
            raise RequestError(f"{path}: does not say which size it takes; {_HINT}.")
        shape = [None, image_size, image_size, 3]
    if len(shape) != 4 or shape[3] not in (1, 3):
        raise RequestError(
            f"{path}: takes {_describe(shape)}, and an image is [height, width, 3], or "
            "1 for grey; give a model of images."
        )
    sides = [image_size if side is None else side for side in shape[1:3]]
    if None in sides:
        raise RequestError(f"{path}: takes images of any size; {_HINT}.")
    if image_size is not None and sides != [image_size, image_size]:
        raise RequestError(
            f"{path}: takes {sides[0]}x{sides[1]} pixels, not {image_size}; omit "
            "--image_size."
        )
    return _set_shape(model, [None, *sides, shape[3]])


def _describe(shape: list[int | None]) -> str:
    return f"[{', '.join('any' if x is None else str(x) for x in shape[1:])}]"


def _find_shape(model: Entry, path: Path) -> list[int | None] | None:
    """Returns [batch, height, width, channels]; None for what is open or unknown."""
    config = model["config"]
    if model["class_name"] not in MODELS:
        return config.get("batch_input_shape")
    if "input_layers" not in config:
        return _find_shape(config["layers"][0], path) if config["layers"] else None
    if len(config["input_layers"]) != 1 or len(config["output_layers"]) != 1:
        raise RequestError(
            f"{path}: has {len(config['input_layers'])} inputs and "
            f"{len(config['output_layers'])} outputs, and a classifier has one of "
            "each; give a model with one input and one output."
        )
    return _find_shape(_find_input(model), path)


def _find_input(model: Entry) -> Entry:
    config = model["config"]
    name = config["input_layers"][0][0]
    found: Entry = next(x for x in config["layers"] if x["config"]["name"] == name)
    return found


def _set_shape(model: Entry, shape: list[int | None]) -> Entry:
    config = model["config"]
    if "input_layers" in config:
        _find_input(model)["config"]["batch_input_shape"] = shape
        return model
    layers = config["layers"]
    if layers[0]["class_name"] == "InputLayer":
        layers = layers[1:]
    image = {"name": "photo", "batch_input_shape": shape}
    image_layer = {"class_name": "InputLayer", "config": image}
    return {**model, "config": {**config, "layers": [image_layer, *layers]}}
