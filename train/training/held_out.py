"""What heads predict for training images that they were not fitted to, in a stage."""

import io

import numpy as np

from corallite.device.system import files
from corallite.train.runs.stage import Stage

_FILE = "held_out.npy"


def write_held_out(stage: Stage, probabilities: np.ndarray | None) -> None:
    """Writes the probabilities, `[n, classes]`, of the training images; None: none."""
    path = stage.path / _FILE
    if probabilities is None:
        path.unlink(missing_ok=True)
        return
    buffer = io.BytesIO()
    np.save(buffer, probabilities.astype(np.float32), allow_pickle=False)
    files.write_bytes(path, buffer.getvalue())


def read_held_out(stage: Stage) -> np.ndarray | None:
    """Returns what `write_held_out` wrote, float32; None if there is nothing usable."""
    try:
        return np.load(stage.path / _FILE, allow_pickle=False)
    # EOFError: an empty file.
    except (OSError, ValueError, EOFError):
        return None
