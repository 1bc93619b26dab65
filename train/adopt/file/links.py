"""The links between the layers of a described model: [layer, use, tensor, {}].

A layer that is used several times is linked by the number of the use. Keras 2 counts
the uses of a nested model from 1, because the model itself is its first use.
"""

from typing import Any

Entry = dict[str, Any]
_TENSOR = "__keras_tensor__"


def translate_links(node: Any, nested: set[str]) -> list[Any]:
    """Returns the links of one use of a layer, as Keras 2 writes them.

    Args:
        node: As Keras 2 or 3 writes it.
        nested: Names of the layers that Keras 2 counts from 1.

    Raises:
        LookupError, TypeError, ValueError: It is damaged.
    """
    if isinstance(node, list):
        return node
    if any(_is_tensor(x) for x in _flatten(list(node["kwargs"].values()))):
        raise ValueError("an input of a layer is given by name")
    return [_to_link(tensor, nested) for tensor in _flatten(node["args"])]


def counts_from_one(layer: Entry) -> bool:
    """Returns whether a layer is a model whose uses are counted from 1."""
    config = layer["config"]
    layers = config.get("layers", []) if isinstance(config, dict) else []
    return bool(layers) and layers[0]["class_name"] == "InputLayer"


def check_links(config: Entry) -> None:
    """Checks that every layer can be built after those that it is linked to.

    Keras would search for the missing ones forever.

    Args:
        config: Of a functional model of Keras 2.

    Raises:
        LookupError, TypeError, ValueError: A link leads nowhere, or in a circle.
    """
    waiting, built = {}, set()
    for layer in config["layers"]:
        first = int(counts_from_one(layer))
        nodes = layer.get("inbound_nodes", [])
        if layer["class_name"] == "InputLayer":
            built.add((layer["name"], 0))
        for use, node in enumerate(nodes, first):
            waiting[layer["name"], use] = {(name, number) for name, number, *_ in node}
    while waiting:
        ready = [user for user, links in waiting.items() if links <= built]
        if not ready:
            raise ValueError(f"the layer {next(iter(waiting))[0]!r} has no input")
        built.update(ready)
        for user in ready:
            del waiting[user]


def _to_link(tensor: Any, nested: set[str]) -> list[Any]:
    if not _is_tensor(tensor):
        raise ValueError("an input of a layer is not a tensor")
    name, use, number = tensor["config"]["keras_history"]
    return [name, use + (name in nested), number, {}]


def _is_tensor(value: Any) -> bool:
    return isinstance(value, dict) and value.get("class_name") == _TENSOR


def _flatten(values: Any) -> list[Any]:
    if not isinstance(values, list):
        return [values]
    return [x for value in values for x in _flatten(value)]
