"""Times files of operators alternately."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from corallite.device.engine.runtime import load_interpreter
from corallite.device.system.native_log import withholding_native_log

# A run before them loads the caches.
_RUNS = 2
# Of the times of all rounds: a low one has less of other load, the lowest may be a
# moment of a higher clock.
_QUANTILE = 0.25


class Stopwatch:
    """Files whose times are compared."""

    def __init__(self, contents: Mapping[str, bytes], threads: int) -> None:
        """Loads the files.

        Args:
            contents: The content of `.tflite` files; the names are for errors.
            threads: Of one inference.

        Raises:
            RequestError: A file cannot be run, or no runtime works here.
        """
        self._runs = [
            _load(name, content, threads) for name, content in contents.items()
        ]
        # With a single thread, time in which the processor runs other processes does
        # not count.
        self._clock_ns = time.thread_time_ns if threads == 1 else time.perf_counter_ns

    def measure(self, rounds: int) -> list[float]:
        """Returns the milliseconds of one inference of each file.

        All files run in turn, `rounds` times, so that other load affects all of them.
        """
        times = [[self._time(run) for run in self._runs] for _ in range(rounds)]
        quantiles: list[float] = np.quantile(times, _QUANTILE, axis=0).tolist()
        return quantiles

    def _time(self, run: Any) -> float:
        run()
        start_ns = self._clock_ns()
        for _ in range(_RUNS):
            run()
        return (self._clock_ns() - start_ns) / 1e6 / _RUNS


def _load(name: str, content: bytes, threads: int) -> Any:
    """Returns a function that runs one inference on noise."""
    with withholding_native_log():
        interpreter = load_interpreter(name, threads, content)
    rng = np.random.default_rng(0)
    for detail in interpreter.get_input_details():
        limits = np.iinfo(detail["dtype"])
        noise = rng.integers(
            limits.min, limits.max, detail["shape"], detail["dtype"], endpoint=True
        )
        interpreter.set_tensor(detail["index"], noise)
    return interpreter.invoke
