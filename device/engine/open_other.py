"""Opens model files other than `.tflite`: each kind has a runner of its own."""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from corallite.device.engine.classifier import FileEngine
from corallite.device.engine.detect.open_file import open_file
from corallite.device.engine.file_kind import FileKind
from corallite.device.engine.first_use import require_no_crash
from corallite.device.engine.runtime import first_line
from corallite.device.image.spec import Preprocessing
from corallite.device.model.description.describe import Overrides
from corallite.device.model.manifest import Manifest, parse_manifest
from corallite.device.model.signature import find_classes, find_image
from corallite.device.system import log
from corallite.device.system.errors import RequestError

_NOTHING = Overrides()


def open_other(
    path: str | Path,
    kind: FileKind,
    overrides: Overrides,
    num_threads: int = 1,
    manifest: Manifest | None = None,
    defaults: Overrides = _NOTHING,
) -> FileEngine:
    """Opens a file on the CPU, after a trial in another process.

    Args:
        path: The file.
        kind: What `find_kind` returned for it.
        overrides: What the user says of it.
        num_threads: Threads of one inference, at least 1.
        manifest: Used in place of the one that the file carries.
        defaults: What is assumed if the file carries no manifest.

    Raises:
        RequestError: Its runtime is not installed, it cannot be run, is not a
            classifier or detector, or does not say what the user has not said either.
    """
    module = load_module(path, kind)
    content = module.read(path)
    require_no_crash(path, content, kind)
    runner = module.load(path, num_threads, content)
    if runner.manifest_text is None:
        overrides = overrides.or_else(defaults)
    manifest = manifest or _describe(path, runner, overrides)
    return open_file(path, manifest, runner=runner)


def load_module(path: str | Path, kind: FileKind) -> Any:
    """Returns the module that runs files of a kind.

    Raises:
        RequestError: The package that it needs is not installed.
    """
    if importlib.util.find_spec(kind.package) is None:
        raise RequestError(
            f"{path}: needs {kind.package}, which is not installed; run: "
            f"pip install {kind.package}."
        )
    # First: it sets what the package reads from the environment.
    module = importlib.import_module(f"corallite.device.engine.runners.{kind.runner}")
    try:
        importlib.import_module(kind.package)
    except Exception as error:  # Another version of NumPy may raise anything.
        raise RequestError(
            f"{path}: {kind.package} cannot be imported ({first_line(error)}); install "
            f"it again: pip install -U {kind.package}."
        ) from error
    return module


def _describe(path: str | Path, runner: Any, overrides: Overrides) -> Manifest:
    """Returns the manifest of a file with what the user says of it."""
    text = runner.manifest_text
    if text is not None:
        own = parse_manifest(text, path)
        if own.boxes is not None:
            overrides.require_for_boxes(own, path)
        own = overrides.apply(own)
        if overrides.output is None and overrides.input_range is None:
            return own
        # With other numbers the model gives other answers than when it was made.
        own, values = own._replace(selftest=None), overrides.output
        return own if values is None else own.with_classes(values=values, refusal=None)
    layout = find_image(runner.signature, path)
    if min(layout.size_hw) < 1:
        raise RequestError(
            f"{path}: takes images of any size; export it with a fixed height and "
            "width."
        )
    find_classes(runner.signature, path)
    if overrides.labels is None or overrides.output is None:
        raise RequestError(
            f"{path}: carries no manifest; give classify or serve --labels=FILE with "
            "one label per line, and --output=probabilities or --output=logits; or "
            "evaluate --as_run, if it has the classes of the run."
        )
    if overrides.input_range is None and runner.signature.inputs[0].dtype != "uint8":
        log.warning(
            "%s: does not say which numbers its input takes; pixels are given as 0 to "
            "1. If its predictions are wrong, give classify --input_range=-1,1 or "
            "--input_range=0,255.",
            path,
        )
    plain = Manifest.of_classifier(
        Path(path).stem, "", overrides.labels, Preprocessing(layout.size_hw)
    )
    return overrides.apply(plain.with_classes(values=overrides.output))
