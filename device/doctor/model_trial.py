"""Runs a model twice and prints the result; in a process that may crash."""

import json
import sys
import time
from collections.abc import Callable

import numpy as np

from corallite.device.engine.classifier import Classifier
from corallite.device.engine.runner import Runner
from corallite.device.engine.runners import litert
from corallite.device.engine.runtime import load_on_edgetpu, read_model
from corallite.device.model.manifest import read_manifest
from corallite.device.system.errors import RequestError


def main(path: str, is_for_edgetpu: bool) -> None:
    """Prints a JSON object about a model file.

    Exits with a sentence on stderr if the model cannot be used.

    Args:
        path: A `.tflite` file.
        is_for_edgetpu: Whether the model needs an Edge TPU.
    """
    try:
        manifest = read_manifest(path)
        if is_for_edgetpu:
            invoke = _prepare(
                litert.LiteRtRunner(load_on_edgetpu(read_model(path), {}))
            )
        elif manifest is None:
            invoke = _prepare(litert.load(path))
        else:
            invoke = _prepare_classifier(Classifier(path, manifest=manifest))
        invoke()
        start_s = time.perf_counter()
        invoke()
    except (RequestError, RuntimeError, ValueError, OSError) as error:
        sentence = " ".join(str(error).split())
        sys.exit(f"corallite: {sentence}")
    latency_ms = (time.perf_counter() - start_s) * 1000
    labels = 0 if manifest is None else len(manifest.labels)
    content = {"has_manifest": manifest is not None, "labels": labels}
    print(json.dumps({**content, "latency_ms": round(latency_ms, 3)}))


def _prepare(runner: Runner) -> Callable[[], object]:
    zeros = {x.name: np.zeros(x.shape, x.dtype) for x in runner.signature.inputs}
    return lambda: runner.run(zeros)


def _prepare_classifier(classifier: Classifier) -> Callable[[], object]:
    pixels = np.zeros((*classifier.preprocessing.size_hw, 3), np.uint8)
    return lambda: classifier.run(pixels)
