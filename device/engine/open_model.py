"""From what a user says about a model to an engine that runs it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from corallite.device.board.edgetpu import is_edgetpu_here
from corallite.device.engine.base import Engine
from corallite.device.engine.classifier import Classifier
from corallite.device.engine.overrides import choose_manifest
from corallite.device.engine.runtime import load_interpreter, read_model
from corallite.device.model import identifiers
from corallite.device.model.cpu_fallback import name_twin
from corallite.device.model.manifest import Manifest, read_manifest
from corallite.device.system.errors import RequestError

_OPERATOR = identifiers.EDGETPU_OPERATOR.encode()


class Startable(Engine, Protocol):
    """An engine that may need an accelerator, of which there is but one."""

    def start(self) -> None:
        """Begins to take its accelerator; it answers before and after."""

    def wait_started(self, timeout_s: float) -> str:
        """Waits until it has it; returns why it has not, a sentence, or ""."""

    def pause(self) -> None:
        """Gives the accelerator back; `start` takes it again."""


@dataclass(frozen=True)
class ModelRequest:
    """What a user says about a model.

    Attributes:
        path: A `.tflite` file.
        device: "cpu", "edgetpu", "edgetpu:N", or "auto": what the file was made for,
            as soon as it is there.
        cpu_path: The file that a file for the Edge TPU was compiled from; default,
            that of the same name without `_edgetpu`.
        labels_path: A file with one label a line, in place of the manifest's labels.
        fit: "crop", "pad" or "stretch", in place of what the manifest says.
        input_range: What pixels 0 and 255 stand for, in place of the same.
        num_threads: Threads of one inference on the CPU.
    """

    path: str
    device: str = "auto"
    cpu_path: str | None = None
    labels_path: str | None = None
    fit: str | None = None
    input_range: tuple[float, float] | None = None
    num_threads: int = 1

    @property
    def twin_path(self) -> str:
        """The file for the CPU of a compiled one; `path` if it has no such name."""
        return self.cpu_path or name_twin(self.path)

    def to_json(self) -> str:
        """Returns it for another process, which `from_json` takes."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "ModelRequest":
        """Returns what `to_json` gave."""
        content = json.loads(text)
        if content["input_range"] is not None:
            content["input_range"] = tuple(content["input_range"])
        return cls(**content)


def open_model(request: ModelRequest) -> Startable:
    """Loads the model; an accelerator is not touched before `start`.

    Raises:
        RequestError: It cannot be run, or there is no file for the CPU to go on with
            when the accelerator fails.
    """
    content = read_model(request.path)
    if not is_compiled(content, request.path):
        if request.device.startswith("edgetpu"):
            raise RequestError(
                f"{request.path}: is not compiled for the Edge TPU; give what "
                "edgetpu_compiler made of it, or --device=cpu."
            )
        manifest = _choose_manifest(request, request.path, content)
        return _open_on_cpu(request, request.path, content, manifest)
    twin, twin_content = request.twin_path, _read_twin(request)
    # The compiler drops the manifest, and whoever compiles may put it back.
    carried = read_manifest(request.path, content)
    _check_labels(carried, read_manifest(twin, twin_content), request)
    if carried is None:
        manifest = _choose_manifest(request, twin, twin_content)
    else:
        manifest = _choose_manifest(request, request.path, content)
    on_cpu = _open_on_cpu(request, twin, twin_content, manifest)
    if request.device == "cpu":
        return on_cpu
    # Not loaded where none is wanted.
    from corallite.device.engine.edgetpu.failover import Accelerated

    if request.device == "auto":
        return Accelerated(on_cpu, content, "edgetpu", is_here=is_edgetpu_here)
    return Accelerated(on_cpu, content, request.device)


def is_compiled(content: bytes, path: str) -> bool:
    """Tells whether a model's file is for the Edge TPU.

    Raises:
        RequestError: It is damaged.
    """
    if _OPERATOR not in content:
        return False
    # Only now: most models are for the CPU, and the import takes longer than this.
    from corallite.device.model.requirements import parse_needs

    try:
        return parse_needs(content, path).min_edgetpu_runtime is not None
    except ValueError as error:
        raise RequestError(
            f"{str(error).rstrip('.')}; copy or convert it again."
        ) from error


def _read_twin(request: ModelRequest) -> bytes:
    twin = request.twin_path
    is_given = bool(request.cpu_path)
    if not is_given and (twin == request.path or not Path(twin).exists()):
        raise RequestError(
            f"{request.path}: is compiled for the Edge TPU; put the file that it was "
            "compiled from beside it, without _edgetpu in its name, or give it with "
            "--cpu_model, so that the CPU can go on when the Edge TPU fails."
        )
    content = read_model(twin)
    if is_compiled(content, twin):
        raise RequestError(
            f"{twin}: is compiled for the Edge TPU, too; give with --cpu_model the "
            "file that was compiled."
        )
    return content


def _check_labels(
    compiled: Manifest | None, twin: Manifest | None, request: ModelRequest
) -> None:
    if compiled is None or twin is None or compiled.labels == twin.labels:
        return
    raise RequestError(
        f"{request.twin_path}: has other labels than {request.path}; give with "
        "--cpu_model the file that it was compiled from."
    )


def _choose_manifest(request: ModelRequest, path: str, content: bytes) -> Manifest:
    return choose_manifest(
        path,
        content=content,
        labels_path=request.labels_path,
        fit=request.fit,
        input_range=request.input_range,
    )


def _open_on_cpu(
    request: ModelRequest, path: str, content: bytes, manifest: Manifest
) -> Classifier:
    interpreter = load_interpreter(path, request.num_threads, content)
    return Classifier(path, manifest=manifest, interpreter=interpreter)
