"""The registry of export targets."""

import importlib
import textwrap
from collections.abc import Iterable, Sequence

from corallite.convert.export.targets.target import Target
from corallite.device.system.errors import RequestError

# The module of each target, which is imported on demand: it has `TARGETS`.
_PACKAGE = "corallite.convert.export.targets."
_HARDWARE = "corallite.convert.export.hardware."
MODULES = {
    "int8": f"{_PACKAGE}int8",
    "features": f"{_PACKAGE}features",
    "tflite_int8": f"{_PACKAGE}tflite_forms",
    "tflite_float": f"{_PACKAGE}tflite_forms",
    "tflite_float16": f"{_PACKAGE}tflite_forms",
    "tflite_dynamic": f"{_PACKAGE}tflite_forms",
    "tflite_int16x8": f"{_PACKAGE}tflite_forms",
    "saved_model": f"{_PACKAGE}saved_model",
    "onnx": f"{_PACKAGE}onnx",
    "onnx_int8": f"{_PACKAGE}onnx",
    "openvino": f"{_PACKAGE}openvino",
    "openvino_int8": f"{_PACKAGE}openvino",
    "openvino_tflite": f"{_PACKAGE}openvino",
    "cpp": f"{_PACKAGE}cpp",
    "mediapipe": f"{_PACKAGE}mediapipe",
    "browser": f"{_PACKAGE}browser",
    "micro": f"{_PACKAGE}micro",
    "ethos_u": f"{_HARDWARE}ethos_u",
    "frigate": f"{_PACKAGE}frigate",
    "rknn": f"{_HARDWARE}rknn",
    "imx500": f"{_HARDWARE}imx500",
    "tensorrt": f"{_HARDWARE}tensorrt",
    "ascend": f"{_HARDWARE}vendor_commands",
    "hailo": f"{_HARDWARE}vendor_commands",
    "torq": f"{_HARDWARE}vendor_commands",
}


def find_target(name: str) -> Target:
    """Returns a target.

    Raises:
        RequestError: There is none of that name.
    """
    if name not in MODULES:
        raise RequestError(f"Expected a target of {', '.join(MODULES)}, got {name!r}.")
    targets = importlib.import_module(MODULES[name]).TARGETS
    found: Target = next(x for x in targets if x.name == name)
    return found


def list_targets() -> list[Target]:
    """Returns all targets."""
    return [find_target(name) for name in MODULES]


def refuse_unknown_options(options: Iterable[str], targets: Sequence[Target]) -> None:
    """Raises `RequestError` for the name of an option that none of the targets has."""
    for option in options:
        if not any(_takes(target, option) for target in targets):
            names = ", ".join(x.name for x in list_targets() if _takes(x, option))
            raise RequestError(f"--{option} is for --to={names}; leave it out.")


def _takes(target: Target, option: str) -> bool:
    return bool(target.methods) if option == "method" else option in target.options


def format_targets(targets: Sequence[Target]) -> str:
    """Returns a list of targets for a terminal of 80 columns."""
    indent = 2 + max(len(target.name) for target in targets)
    return "\n".join(
        textwrap.fill(
            f"{target.name:<{indent}}{_describe(target)}",
            width=79,
            subsequent_indent=" " * indent,
            break_on_hyphens=False,
        )
        for target in targets
    )


def _describe(target: Target) -> str:
    need = f"; needs {target.install}" if target.install else ""
    return f"{target.summary}{need}. Verified: {target.verified}."
