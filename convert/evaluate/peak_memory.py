"""How much memory running a `.tflite` file takes, in a process that does only that.

python -m corallite.convert.evaluate.peak_memory FILE
"""

import subprocess
import sys
from pathlib import Path

import numpy as np

from corallite.device.engine.runtime import load_interpreter
from corallite.device.system.errors import RequestError
from corallite.device.system.memory import read_peak_bytes

# The second run of an interpreter needs no more than the first; some kernels make
# room for what they keep in the first only.
_RUNS = 2
_TIMEOUT_S = 120.0


def measure_peak_memory(path: Path) -> int | None:
    """Returns the most bytes that a process running `path` had resident.

    In another process, because this one holds TensorFlow. Python, NumPy, OpenCV and
    the TFLite runtime are in it, as on a device.

    Returns:
        None where the system does not say (other than Linux), or the file cannot be
        run in two minutes.
    """
    try:
        done = _start(path)
    except subprocess.TimeoutExpired:
        return None
    return int(done.stdout) if done.stdout.strip().isdecimal() else None


def _start(path: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "corallite.convert.evaluate.peak_memory",
            path.absolute(),
        ],
        # Not where the user is: a json.py there would be imported.
        cwd=path.absolute().parent.anchor,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )


def _run(path: str) -> int | None:
    # What every device loads to get from a camera's frame to the pixels.
    import corallite.device.image.preprocess  # noqa: F401

    interpreter = load_interpreter(path)
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(
            detail["index"], np.zeros(detail["shape"], detail["dtype"])
        )
    for _ in range(_RUNS):
        interpreter.invoke()
    return read_peak_bytes()


if __name__ == "__main__":
    try:
        peak_bytes = _run(sys.argv[1])
    except RequestError as error:
        sys.exit(str(error))
    print("" if peak_bytes is None else peak_bytes)
