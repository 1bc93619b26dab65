"""Writes the C++ sources of a model for TensorFlow Lite Micro."""

import math
import string
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from corallite.convert.micro.arena import Arena
from corallite.convert.micro.literals import (
    format_bytes,
    format_list,
    format_number,
    format_text,
)
from corallite.device.engine.pixels import pixel_table
from corallite.device.model.description.graph import read_graph
from corallite.device.model.manifest import Manifest
from corallite.device.model.refusal import Refusal
from corallite.device.model.signature import NHWC, ModelSignature, find_image
from corallite.device.system.errors import RequestError
from corallite.device.system.text import replace_unprintable

MODEL_SOURCE = "model_data.cc"
_NAMES = (MODEL_SOURCE, "model_data.h", "op_resolver.h", "main.cc")
_TEMPLATES = Path(__file__).parent / "templates"
_FITS = {
    "crop": "An image is cropped to this aspect ratio, then scaled.",
    "pad": "An image is scaled to fit, between black bars.",
    "stretch": "An image is scaled without regard to its aspect ratio.",
}
# The threshold of a class that is never named: no probability reaches it.
_NEVER = 2.0


def write_sources(
    content: bytes,
    manifest: Manifest,
    arena: Arena,
    methods: Sequence[str],
    path: str | Path,
) -> dict[str, bytes]:
    """Returns the content of each source by name, the model first.

    Args:
        content: A classifier with int8 or uint8 inputs and outputs, without the archive
            behind it.
        manifest: Of the classifier.
        arena: Its memory.
        methods: The methods of `MicroMutableOpResolver` that add its operators.
        path: Its name, for errors.

    Raises:
        RequestError: Its input does not take pixels as they are, or minus 128.
    """
    fields = {
        "title": _describe(manifest),
        "model_bytes": str(len(content)),
        "bytes": format_bytes(content),
        "activations": f"{arena.activations:,}",
        "structures": f"{arena.structures:,}",
        "arena_bytes": str(arena.reserved),
        "count": str(len(methods)),
        "operators": "\n".join(
            f"  TF_LITE_ENSURE_STATUS(resolver.{method}());" for method in methods
        ),
        **_describe_ports(read_graph(content, path).signature, manifest, path),
        **_describe_labels(manifest),
    }
    return {name: _fill(name, fields) for name in _NAMES}


def _fill(name: str, fields: dict[str, str]) -> bytes:
    template = string.Template((_TEMPLATES / name).read_text("utf-8"))
    return template.substitute(fields).encode()


def _describe(manifest: Manifest) -> str:
    """Returns the model's name and version for a comment of one line."""
    text = f"{manifest.model}, {manifest.version}"
    # A backslash at its end would continue the comment.
    return replace_unprintable(text).replace("\\", "/")


def _describe_ports(
    signature: ModelSignature, manifest: Manifest, path: str | Path
) -> dict[str, str]:
    layout = find_image(signature, path)
    (height, width), channels = layout.size_hw, layout.channels
    (image,), (scores,) = signature
    table = pixel_table(image, manifest.image.input_range, path)
    values = np.arange(256) if table is None else table.astype(np.int64)
    offset = int(-values[0])
    if layout.order != NHWC or not np.array_equal(values, np.arange(256) - offset):
        raise RequestError(
            f"{path}: its input ({image.dtype} {image.sizes}, scale {image.scale:.3g}) "
            "takes pixels neither as they are nor minus 128; convert it with: "
            "corallite convert."
        )
    return {
        "height": str(height),
        "width": str(width),
        "channels": str(channels),
        "image_bytes": str(math.prod((height, width, channels))),
        "colours": "RGB" if channels == 3 else "grey",
        "fit": _FITS[manifest.preprocessing.fit],
        "pixel_offset": str(offset),
        "input_type": image.dtype,
        "output_type": scores.dtype,
    }


def _describe_labels(manifest: Manifest) -> dict[str, str]:
    refusal = manifest.classes.refusal or Refusal()
    thresholds = (
        _NEVER if label == refusal.background else refusal.threshold_of(label)
        for label in manifest.labels
    )
    return {
        "label_count": str(len(manifest.labels)),
        "labels": format_list(map(format_text, manifest.labels)),
        "thresholds": format_list(map(format_number, thresholds)),
        "temperature": format_number(refusal.temperature),
    }
