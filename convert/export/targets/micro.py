"""The int8 file as C++ sources for TensorFlow Lite Micro."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corallite.convert.export.targets.target import Candidate, Target, is_int8
from corallite.convert.micro.arena import measure_arena
from corallite.convert.micro.operators import list_methods
from corallite.convert.micro.predict import Agreement, compare_with_litert
from corallite.convert.micro.sources import write_sources
from corallite.convert.tflite.compact import compact
from corallite.convert.tflite.reader import decode
from corallite.device.engine.runners.tflite_micro import strip
from corallite.device.model.manifest import Manifest, read_manifest
from corallite.device.system.errors import RequestError
from corallite.device.system.native_log import withholding_native_log
from corallite.train.data.load import ImageData
from corallite.train.runs.stage import Stage

# Images on which the outputs are compared: TFLM takes half a second for one of 224
# pixels.
_IMAGES = 8


def export(stage: Stage, data: ImageData, settings: Mapping[str, Any]) -> Candidate:
    """Writes the int8 file as C++; see `Target.export`.

    Raises:
        RequestError: TFLM lacks an operator, or computes other numbers than LiteRT's
            reference kernels before the first dense layer.
    """
    path = stage.model_path
    packed = path.read_bytes()
    manifest = read_manifest(path, packed)
    if manifest is None:
        raise RequestError(
            f"{path}: has no manifest; make it again with: corallite convert "
            "--overwrite."
        )
    content = strip(compact(packed))
    methods = list_methods(decode(content), path)
    arena = measure_arena(content, path)
    agreement = _compare(content, manifest, data, path)
    sources = write_sources(content, manifest, arena, methods, path)
    used = arena.activations + arena.structures
    record = {
        "arena": arena._asdict(),
        "flash_bytes": len(content),
        "operators": methods,
        "agreement": vars(agreement),
        "notes": [
            f"Flash: {len(content):,} bytes for the model, besides the code.",
            f"RAM: {arena.reserved:,} bytes for the arena, of which it used {used:,} "
            "here (8-byte pointers).",
            f"{len(methods)} kinds of operators, compared with LiteRT's reference "
            f"kernels on {agreement.images} images.",
        ],
    }
    return Candidate(sources, record=record)


def _compare(
    content: bytes, manifest: Manifest, data: ImageData, path: Path
) -> Agreement:
    """Compares TFLM with LiteRT on the first validation images.

    Raises:
        RequestError: They differ where they should not.
    """
    images = data.judging.images_rgb_u8[:_IMAGES]
    with withholding_native_log():
        agreement = compare_with_litert(content, manifest, images)
    if agreement.same_before_dense < agreement.images:
        raise RequestError(
            f"{path}: TensorFlow Lite Micro computes other numbers than LiteRT's "
            "reference kernels; install the versions of tflite-micro and "
            "ai-edge-litert that docs/runtimes.md names."
        )
    return agreement


TARGETS = (
    Target(
        "micro",
        "C++ sources of the int8 file for TensorFlow Lite Micro, with an example",
        accepts=is_int8,
        export=export,
        verified="tflite-micro on x86-64, and the example with g++ there",
        extra="micro",
        packages=("tflite_micro",),
    ),
)
