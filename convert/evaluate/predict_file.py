"""What a file of any kind predicts on labelled images, with the code of the device."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from corallite.device.engine.classifier import Classifier, FileEngine
from corallite.device.engine.file_kind import find_kind
from corallite.device.engine.first_use import require_no_crash
from corallite.device.engine.open_other import open_other
from corallite.device.engine.runners import litert
from corallite.device.engine.runtime import read_model
from corallite.device.model.description.describe import Overrides
from corallite.device.model.manifest import Manifest
from corallite.device.system.errors import RequestError
from corallite.train.data.load import Split

# One at a time, so that nothing of ours disturbs the measurement.
_TIMED = 2_000
# Images that wait for the threads.
_CHUNK = 256


def open_file(path: Path, manifest: Manifest | None = None) -> Classifier:
    """Opens a file of any kind.

    It is tried first: it may crash the runtime, as a run of somebody else may have.
    """
    kind = find_kind(path)
    if kind is not None:
        other = open_other(path, kind, Overrides(), manifest=manifest)
        if not isinstance(other, Classifier):
            raise RequestError(f"{path}: is a detector; give a classifier.")
        return other
    content = read_model(path)
    require_no_crash(path, content)
    return Classifier(path, manifest=manifest, runner=litert.load(path, 1, content))


def predict_timed(
    path: Path, split: Split, manifest: Manifest | None = None
) -> tuple[Classifier, np.ndarray, list[float]]:
    """Predicts each image, and times the first 2,000.

    Returns:
        The file, open; the probabilities, float32 `[n, classes]`; milliseconds.
    """
    classifier = open_file(path, manifest)
    probabilities, latencies_ms = [], []
    for pixels in split.images_rgb_u8[:_TIMED]:
        began_s = time.perf_counter()
        probabilities.append(classifier.run(pixels))
        latencies_ms.append(1000 * (time.perf_counter() - began_s))
    rest = split.images_rgb_u8[_TIMED:]
    probabilities += run_all(classifier, lambda: open_file(path, manifest), rest)
    return classifier, np.array(probabilities), latencies_ms


def predict_labels_by_file(
    path: Path, split: Split, manifest: Manifest | None = None
) -> np.ndarray:
    """Returns the most probable label of each image, int `[n]`, as a device picks it.

    Of equal probabilities the first wins.
    """
    first = open_file(path, manifest)
    found = run_all(first, lambda: open_file(path, manifest), split.images_rgb_u8)
    return np.array(list(found)).argmax(1)


def predict_by(classifier: Classifier, split: Split) -> np.ndarray:
    """Returns the probabilities of each image, float32 `[n, classes]`."""
    return np.array([classifier.run(pixels) for pixels in split.images_rgb_u8])


def run_all(
    first: FileEngine, open_another: Callable[[], FileEngine], images: Any
) -> Iterator[Any]:
    """Yields the prediction of each image, in order.

    Every thread has an engine of its own, which computes in one thread: so the
    predictions are those of a single one. Runtimes release the interpreter meanwhile.
    """
    own, spare = threading.local(), [first]

    def run(pixels: np.ndarray) -> Any:
        if not hasattr(own, "classifier"):
            try:
                own.classifier = spare.pop()
            except IndexError:
                own.classifier = open_another()
        return own.classifier.run(pixels)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for start in range(0, len(images), _CHUNK):
            yield from pool.map(run, np.asarray(images[start : start + _CHUNK]))
