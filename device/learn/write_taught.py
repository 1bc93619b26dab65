"""Adds a head to a features file: the result is an ordinary int8 classifier."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from corallite.device.engine.classifier import Classifier
from corallite.device.engine.runners import litert
from corallite.device.learn.features_file import FeaturesFile
from corallite.device.learn.head import Array, Head
from corallite.device.model import selftest
from corallite.device.model.archive import (
    ARCHIVE_ERRORS,
    append_archive,
    split_archive,
)
from corallite.device.model.cpu_fallback import name_compiled
from corallite.device.model.flatbuffer import DamagedError
from corallite.device.model.manifest import ClassesOutput, Manifest
from corallite.device.model.refusal import Refusal
from corallite.device.system.errors import RequestError

# Versions of the operators with int8 inputs and outputs.
_FULLY_CONNECTED_VERSION = 4
_SOFTMAX_VERSION = 2
# TFLite's specification of an int8 softmax fixes its output.
_PROBABILITY = (1 / 256, -128)


def write_taught(
    features: FeaturesFile,
    head: Head,
    embedded: Array,
    manifest: Manifest,
    attached: dict[str, bytes],
) -> tuple[bytes, bytes | None]:
    """Returns the contents of the model file and of the file for the Edge TPU.

    Both are `.tflite` files with a manifest; the first is full-int8. In the second, the
    head follows the compiled operator and runs on the CPU. It is None if the features
    file is not compiled.

    Args:
        features: The network before the head.
        head: The head.
        embedded: float `[n, size]`, features of photos. The range of their logits
            gives the quantization of the logits.
        manifest: The manifest of the result, without self-test.
        attached: Other files for the archive behind the model, by name.

    Raises:
        RequestError: This machine has no package that can write models, or the compiled
            file has other features.
    """
    # Not at the top: the schema takes a second to load on a board, and 32-bit Arm has
    # none.
    from corallite.device.model.write import attach_manifest

    with _reporting_damage(features.path):
        content = _append_head(features.content, features, head, embedded)
    content = append_archive(content, attached)
    name = str(features.path)
    runner = litert.load(name, content=content)
    opened = Classifier(name, manifest=manifest, runner=runner)
    manifest = manifest._replace(selftest=selftest.record(opened))
    compiled = None
    if features.compiled is not None:
        with _reporting_damage(name_compiled(features.path)):
            compiled = _append_head(features.compiled, features, head, embedded)
            compiled = attach_manifest(compiled, manifest)
    return attach_manifest(content, manifest), compiled


def describe_taught(
    features: FeaturesFile,
    class_names: tuple[str, ...],
    photos: Array,
    accuracy: float | None,
    refusal: Refusal | None = None,
) -> Manifest:
    """Returns the manifest of a taught model.

    Args:
        features: The network before the head.
        class_names: The labels.
        photos: uint8 `[n, 32]`, SHA-256 of each photo.
        accuracy: On held-out photos, 0 to 1; None if unknown.
        refusal: When the label is unknown; None: never.
    """
    fingerprint = hashlib.sha256(photos.tobytes()).hexdigest()
    return features.manifest._replace(
        version=f"taught {fingerprint[:12]}",
        outputs=(ClassesOutput(class_names, refusal=refusal),),
        data_fingerprint=fingerprint,
        accuracy={} if accuracy is None else {"folds": round(accuracy, 4)},
    )


@contextlib.contextmanager
def _reporting_damage(path: Path) -> Iterator[None]:
    """Turns what damage of a file raises into a `RequestError`."""
    try:
        yield
    except (*ARCHIVE_ERRORS, DamagedError, IndexError, TypeError) as error:
        raise RequestError(
            f"{path}: is damaged ({str(error).rstrip('.')}); copy it, or make it again."
        ) from error


def _append_head(
    content: bytes, features: FeaturesFile, head: Head, embedded: Array
) -> bytes:
    """Returns a file with FULLY_CONNECTED and SOFTMAX behind its first graph.

    As in our other files, the weights have one scale, which the Edge TPU compiler and
    TFLite Micro need, and the bias has the scale of weights times features.
    """
    from ai_edge_litert import schema_py_generated as schema

    from corallite.device.model.write import pack, unpack

    model = unpack(split_archive(content)[0])
    graph, classes = model.subgraphs[0], len(head.bias)
    source = _find_features(graph, features)
    scale_in = features.output.scale
    scale = float(np.abs(head.kernel).max()) / 127 or 1.0
    weights = np.round(head.kernel.T / scale).astype(np.int8)
    bias_scale = scale_in * scale
    limits = np.iinfo(np.int32)
    bias = np.clip(np.round(head.bias / bias_scale), limits.min, limits.max)
    inputs = [
        source,
        _add_constant(model, "head/weights", weights, scale),
        _add_constant(model, "head/bias", bias.astype(np.int32), bias_scale),
    ]
    logits = _quantize_range(embedded @ head.kernel + head.bias)
    between = _add_tensor(model, "logits", (1, classes), logits)
    result = _add_tensor(model, "probabilities", (1, classes), _PROBABILITY)
    operators, options = schema.BuiltinOperator, schema.BuiltinOptions
    _add_operator(
        model,
        (operators.FULLY_CONNECTED, _FULLY_CONNECTED_VERSION),
        (inputs, between),
        (options.FullyConnectedOptions, schema.FullyConnectedOptionsT()),
    )
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    _add_operator(
        model,
        (operators.SOFTMAX, _SOFTMAX_VERSION),
        ([between], result),
        (options.SoftmaxOptions, softmax),
    )
    graph.outputs = [result]
    return pack(model)


def _find_features(graph: Any, features: FeaturesFile) -> int:
    """Returns the number of the tensor of the features."""
    for number in graph.outputs:
        tensor = graph.tensors[number]
        if len(graph.outputs) == 1 and _is_of(tensor, features):
            return int(number)
    raise RequestError(
        f"{features.path}: the file that was compiled from it has other features; "
        "compile it again with: corallite compile."
    )


def _is_of(tensor: Any, features: FeaturesFile) -> bool:
    """Returns whether a tensor is described as the features are."""
    found, spec = tensor.quantization, features.output
    if found is None or found.scale is None or found.zeroPoint is None:
        return False
    values = (*tensor.shape, *found.scale, *found.zeroPoint)
    return np.array_equal(values, (*spec.shape, spec.scale, spec.zero_point))


def _quantize_range(values: Array) -> tuple[float, int]:
    """Returns scale and zero point of int8 that holds these values and 0."""
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    scale = (high - low) / 255 or 1.0
    return scale, int(np.clip(round(-128 - low / scale), -128, 127))


def _add_constant(model: Any, name: str, value: Array, scale: float) -> int:
    """Adds an int8 or int32 constant; returns its number."""
    from ai_edge_litert import schema_py_generated as schema

    number = _add_tensor(model, name, value.shape, (scale, 0))
    tensor, buffer = model.subgraphs[0].tensors[number], schema.BufferT()
    if value.dtype == np.int32:
        tensor.type = schema.TensorType.INT32
    buffer.data = np.frombuffer(value.tobytes(), np.uint8)
    model.buffers = [*model.buffers, buffer]
    tensor.buffer = len(model.buffers) - 1
    return number


def _add_tensor(
    model: Any, name: str, shape: tuple[int, ...], quantization: tuple[float, int]
) -> int:
    """Adds an int8 tensor of a scale and a zero point; returns its number."""
    from ai_edge_litert import schema_py_generated as schema

    graph, tensor = model.subgraphs[0], schema.TensorT()
    tensor.name, tensor.shape = name.encode(), list(shape)
    tensor.type = schema.TensorType.INT8
    # Buffer 0 is empty, by the schema: the tensor is computed.
    tensor.buffer = 0
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = np.array(quantization[:1], np.float32)
    tensor.quantization.zeroPoint = np.array(quantization[1:], np.int64)
    graph.tensors = [*graph.tensors, tensor]
    return len(graph.tensors) - 1


def _add_operator(
    model: Any,
    kind: tuple[int, int],
    tensors: tuple[list[int], int],
    options: tuple[int, Any],
) -> None:
    """Adds an operator: its code and version, inputs and output, and options."""
    from ai_edge_litert import schema_py_generated as schema

    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = kind[0]
    code.version = kind[1]
    model.operatorCodes = [*model.operatorCodes, code]
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = tensors[0], [tensors[1]]
    operator.builtinOptionsType, operator.builtinOptions = options
    graph = model.subgraphs[0]
    graph.operators = [*graph.operators, operator]
