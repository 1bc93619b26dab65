"""Translates the description of a model into one that Keras 2 builds.

A description is JSON; nothing is built here. Keras 3 writes shapes, types and links
between layers in another way, and settings that Keras 2 does not know.
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corallite.device.system.errors import RequestError
from corallite.train.adopt.file.links import (
    Entry,
    check_links,
    counts_from_one,
    translate_links,
)
from corallite.train.framework.keras import keras
from corallite.train.framework.model_config import find_unknown

MODELS = ("Functional", "Model", "Sequential")
# Settings of a layer with another name in Keras 2.
_RENAMED = {("LeakyReLU", "negative_slope"): "alpha"}
# These settings change nothing that a trained model predicts.
_IGNORED = ("optional", "quantization_config", "seed", "value_range", "lora_rank")
_OF_TRAINING = ("_initializer", "_regularizer", "_constraint")
_EMPTY = (None, False, "channels_last")


def translate(entry: Any, path: Path) -> Entry:
    """Returns the description of a model, as Keras 2 writes it.

    Every layer computes in float32, whatever it was trained in: int8 ranges are
    measured on it. Variables are float32 in mixed precision too.

    Args:
        entry: With "class_name" and "config"; of Keras 2 or 3.
        path: Of the file, for messages.

    Raises:
        RequestError: It has a setting that Keras 2 lacks, or channels come first.
        LookupError, TypeError, ValueError: It is damaged.
    """
    if entry["class_name"] not in MODELS:
        return _translate_layer(entry, path)
    config = entry["config"]
    if isinstance(config, list):  # A Sequential before Keras 2.2.
        config = {"layers": config}
    nested = {x["config"]["name"] for x in config["layers"] if counts_from_one(x)}
    layers = [_translate_node(layer, nested, path) for layer in config["layers"]]
    kept = ("name", "trainable", "input_layers", "output_layers")
    translated = {x: config[x] for x in kept if x in config} | {"layers": layers}
    if "input_layers" in translated:
        _translate_ends(translated, config["layers"], nested)
        check_links(translated)
    return {"class_name": entry["class_name"], "config": translated}


def _translate_node(layer: Entry, nested: set[str], path: Path) -> Entry:
    """Translates a layer of a model, with its links to others."""
    translated = translate(layer, path)
    if "inbound_nodes" in layer:
        nodes = [translate_links(node, nested) for node in layer["inbound_nodes"]]
        translated["inbound_nodes"] = nodes
    if "name" in layer:
        translated["name"] = layer["name"]
    return translated


def _translate_ends(config: Entry, layers: list[Entry], nested: set[str]) -> None:
    """Translates what `config` says of its input and output."""
    is_of_keras_3 = any(
        isinstance(node, dict) for x in layers for node in x.get("inbound_nodes", [])
    )
    for key in ("input_layers", "output_layers"):
        # Keras 3 writes a single tensor without a list around it.
        ends = [config[key]] if isinstance(config[key][0], str) else config[key]
        config[key] = [
            [name, use + (is_of_keras_3 and name in nested), number]
            for name, use, number in ends
        ]


def _translate_layer(entry: Entry, path: Path) -> Entry:
    name, config = entry["class_name"], dict(_simplify(entry["config"]))
    config = {x: y for x, y in config.items() if not x.endswith(_OF_TRAINING)}
    config.pop("dtype", None)
    if config.get("data_format") == "channels_first":
        raise RequestError(
            f"{path}: the layer {config.get('name')!r} has channels first, and photos "
            "have them last; build the model with data_format='channels_last'."
        )
    if "batch_shape" in config:
        config["batch_input_shape"] = config.pop("batch_shape")
    for (kind, former), newer in _RENAMED.items():
        if name == kind and former in config:
            config[newer] = config.pop(former)
    if find_unknown({"class_name": name}):  # Whether to build it is asked later.
        usual = {"function_type": "lambda"} if name == "Lambda" else {}
        return {"class_name": name, "config": {**usual, **config}}
    known = _list_settings(name)
    for key in [x for x in config if known and x not in known]:
        value = config.pop(key)
        if key not in _IGNORED and value not in _EMPTY:
            raise RequestError(
                f"{path}: the layer {config.get('name')!r} ({name}) has the setting "
                f"{key}={value!r}, which Keras 2 lacks; save the model without it."
            )
    return {"class_name": name, "config": config}


def _list_settings(name: str) -> set[str]:
    """Returns the settings of a layer of Keras; none if it is not one of Keras."""
    kind = getattr(keras.layers, name, None) if isinstance(name, str) else None
    if not inspect.isclass(kind):
        return set()
    known = {"batch_input_shape", "trainable", "name"}
    for base in kind.__mro__:
        if inspect.isfunction(vars(base).get("__init__")):
            known |= set(inspect.signature(vars(base)["__init__"]).parameters)
    return known


def _simplify(value: Any) -> Any:
    """Removes from objects in a setting what Keras 2 does not have."""
    if isinstance(value, list):
        return [_simplify(x) for x in value]
    if not isinstance(value, Mapping):
        return value
    if value.get("class_name") in ("__tuple__", "TensorShape"):
        return _simplify(value["items"])
    if value.get("class_name") == "__lambda__":
        inner = value["config"]
        return [inner["code"], inner.get("defaults"), inner.get("closure")]
    left_out = ("module", "registered_name", "shared_object_id", "build_config")
    is_object = "class_name" in value
    return {
        x: _simplify(y) for x, y in value.items() if not is_object or x not in left_out
    }
