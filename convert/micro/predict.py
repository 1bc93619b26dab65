"""Runs a model with TensorFlow Lite Micro, and compares it with LiteRT.

TFLM's kernels are those that LiteRT calls its reference kernels. They give the same
numbers, bit by bit, but in dense layers: TFLM rounds a sum twice and LiteRT once. Of
1,000 images of Fashion-MNIST, that changed the scores of three, each by one step of a
logit. LiteRT's default kernels, XNNPACK, round other operators otherwise too.
"""

import dataclasses
from typing import Any

import numpy as np

from corallite.convert.tflite.reader import decode
from corallite.convert.tflite.truncate import truncate
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
        same_before_dense: Those for which the input of the first dense layer equals the
            reference kernels', bit by bit; without such a layer, the scores.
        same_scores: Those whose scores equal the reference kernels'.
        same_label: Those with the most probable label of LiteRT's default kernels.
        most_difference: The largest difference of a score from LiteRT's default
            kernels, in steps of the quantized output.
    """

    images: int
    same_before_dense: int
    same_scores: int
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
    litert_runner = litert.load(manifest.model, content=content)
    default = _predict(litert_runner, manifest, images_rgb_u8)
    same_scores = _count_equal(content, manifest, images_rgb_u8)
    before, same_before = cut_before_dense(content), same_scores
    if before is not content:
        same_before = _count_equal(before, manifest, images_rgb_u8)
    differences = np.abs(found.astype(np.int64) - default)
    return Agreement(
        len(found),
        same_before,
        same_scores,
        int((found.argmax(1) == default.argmax(1)).sum()),
        int(differences.max(initial=0)),
    )


def cut_before_dense(content: bytes) -> bytes:
    """Returns a model up to the input of its first dense layer.

    All of it, if it has no dense layer or begins with one.
    """
    operators = decode(content).main.operators
    dense = [x.index for x in operators if x.name == "FULLY_CONNECTED"]
    return truncate(content, dense[0]) if dense and dense[0] else content


def _count_equal(content: bytes, manifest: Manifest, images_rgb_u8: Array) -> int:
    """Counts images for which TFLM's outputs equal the reference kernels'."""
    runner = tflite_micro.load(manifest.model, content=content)
    reference = load_reference(content)
    encoder = PixelEncoder(manifest.image, runner.signature, manifest.model)
    count = 0
    for inputs in map(encoder.encode, images_rgb_u8):
        found, expected = runner.run(inputs), reference.run(inputs)
        count += all(np.array_equal(found[x], expected[x]) for x in expected)
    return count


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
    encoder = PixelEncoder(manifest.image, runner.signature, manifest.model)
    outputs = (runner.run(encoder.encode(pixels)) for pixels in images_rgb_u8)
    return np.concatenate([next(iter(x.values())) for x in outputs])
