"""Collects everything that `corallite audit` reports about a file."""

import contextlib
import dataclasses
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from corallite.convert.audit.cost import (
    Peak,
    count_macs,
    count_parameter_bytes,
    find_peak,
)
from corallite.convert.audit.xnnpack import Partitions, Probe
from corallite.convert.edgetpu.predict.compilers import DEFAULT_COMPILER
from corallite.convert.edgetpu.predict.prediction import Prediction, predict
from corallite.convert.ethos_u.compiled import CompiledFile, describe_compiled
from corallite.convert.tflite.dynamic import describe_dynamic
from corallite.convert.tflite.model import Model, Operator, Tensor
from corallite.convert.tflite.precision import Finding, find_not_int8
from corallite.convert.tflite.reader import read_model
from corallite.device.model.description.describe import Description, describe
from corallite.device.model.description.tflite_metadata import read_metadata
from corallite.device.model.flatbuffer import DamagedError
from corallite.device.model.identifiers import TFLITE_METADATA_NAME
from corallite.device.model.manifest import read_manifest
from corallite.device.system.errors import RequestError


@dataclasses.dataclass(frozen=True)
class Audit:
    """The contents of a `.tflite` file.

    Attributes:
        path: The file.
        file_bytes: Its size.
        model: Its structure.
        description: What it takes and gives; None if it cannot be served.
        refusal: Why it cannot be served, one sentence; "" if it can.
        manifest: Its manifest as JSON; None if it has none.
        manifest_error: Why the manifest cannot be read; "" if it can.
        metadata: Its TFLite Metadata as JSON; None if it has none.
        metadata_error: Why the metadata cannot be read; "" if they can.
        macs: Multiply-accumulates of one run.
        parameter_bytes: Size of all constants; shared ones count once.
        peak: The peak of the memory for activations.
        not_int8: Tensors that are not 8-bit.
        dynamic: A sentence for each reason why a size is not fixed.
        xnnpack: The subgraphs that TFLite's CPU delegate runs.
        edgetpu: The predicted result of the Edge TPU compiler.
        ethos_u: What Vela has compiled it for; None if it has not.
    """

    path: Path
    file_bytes: int
    model: Model
    description: Description | None
    refusal: str
    manifest: dict[str, Any] | None
    manifest_error: str
    metadata: dict[str, Any] | None
    metadata_error: str
    macs: int
    parameter_bytes: int
    peak: Peak
    not_int8: list[Finding]
    dynamic: list[str]
    xnnpack: Partitions
    edgetpu: Prediction
    ethos_u: CompiledFile | None

    def to_json(self) -> dict[str, Any]:
        """Returns a dict for JSON."""
        graph = self.model.main
        return {
            "file": str(self.path),
            "file_bytes": self.file_bytes,
            "use": _describe_use(self.description, self.refusal),
            "schema_version": self.model.version,
            "description": self.model.description,
            "subgraphs": len(self.model.graphs),
            "manifest": self.manifest,
            "manifest_error": self.manifest_error or None,
            "metadata": self.metadata,
            "metadata_error": self.metadata_error or None,
            "inputs": [_describe_tensor(tensor) for tensor in graph.inputs],
            "outputs": [_describe_tensor(tensor) for tensor in graph.outputs],
            "operators": [_describe_operator(op) for op in graph.operators],
            "macs": self.macs,
            "parameter_bytes": self.parameter_bytes,
            "peak_activation_bytes": self.peak.bytes,
            "peak_activation_operator": self.peak.operator,
            "not_int8": [dataclasses.asdict(finding) for finding in self.not_int8],
            "dynamic": self.dynamic,
            "xnnpack": dataclasses.asdict(self.xnnpack),
            "edgetpu": self.edgetpu.to_json(),
            "ethos_u": self.ethos_u and dataclasses.asdict(self.ethos_u),
        }


def audit_file(
    path: str | Path,
    *,
    compiler: str = DEFAULT_COMPILER,
    multiple_subgraphs: bool = False,
    min_runtime_version: int | None = None,
    ask_xnnpack: bool = True,
) -> Audit:
    """Reads any `.tflite` file and reports its contents.

    Args:
        path: The file.
        compiler: The Edge TPU compiler to predict, one of `compilers.COMPILERS`.
        multiple_subgraphs: Predict it with --enable_multiple_subgraphs.
        min_runtime_version: Predict it with this --min_runtime_version; None for its
            default.
        ask_xnnpack: Whether to load the file into the TFLite runtime, in a separate
            process, to find what XNNPACK runs.

    Raises:
        RequestError: The file does not exist, is not a TFLite model, or is damaged.
    """
    path = Path(path)
    model = read_model(path)
    graph = model.main
    peak, ethos_u = find_peak(graph), describe_compiled(model)
    with _start_probe(path, peak, ask_xnnpack and ethos_u is None) as probe:
        manifest, manifest_error = _read_manifest(path)
        metadata, metadata_error = _describe_metadata(model)
        description, refusal = _describe(path, model)
        edgetpu = predict(
            model,
            compiler=compiler,
            multiple_subgraphs=multiple_subgraphs,
            min_runtime_version=min_runtime_version,
        )
        return Audit(
            path=path,
            file_bytes=len(model.content),
            model=model,
            description=description,
            refusal=refusal,
            manifest=manifest,
            manifest_error=manifest_error,
            metadata=metadata,
            metadata_error=metadata_error,
            macs=sum(count_macs(operator) for operator in graph.operators),
            parameter_bytes=count_parameter_bytes(graph),
            peak=peak,
            not_int8=find_not_int8(graph),
            dynamic=list(describe_dynamic(graph)),
            xnnpack=probe.result() if probe else Partitions(None, error="not asked"),
            edgetpu=edgetpu,
            ethos_u=ethos_u,
        )


def _start_probe(
    path: Path, peak: Peak, is_wanted: bool
) -> contextlib.AbstractContextManager[Probe | None]:
    return Probe(path, peak.bytes) if is_wanted else contextlib.nullcontext()


def _read_manifest(path: Path) -> tuple[dict[str, Any] | None, str]:
    try:
        manifest = read_manifest(path)
    except RequestError as error:
        return None, str(error)
    return (manifest.to_format_1() if manifest else None), ""


def _describe(path: Path, model: Model) -> tuple[Description | None, str]:
    try:
        return describe(path, model.content), ""
    except RequestError as error:
        return None, str(error).removeprefix(f"{path}: ")


def _describe_use(found: Description | None, refusal: str) -> dict[str, Any]:
    """Returns how `classify` and `serve` use the model."""
    if found is None:
        return {"refusal": refusal}
    manifest, image = found.manifest, found.manifest.image
    return {
        "refusal": None,
        "size_hw": list(found.layout.size_hw),
        "channels": found.layout.channels,
        "order": found.layout.order,
        "type": found.image.dtype,
        "input_range": list(image.input_range),
        "input_range_from": found.range_from or None,
        "output": manifest.output,
        "output_from": found.values_from,
        "labels": list(manifest.labels),
        "labels_from": found.labels_from or None,
    }


def _describe_metadata(model: Model) -> tuple[dict[str, Any] | None, str]:
    try:
        start, size = model.metadata.get(TFLITE_METADATA_NAME, (0, 0))
        return read_metadata(bytes(model.content[start : start + size])), ""
    except DamagedError as error:
        return None, f"the metadata are damaged ({error}). Convert the model again."


def _describe_operator(operator: Operator) -> dict[str, Any]:
    return {
        "index": operator.index,
        "name": operator.name,
        "custom_code": operator.custom_code or None,
        "version": operator.version,
        "options": operator.options,
        "inputs": _describe_tensors(operator.inputs),
        "outputs": _describe_tensors(operator.outputs),
        "macs": count_macs(operator),
    }


def _describe_tensors(tensors: Iterable[Tensor | None]) -> list[dict[str, Any] | None]:
    return [None if t is None else _describe_tensor(t) for t in tensors]


def _describe_tensor(tensor: Tensor) -> dict[str, Any]:
    return {
        "index": tensor.index,
        "name": tensor.name,
        "type": tensor.type,
        "shape": list(tensor.shape),
        "shape_signature": list(tensor.signature) or None,
        # JSON has neither infinity nor NaN, which a damaged file may contain.
        "scales": [scale if math.isfinite(scale) else None for scale in tensor.scales],
        "zero_points": list(tensor.zero_points),
        "is_constant": tensor.is_constant,
    }
