"""Runs OpenVINO's `.xml` files with OpenVINO on the CPU."""

import importlib
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from corallite.device.engine.file_kind import list_files
from corallite.device.engine.runner import Tensor
from corallite.device.engine.runtime import first_line
from corallite.device.model.signature import ModelSignature, TensorSpec
from corallite.device.system.errors import RequestError
from corallite.device.system.files import reporting_unreadable, require_regular
from corallite.device.system.text import cut

# Begin of lines that say where in OpenVINO's code an error is raised.
_NO_REASON = ("Exception from ", "Check '", "src/")
# Place of the manifest in the file's information about its origin.
MANIFEST_PLACE = ["corallite", "manifest"]
# Set in a file with weights of the whole int8 range: the sums of two products overflow
# on x86 CPUs without VNNI.
NEEDS_VNNI_PLACE = ["corallite", "needs_vnni"]


class OpenVinoRunner:
    """A `Runner` over a model that OpenVINO has compiled for this CPU."""

    def __init__(self, model: Any, compiled: Any) -> None:
        """Takes an `openvino.Model` and its `CompiledModel`."""
        self._request = compiled.create_infer_request()
        sides = compiled.inputs, compiled.outputs
        self.signature = ModelSignature(*(tuple(map(_describe, x)) for x in sides))
        self.manifest_text: str | None = None
        if model.has_rt_info(MANIFEST_PLACE):
            self.manifest_text = model.get_rt_info(MANIFEST_PLACE).astype(str)

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns a copy of each output, by name.

        Raises:
            RuntimeError: The model loads but does not run.
        """
        values = self._request.infer(dict(inputs)).values()
        names = (x.name for x in self.signature.outputs)
        return {x: np.array(y) for x, y in zip(names, values, strict=True)}


def read(path: str | Path) -> bytes:
    """Returns the content of a file and of the weights beside it.

    Raises:
        RequestError: One of the two cannot be read.
    """
    parts = []
    for part in list_files(path):
        with reporting_unreadable(part, "copy the .xml and the .bin file together"):
            require_regular(part)
            parts.append(part.read_bytes())
    return b"".join(parts)


def load(
    path: str | Path, num_threads: int = 1, content: bytes | None = None
) -> OpenVinoRunner:
    """Returns a runner of a file on the CPU.

    Args:
        path: A `.xml` file, with its `.bin` beside it.
        num_threads: Threads of one inference, at least 1.
        content: What `read` returned; OpenVINO itself reads the files again.

    Raises:
        RequestError: The file is damaged, or needs what this version does not have.
    """
    openvino = importlib.import_module("openvino")
    core = openvino.Core()
    # A file that is overwritten in place would end the process.
    core.set_property({"ENABLE_MMAP": False})
    settings: dict[str, Any]
    settings = {"INFERENCE_NUM_THREADS": num_threads, "PERFORMANCE_HINT": "LATENCY"}
    # Float is 32 bits in all runtimes; it would use bfloat16 if the CPU has it.
    settings["INFERENCE_PRECISION_HINT"] = "f32"
    try:
        model = core.read_model(str(path))
        if model.has_rt_info(NEEDS_VNNI_PLACE) and not _multiplies_exactly():
            # Computes the rounding of int8 in float.
            settings["LP_TRANSFORMS_MODE"] = "NO"
        return OpenVinoRunner(model, core.compile_model(model, "CPU", settings))
    except (RuntimeError, ValueError) as error:
        raise RequestError(
            f"{path}: cannot be run ({explain(error)}); copy it again with the .bin "
            "that belongs to it, convert it again, or update openvino."
        ) from error


def explain(error: Exception) -> str:
    """Returns the reason in an error of OpenVINO, which begins with other lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [x for x in lines if not x.startswith(_NO_REASON)]
    return cut(first_line(RuntimeError((reasons or lines or ["no reason"])[0])), 200)


def _multiplies_exactly() -> bool:
    """Tells whether products of int8 and uint8 do not overflow on this CPU."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return True
    try:
        return "vnni" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def _describe(port: Any) -> TensorSpec:
    sizes = [x.get_length() if x.is_static else -1 for x in port.partial_shape]
    if sizes and sizes[0] == -1:
        sizes[0] = 1
    dtype = np.dtype(port.element_type.to_dtype()).name
    name = min(port.names, default=port.node.friendly_name)
    return TensorSpec(name, tuple(sizes), dtype)
