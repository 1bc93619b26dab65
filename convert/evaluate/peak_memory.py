"""How much memory running a `.tflite` file takes, in a process that does only that."""

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
    """Returns the most bytes that a process running `path` had resident.

    In another process, because this one holds TensorFlow. Python, NumPy, OpenCV and
    the TFLite runtime are in it, as on a device.

    Returns:
        None where the system does not say (other than Linux), or the file cannot be
        run in two minutes.
    """
    outcome = try_python(_CODE, str(path), timeout_s=_TIMEOUT_S)
    return int(outcome.output) if outcome.output.strip().isdecimal() else None


def run(path: str) -> None:
    """Runs a file in this process, and prints the most bytes that it had resident.

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
