"""Runs a model with TensorFlow Lite Micro, and compares it with LiteRT.

TFLM's kernels are those that LiteRT calls its reference kernels, so the outputs are
the same, bit by bit. LiteRT's default kernels, XNNPACK, round some numbers otherwise.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from corallite.device.engine.pixels import PixelEncoder
from corallite.device.engine.runner import Runner
from corallite.device.engine.runners import litert, tflite_micro
from corallite.device.model.manifest import Manifest

Array = np.ndarray[Any, np.dtype[Any]]


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How TFLM and LiteRT agree.

    Attributes:
        images: Number of images.
        identical: Those whose outputs equal the reference kernels', bit by bit.
        same_label: Those with the most probable label of LiteRT's default kernels.
        most_difference: The largest difference of a score from LiteRT's default
            kernels, in steps of the quantized output.
    """

    images: int
    identical: int
    same_label: int
    most_difference: int


def predict_by_micro(content: bytes, manifest: Manifest, images_rgb_u8: Array) -> Array:
    """Returns TFLM's scores as the file gives them, quantized `[n, classes]`.

    Args:
        content: Content of a full-int8 `.tflite` file.
        manifest: Of the file.
        images_rgb_u8: uint8 `[n, height, width, 3]` of the input's size.

    Raises:
        RequestError: TFLM is not installed, or does not run the model.
    """
    runner = tflite_micro.load(manifest.model, content=content)
    return _predict(runner, manifest, images_rgb_u8)


def compare_with_litert(
    content: bytes, manifest: Manifest, images_rgb_u8: Array
) -> Agreement:
    """Compares the scores of TFLM with those of LiteRT; arguments as above.

    Raises:
        RequestError: As `predict_by_micro`.
    """
    found = predict_by_micro(content, manifest, images_rgb_u8)
    name = manifest.model
    reference = _predict(load_reference(content), manifest, images_rgb_u8)
    default = _predict(litert.load(name, content=content), manifest, images_rgb_u8)
    differences = np.abs(found.astype(np.int64) - default)
    return Agreement(
        len(found),
        int((found == reference).all(1).sum()),
        int((found.argmax(1) == default.argmax(1)).sum()),
        int(differences.max(initial=0)),
    )


def load_reference(content: bytes) -> Runner:
    """Returns a runner of a model with LiteRT's reference kernels."""
    # It takes a fifth of a second, which only a comparison needs.
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    return litert.LiteRtRunner(interpreter)


def _predict(runner: Runner, manifest: Manifest, images_rgb_u8: Array) -> Array:
    encoder = PixelEncoder(manifest.image, runner.signature, Path(manifest.model))
    outputs = (runner.run(encoder.encode(pixels)) for pixels in images_rgb_u8)
    return np.concatenate([next(iter(x.values())) for x in outputs])
