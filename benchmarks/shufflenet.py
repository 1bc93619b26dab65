"""Compares ShuffleNetV2 without channel shuffle with the published form.

    python benchmarks/shufflenet.py --width=1.0 --image_size=224

All networks have the same weights, and the float ones are checked to give the same
output: `ours` in LiteRT, the published form in LiteRT, ONNX Runtime and OpenVINO, each
in int8 and in float. `bound` is another function: the same convolutions in LiteRT, and
nothing else. Needs `.venv/bin/pip install -e '.[onnx,openvino]'`; a runtime that is not
installed is skipped. Each round runs all networks, so that other load of the machine
affects all of them. A ratio compares times of the same round; its quartiles show its
precision.
"""

import contextlib
import importlib
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import published_shufflenet
import runtimes
from absl import flags, logging

from corallite.convert.tflite.converter import convert_to_float, convert_to_int8
from corallite.device.cli import program
from corallite.device.image.opencv import cv2
from corallite.device.image.spec import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest
from corallite.train.framework.keras import keras
from corallite.train.models import registry
from corallite.train.weights.torchvision import export_weights

_WIDTH = flags.DEFINE_float("width", 1.0, "Width of the network.", lower_bound=0.1)
_IMAGE_SIZE = flags.DEFINE_integer("image_size", 224, "Side in pixels.", lower_bound=32)
_ROUNDS = flags.DEFINE_integer("rounds", 100, "Rounds.", lower_bound=2)
_THREADS = flags.DEFINE_multi_integer(
    "threads", [1, 2], "Threads of an inference; may be repeated.", lower_bound=1
)
_CLOCK = flags.DEFINE_enum(
    "clock",
    "wall",
    ["wall", "cpu"],
    "wall: elapsed time. cpu: processor time of all threads, for one thread on a "
    "machine with other load.",
)
_FILES_DIR = flags.DEFINE_string(
    "files_dir", None, "Folder in which to keep the networks, for other benchmarks."
)

_NUM_CLASSES = 1000
_CALIBRATION_IMAGES = 10
# A round's time is the median of these runs: a few ms, less than a time slice.
_RUNS_A_ROUND = 10
_OURS = "ours, LiteRT int8"
_BOUND = "bound"


def main(argv: Sequence[str]) -> None:
    program.reject_arguments(argv)
    model = _random_model(_WIDTH.value, _IMAGE_SIZE.value)
    tensors = export_weights(model, _WIDTH.value)
    size = _IMAGE_SIZE.value
    images = _draw_clouds(_CALIBRATION_IMAGES, size)
    print(f"ShuffleNetV2 {_WIDTH.value}x, {size} pixels, {_cpu_name()}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(_FILES_DIR.value or scratch)
        folder.mkdir(parents=True, exist_ok=True)
        makers = _write_all(model, tensors, images, folder)
        rows = []
        for threads in _THREADS.value:
            runs = {name: make(threads) for name, make in makers.items()}
            rows += _measure(runs, threads)
    _print_table(rows)
    print(json.dumps(rows))


def _draw_clouds(count: int, size: int) -> np.ndarray:
    """Returns smooth images, pixel/255; calibration refuses noise."""
    coarse = np.random.default_rng(0).random((count, 8, 8, 3), np.float32)
    fine = [cv2.resize(x, (size, size), interpolation=cv2.INTER_CUBIC) for x in coarse]
    return np.clip(fine, 0, 1)


def _random_model(width: float, size: int) -> keras.Model:
    """Returns the network with random weights and batch norm statistics."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    model = registry.build("shufflenet_v2", (size, size, 3), _NUM_CLASSES, width=width)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            count = layer.gamma.shape[0]
            scale, variance = rng.uniform(0.5, 1.5, (2, count))
            offset, mean = rng.normal(0.3, 0.3, (2, count))
            layer.set_weights([scale, offset, mean, variance])
    return model


def _make_manifest(size: int) -> Manifest:
    """Describes the networks for start.py and loop.py, which run such a file."""
    labels = tuple(f"class {number}" for number in range(_NUM_CLASSES))
    return Manifest.of_classifier(
        "shufflenet_v2", "random weights", labels, Preprocessing((size, size))
    )


def _write_all(
    model: keras.Model, tensors: Any, images: np.ndarray, folder: Path
) -> dict[str, runtimes.Maker]:
    """Writes all networks; returns their makers by name."""
    size = images.shape[1]
    expected = model(images[:1]).numpy()
    manifest, makers = _make_manifest(size), {}
    # A file that was kept may have another width.
    onnx_path = folder / "published.onnx"
    onnx_path.unlink(missing_ok=True)
    networks = {
        "ours": model,
        "published": published_shufflenet.build_keras(tensors, size),
        _BOUND: published_shufflenet.build_bound(tensors, size),
    }
    for name, network in networks.items():
        for kind, content in (
            ("int8", convert_to_int8(network, images)),
            ("float", convert_to_float(network)),
        ):
            path = folder / f"{name}_{kind}.tflite"
            path.write_bytes(attach_manifest(content, manifest))
            makers[f"{name}, LiteRT {kind}"] = runtimes.run_litert(
                path, images[0], kind
            )
    for title, package, add in (
        ("ONNX Runtime", "onnxruntime", runtimes.run_onnxruntime),
        ("OpenVINO", "openvino", runtimes.run_openvino),
    ):
        with _skipping_if_missing(title):
            if not onnx_path.exists():
                onnx = published_shufflenet.build_onnx(tensors, size)
                onnx_path.write_bytes(onnx.SerializeToString())
            importlib.import_module(package)
            for kind, make in add(onnx_path, images).items():
                makers[f"published, {title} {kind}"] = make
    # Only float is compared: int8 networks of random weights differ too much.
    comparable = [name for name in makers if not name.startswith(_BOUND)]
    for name in [name for name in comparable if name.endswith("float")]:
        _check_output(name, makers[name](1)(), expected)
    return makers


@contextlib.contextmanager
def _skipping_if_missing(title: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        logging.warning(
            "%s is skipped: %s is not installed; install it with "
            ".venv/bin/pip install -e '.[onnx,openvino]'.",
            title,
            error.name,
        )


def _check_output(name: str, output: np.ndarray, expected: np.ndarray) -> None:
    """Raises `RuntimeError` if a network computes another function."""
    error = np.abs(output - expected).max() / expected.max()
    # Float32 has 7 digits, and runtimes add in different orders.
    if error > 1e-4:
        raise RuntimeError(f"{name} differs from Keras by {error:.3g}.")


def _measure(runs: dict[str, runtimes.Run], threads: int) -> list[dict[str, Any]]:
    times_ms: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(_ROUNDS.value):
        for name, run in runs.items():
            times_ms[name].append(_time_ms(run))
    rows = []
    for name, times in times_ms.items():
        ratios = [o / t for o, t in zip(times_ms[_OURS], times, strict=True)]
        rows.append(
            {
                "name": name,
                "threads": threads,
                "median_ms": round(statistics.median(times), 4),
                "ours_to_it": [round(x, 3) for x in statistics.quantiles(ratios, n=4)],
            }
        )
    return rows


def _time_ms(run: runtimes.Run) -> float:
    run()  # Fills the caches, which hold the data of the previous network.
    clock = time.process_time if _CLOCK.value == "cpu" else time.perf_counter
    times = []
    for _ in range(_RUNS_A_ROUND):
        start_s = clock()
        run()
        times.append(clock() - start_s)
    return 1000 * statistics.median(times)


def _print_table(rows: list[dict[str, Any]]) -> None:
    time_heading = f"{_CLOCK.value} ms"
    print(f"\n{'':<32}{'threads':>8}{time_heading:>9}{'ours / it':>11}  quartiles")
    for row in rows:
        low, middle, high = row["ours_to_it"]
        print(
            f"{row['name']:<32}{row['threads']:>8}{row['median_ms']:>9.3f}"
            f"{middle:>11.2f}  {low:.2f} to {high:.2f}"
        )


def _cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    program.run(main)
