"""Runs a model twice and prints the result; in a process that may crash."""

import json
import sys
import time
from collections.abc import Callable

import numpy as np

from corallite.device.engine.detect.open_file import open_file
from corallite.device.engine.runner import Runner
from corallite.device.engine.runners import litert
from corallite.device.engine.runtime import load_on_edgetpu, read_model
from corallite.device.model import selftest
from corallite.device.model.description.describe import MANIFEST, describe
from corallite.device.model.manifest import Manifest, read_manifest
from corallite.device.system.errors import RequestError


def main(path: str, is_for_edgetpu: bool) -> None:
    """Prints a JSON object about a model file.

    Exits with a sentence on stderr if the model cannot be used.

    Args:
        path: A `.tflite` file.
        is_for_edgetpu: Whether the model needs an Edge TPU.
    """
    try:
        content = read_model(path)
        if is_for_edgetpu:
            manifest = read_manifest(path, content)
            has_manifest = manifest is not None
            invoke = _prepare(litert.LiteRtRunner(load_on_edgetpu(content, {})))
        else:
            description = describe(path, content)
            manifest = description.manifest
            has_manifest = description.labels_from == MANIFEST
            invoke = _prepare_engine(path, manifest, content)
        invoke()
        start_s = time.perf_counter()
        invoke()
    except (RequestError, RuntimeError, ValueError, OSError) as error:
        sentence = " ".join(str(error).split())
        sys.exit(f"corallite: {sentence}")
    latency_ms = (time.perf_counter() - start_s) * 1000
    labels = 0 if manifest is None else len(manifest.labels)
    result = {"has_manifest": has_manifest, "labels": labels}
    print(json.dumps({**result, "latency_ms": round(latency_ms, 3)}))


def _prepare(runner: Runner) -> Callable[[], object]:
    zeros = {x.name: np.zeros(x.shape, x.dtype) for x in runner.signature.inputs}
    return lambda: runner.run(zeros)


def _prepare_engine(
    path: str, manifest: Manifest, content: bytes
) -> Callable[[], object]:
    runner = litert.load(path, content=content)
    if not manifest.labels:
        return _prepare(runner)
    engine = open_file(path, manifest, runner=runner)
    selftest.check_recorded(engine, path)
    pixels = np.zeros((*engine.preprocessing.size_hw, 3), np.uint8)
    return lambda: engine.run(pixels)
