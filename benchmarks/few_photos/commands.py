"""What `corallite` makes of the photos of a cell."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import frigate
import numpy as np
from cells import read_both

from corallite.device.engine.classifier import Classifier
from corallite.device.image.preprocess import read_image

_CORALLITE = str(Path(sys.executable).with_name("corallite"))
_STUDENT = (
    *("--model=shufflenet_v2", "--width=0.5", "--image_size=128"),
    "--weights=random",
)


def run_ours(cell: Path) -> dict[str, Any]:
    """Runs the pipeline, with no flag but where photos and run are."""
    return _run("pipeline", cell, "run")


def run_student(cell: Path, epochs: int, *flags: str) -> dict[str, Any]:
    """Trains a small network from random weights, into a run named after its flags."""
    name = {0: "student", 1: "taught", 2: "unlabelled_run"}[len(flags)]
    return _run("train", cell, name, *_STUDENT, f"--epochs={epochs}", *flags)


def run_ours_for_frigate(cell: Path) -> dict[str, Any]:
    """Trains on stretched images, and classifies as Frigate would with these files."""
    flags = ("--image_size=224", "--fit=stretch")
    found = _run("pipeline", cell, "stretched", *flags)
    run_dir = cell / "stretched"
    convert = [_CORALLITE, "convert", f"--run_dir={run_dir}", "--to=frigate"]
    subprocess.run(convert, check=True)
    content = (run_dir / "exports" / "frigate" / "model.tflite").read_bytes()
    _, (images, expected) = read_both(cell, frigate.stretch)
    labels = frigate.predict(content, np.round(images * 255).astype(np.uint8))
    return {**found, "int8": 100 * float((labels == expected).mean())}


def run_teach(cell: Path, flags: Sequence[str]) -> dict[str, Any]:
    """Runs `corallite teach` with nothing cached."""
    path, photos = cell / "teach.tflite", cell / "photos"
    command = [_CORALLITE, "teach", f"--photos={photos / 'train'}", f"--model={path}"]
    path.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as cache:
        start_s = time.monotonic()
        environment = {**os.environ, "XDG_CACHE_HOME": cache}
        subprocess.run([*command, *flags], check=True, env=environment)
        seconds = time.monotonic() - start_s
    classifier = Classifier(path)
    right = [
        classifier.labels[classifier.classify(read_image(file)).argmax()] == folder.name
        for folder in (photos / "test").iterdir()
        for file in folder.iterdir()
    ]
    return {"int8": 100 * statistics.mean(right), "minutes": seconds / 60}


def _run(verb: str, cell: Path, run: str, *flags: str) -> dict[str, Any]:
    run_dir = f"--run_dir={cell / run}"
    start_s = time.monotonic()
    subprocess.run(
        [_CORALLITE, verb, f"--data_dir={cell / 'photos'}", run_dir, *flags], check=True
    )
    seconds = time.monotonic() - start_s
    shown = subprocess.run(
        [_CORALLITE, "evaluate", run_dir, "--json"], check=True, capture_output=True
    )
    rows = json.loads(shown.stdout)
    top1 = {row["stage"]: 100 * row["evaluation"]["top1"] for row in rows}
    found = {name: top1[name] for name in ("float", "int8") if name in top1}
    return {**found, "minutes": seconds / 60}
