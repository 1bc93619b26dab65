"""Opens the engine for a model file and a device."""

import re
from pathlib import Path
from typing import NamedTuple

from corallite.device.board.edgetpu import is_edgetpu_here
from corallite.device.engine.base import Engine
from corallite.device.engine.classifier import FileEngine
from corallite.device.engine.detect.open_file import open_file
from corallite.device.engine.file_kind import FileKind, find_kind
from corallite.device.engine.first_use import require_no_crash
from corallite.device.engine.overrides import choose_manifest, read_labels
from corallite.device.engine.runners import litert
from corallite.device.engine.runtime import read_model
from corallite.device.model import identifiers
from corallite.device.model.cpu_fallback import name_cpu_fallback
from corallite.device.model.manifest import Manifest, read_manifest
from corallite.device.system.errors import RequestError

_OPERATOR = identifiers.EDGETPU_OPERATOR.encode()


class ModelRequest(NamedTuple):
    """The model and the device to use, with overrides.

    Attributes:
        path: A `.tflite` file, or one of another kind that `find_kind` knows.
        device: "cpu", "edgetpu", "edgetpu:N", or "auto": the Edge TPU for a compiled
            file, as soon as the system shows one; else the CPU.
        cpu_path: The file that a file for the Edge TPU was compiled from; default,
            that of the same name without `_edgetpu`.
        labels_path: A file with one label a line, in place of the manifest's labels.
        fit: "crop", "pad" or "stretch", in place of what the manifest says.
        input_range: What pixels 0 and 255 stand for, in place of the same.
        output: "probabilities", "logits" or "multilabel", in place of the same.
        num_threads: Threads of one inference on the CPU.
        is_taught_later: `path` may be missing at first, see `Untaught`.
        threshold: The least probability of a box, in place of the manifest's.
    """

    path: str
    device: str = "auto"
    cpu_path: str | None = None
    labels_path: str | None = None
    fit: str | None = None
    input_range: tuple[float, float] | None = None
    output: str | None = None
    num_threads: int = 1
    is_taught_later: bool = False
    threshold: float | None = None

    @property
    def fallback_path(self) -> str:
        """The CPU fallback of a compiled file; `path` if it has no such name."""
        return self.cpu_path or name_cpu_fallback(self.path)


def open_model(request: ModelRequest) -> Engine:
    """Loads the model; an accelerator is not used before its `start`.

    Raises:
        RequestError: It cannot be run, or a file for the Edge TPU has no CPU fallback.
    """
    kind = find_kind(request.path)
    if kind is not None:
        return _open_other(request, kind)
    content = read_model(request.path)
    if not is_compiled(content, request.path):
        if request.device.startswith("edgetpu"):
            raise RequestError(
                f"{request.path}: is not compiled for the Edge TPU; give the file that "
                "corallite compile makes of it, or --device=cpu."
            )
        return _open_on_cpu(request, request.path, content)
    path, fallback = request.fallback_path, _read_fallback(request)
    # The compiler drops the manifest; `corallite compile` puts it back.
    carried = read_manifest(request.path, content)
    _check_labels(carried, read_manifest(path, fallback), request)
    on_cpu = _open_on_cpu(request, path, fallback, carried)
    if request.device == "cpu":
        return on_cpu
    # Imported only if an Edge TPU is to be used.
    from corallite.device.engine.edgetpu.failover import Failover

    if request.device == "auto":
        return Failover(on_cpu, content, "edgetpu", is_here=is_edgetpu_here)
    return Failover(on_cpu, content, request.device)


def _open_other(request: ModelRequest, kind: FileKind) -> FileEngine:
    if request.device.startswith("edgetpu"):
        raise RequestError(
            f"{request.path}: only a .tflite file can be compiled for the Edge TPU; "
            "give that, or --device=cpu."
        )
    if request.cpu_path:
        raise RequestError(
            f"--cpu_model is the fallback of a file for the Edge TPU, which "
            f"{request.path} is not; leave it out."
        )
    # Not at the top: most models are .tflite files.
    from corallite.device.engine.open_other import open_other
    from corallite.device.model.description.describe import Overrides

    labels = request.labels_path
    overrides = Overrides(
        None if labels is None else read_labels(labels),
        request.fit,
        request.input_range,
        request.output,
        request.threshold,
    )
    return open_other(request.path, kind, overrides, request.num_threads)


def is_compiled(content: bytes, path: str) -> bool:
    """Returns whether a model's file is compiled for the Edge TPU.

    Raises:
        RequestError: It is damaged.
    """
    if _OPERATOR not in content:
        return False
    # Not at the top: most models are for the CPU, and the import takes time.
    from corallite.device.model.requirements import parse_needs

    try:
        return parse_needs(content, path).min_edgetpu_runtime is not None
    except ValueError as error:
        raise RequestError(
            f"{str(error).rstrip('.')}; copy or convert it again."
        ) from error


def _read_fallback(request: ModelRequest) -> bytes:
    path = request.fallback_path
    is_given = bool(request.cpu_path)
    if not is_given and (path == request.path or not Path(path).exists()):
        raise RequestError(
            f"{request.path}: is compiled for the Edge TPU; put the file that it was "
            "compiled from beside it, without _edgetpu in its name, or give it with "
            "--cpu_model, so that the CPU can continue when the Edge TPU fails."
        )
    content = read_model(path)
    if is_compiled(content, path):
        raise RequestError(
            f"{path}: is compiled for the Edge TPU, too; give with --cpu_model the "
            "int8 file that was compiled."
        )
    return content


def _check_labels(
    compiled: Manifest | None, fallback: Manifest | None, request: ModelRequest
) -> None:
    if compiled is None or fallback is None:
        return
    if compiled.all_labels == fallback.all_labels:
        return
    raise RequestError(
        f"{request.fallback_path}: has other labels than {request.path}; give with "
        "--cpu_model the file that it was compiled from."
    )


def _open_on_cpu(
    request: ModelRequest, path: str, content: bytes, carried: Manifest | None = None
) -> FileEngine:
    manifest = choose_manifest(
        path,
        content=content,
        labels_path=request.labels_path,
        fit=request.fit,
        input_range=request.input_range,
        output=request.output,
        threshold=request.threshold,
        carried=carried,
    )
    require_no_crash(path, content)
    runner = litert.load(path, request.num_threads, content)
    return open_file(path, manifest, runner=runner)


def check_device(device: str) -> str:
    """Returns the value of --device.

    Raises:
        RequestError: It is not one of those that `ModelRequest` names.
    """
    if not re.fullmatch("auto|cpu|edgetpu(:[0-9]+)?", device):
        raise RequestError(
            f"--device={device}: unknown; write auto, cpu, edgetpu or edgetpu:N, "
            "such as edgetpu:1."
        )
    return device
