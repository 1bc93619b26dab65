"""Files with which the owner of a board checks an exported model there.

`verify.py` runs it on images and compares with the probabilities that it had here; the
script that runs it is `board.py`. Sources: `examples/boards`.
"""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from corallite.convert.evaluate.manifest import make_manifest
from corallite.convert.evaluate.predict_file import predict_by
from corallite.device.engine.classifier import Classifier
from corallite.device.engine.runner import Runner
from corallite.device.model.manifest import LABELS_NAME, MANIFEST_NAME, Manifest
from corallite.optimize.calibrate.choose_images import choose_checked_images
from corallite.train.data.load import ImageData
from corallite.train.runs.stage import Stage

# In the checkout, and in the wheel beside `convert`.
_FOLDER = Path(__file__).parents[3] / "examples" / "boards"
_MOST_CASES = 20


def make_kit(
    target: str,
    manifest: Manifest,
    images: np.ndarray,
    scores: np.ndarray,
    calibration: int = 0,
) -> dict[str, bytes]:
    """Returns the files beside a model: how to use it, and how to check it.

    Args:
        target: Its name; `examples/boards` has `board_TARGET.py` and `TARGET.md`.
        manifest: Of the model.
        images: uint8 `[n, height, width, 3]`, RGB, of the input's size.
        scores: float32 `[n, classes]`, what is expected for them.
        calibration: Number of images for calibration that are beside the model.
    """
    cases = io.BytesIO()
    np.savez_compressed(
        cases,
        images=images[:_MOST_CASES],
        scores=scores[:_MOST_CASES].astype(np.float32),
        labels=np.array(manifest.labels),
    )
    lines = [" ".join(label.splitlines()) + "\n" for label in manifest.labels]
    return {
        MANIFEST_NAME: json.dumps(manifest.to_json(), indent=1).encode(),
        LABELS_NAME: "".join(lines).encode(),
        "README.md": _read_guide(target, manifest, calibration),
        "verify.py": (_FOLDER / "verify.py").read_bytes(),
        "board.py": (_FOLDER / f"board_{target}.py").read_bytes(),
        "target.txt": f"{target}\n".encode(),
        "cases.npz": cases.getvalue(),
    }


def choose_pixels(data: ImageData, count: int) -> np.ndarray:
    """Returns training images for calibration, uint8 `[n, height, width, 3]`.

    Raises:
        RequestError: They do not represent the training images.
    """
    images = choose_checked_images(data.splits["train"], count)
    pixels: np.ndarray = np.round(images * 255).astype(np.uint8)
    return pixels


def predict_here(
    name: str, runner: Runner, stage: Stage, data: ImageData
) -> np.ndarray:
    """Returns what a file gives for the judging images, float32 `[n, classes]`.

    Args:
        name: The file, for errors.
        runner: Runs it.
        stage: What it was made from.
        data: The run's images.
    """
    manifest = make_manifest(stage.run, data, {})
    return predict_by(Classifier(name, manifest=manifest, runner=runner), data.judging)


def save_array(array: np.ndarray) -> bytes:
    """Returns the content of a `.npy` file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _read_guide(target: str, manifest: Manifest, calibration: int) -> bytes:
    """Returns the guide of a target, with the sizes of this model."""
    height, width = manifest.preprocessing.size_hw
    common = (_FOLDER / "common.md").read_text("utf-8")
    text = (_FOLDER / f"{target}.md").read_text("utf-8") + "\n" + common
    fields: Sequence[tuple[str, str]] = (
        ("HEIGHT", str(height)),
        ("WIDTH", str(width)),
        ("FIT", manifest.preprocessing.fit),
        ("CLASSES", str(len(manifest.labels))),
        ("CALIBRATION", str(calibration)),
    )
    for name, value in fields:
        text = text.replace(f"@{name}@", value)
    return text.encode()
