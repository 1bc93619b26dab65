"""Measures the memory of a process that only runs a `.tflite` file."""

from pathlib import Path

import numpy as np

from corallite.device.engine.runners import litert
from corallite.device.system.memory import read_peak_bytes
from corallite.device.system.process.isolated import try_python

# The second run of an interpreter needs no more than the first; some kernels make
# room for what they keep in the first only.
_RUNS = 2
_TIMEOUT_S = 120.0
_CODE = "from corallite.convert.evaluate import peak_memory as x; x.run(sys.argv[1])"


def measure_peak_memory(path: Path) -> int | None:
    """Returns the peak of the resident memory, in bytes, of a process that runs `path`.

    It is another process, because this one contains TensorFlow. It includes Python,
    NumPy, OpenCV and the TFLite runtime, as on a device.

    Returns:
        None if the system does not report it (other than Linux), or the file does not
        run within two minutes.
    """
    outcome = try_python(_CODE, str(path), timeout_s=_TIMEOUT_S)
    return int(outcome.output) if outcome.output.strip().isdecimal() else None


def run(path: str) -> None:
    """Runs a file in this process, and prints its peak resident memory in bytes.

    Raises:
        RequestError: The file cannot be run.
    """
    # What every device loads to get from a camera's frame to the pixels.
    import corallite.device.image.preprocess  # noqa: F401

    runner = litert.load(path)
    zeros = {x.name: np.zeros(x.shape, x.dtype) for x in runner.signature.inputs}
    for _ in range(_RUNS):
        runner.run(zeros)
    print(read_peak_bytes())
