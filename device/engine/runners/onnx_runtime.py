"""Runs `.onnx` files with ONNX Runtime on the CPU."""

import importlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corallite.device.engine.runner import Tensor
from corallite.device.engine.runtime import first_line
from corallite.device.model.signature import ModelSignature, TensorSpec
from corallite.device.system.errors import RequestError
from corallite.device.system.files import reporting_unreadable, require_regular
from corallite.device.system.text import cut

# Before it is imported: otherwise it writes an identifier of the machine into the cache
# folder.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Key of the manifest in the file's metadata.
MANIFEST_KEY = "corallite"
_WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
_CODES = r"^\[ONNXRuntimeError\] : \d+ : \w+ : (/\S+:\d+ )?"
_NUMPY_NAMES = {"float": "float32", "double": "float64", "float16": "float16"}


class OnnxRuntimeRunner:
    """A `Runner` over a session of ONNX Runtime."""

    def __init__(self, session: Any) -> None:
        """Takes an `InferenceSession`."""
        self._session = session
        sides = session.get_inputs(), session.get_outputs()
        self.signature = ModelSignature(*(tuple(map(_describe, x)) for x in sides))
        metadata = session.get_modelmeta().custom_metadata_map
        self.manifest_text: str | None = metadata.get(MANIFEST_KEY)

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns the outputs by name.

        Raises:
            RuntimeError: The model loads but does not run.
        """
        names = [x.name for x in self.signature.outputs]
        try:
            values = self._session.run(names, dict(inputs))
        except Exception as error:  # Its errors have no other base.
            raise RuntimeError(_explain(error)) from error
        return dict(zip(names, values, strict=True))


def read(path: str | Path) -> bytes:
    """Returns the content of a file.

    Raises:
        RequestError: It cannot be read.
    """
    with reporting_unreadable(path, "check its name"):
        require_regular(path)
        return Path(path).read_bytes()


def load(
    path: str | Path, num_threads: int = 1, content: bytes | None = None
) -> OnnxRuntimeRunner:
    """Returns a runner of a file on the CPU.

    Args:
        path: A `.onnx` file; its weights may be in files beside it.
        num_threads: Threads of one inference, at least 1.
        content: What `read` returned; by default it is read.

    Raises:
        RequestError: The file is damaged, or needs what this version does not have.
    """
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    # Errors only: it warns of each constant that it folds.
    options.log_severity_level = 3
    # Otherwise its threads use a whole core each between two images.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    # A large model has its weights in files beside it.
    beside = str(Path(path).absolute().parent)
    options.add_session_config_entry(_WEIGHTS_FOLDER, beside)
    content = read(path) if content is None else content
    try:
        session = runtime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
        return OnnxRuntimeRunner(session)
    except Exception as error:  # Its errors have no other base.
        raise RequestError(
            f"{path}: cannot be run ({_explain(error)}); copy or convert it again, "
            "or update onnxruntime."
        ) from error


def _explain(error: Exception) -> str:
    """Returns an error of ONNX Runtime without its codes and places."""
    return cut(re.sub(_CODES, "", first_line(error)), 200)


def _describe(tensor: Any) -> TensorSpec:
    # A free axis has a name or None; the first is the batch.
    sizes = [x if isinstance(x, int) else -1 for x in tensor.shape]
    if sizes and sizes[0] == -1:
        sizes[0] = 1
    kind = tensor.type.removeprefix("tensor(").removesuffix(")")
    return TensorSpec(tensor.name, tuple(sizes), _NUMPY_NAMES.get(kind, kind))
