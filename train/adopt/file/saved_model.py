"""Reads the layers and the weights of a SavedModel of Keras 2, and not its graph.

The graph could read and write files when it runs. Keras 2 keeps the description of the
layers beside it, and the weights are a checkpoint.
"""

from pathlib import Path
from typing import Any

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.device.system.storage import json_text
from corallite.train.framework.keras import keras

_GRAPH, _LAYERS, _WEIGHTS = "saved_model.pb", "keras_metadata.pb", "variables/variables"


def is_saved_model(path: Path) -> bool:
    """Returns whether a folder is a SavedModel."""
    return (path / _GRAPH).is_file()


def read_config(path: Path) -> dict[str, Any]:
    """Returns the description of the model.

    Raises:
        RequestError: It has no layers: Keras 3 and TensorFlow write only the graph.
        OSError, ValueError: It is damaged.
    """
    if not (path / _LAYERS).is_file():
        raise RequestError(
            f"{path}: is a SavedModel without the layers of Keras; give the file of "
            "model.save('mine.keras')."
        )
    metadata = keras.protobuf.saved_metadata_pb2.SavedMetadata()
    try:
        metadata.ParseFromString(files.read_limited(path / _LAYERS, 64 << 20))
    except Exception as error:  # Of protobuf, which has no base to import.
        raise ValueError(str(error)) from error
    (root,) = (node for node in metadata.nodes if node.node_path == "root")
    content = json_text.parse(root.metadata)
    if content.get("class_name") is None or "layers" not in content.get("config", {}):
        raise RequestError(
            f"{path}: is a SavedModel of a class of its own; build the model of layers "
            "(Sequential or Functional) and save it again."
        )
    return {"class_name": content["class_name"], "config": content["config"]}


def load_weights(model: keras.Model, config: dict[str, Any], path: Path) -> None:
    """Gives the weights of the folder to the model that was built of its description.

    Raises:
        AssertionError: Weights are missing.
    """
    status = model.load_weights(str(path / _WEIGHTS))
    status.assert_existing_objects_matched()
    status.expect_partial()
