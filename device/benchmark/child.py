"""Measures model files in a child process, which a model may crash."""

import contextlib
import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from corallite.device.board.energy import find_meter
from corallite.device.engine.file_kind import find_kind
from corallite.device.engine.open_other import load_module
from corallite.device.engine.runner import Runner
from corallite.device.engine.runtime import choose_runtime, load_interpreter
from corallite.device.system.errors import RequestError
from corallite.device.system.memory import read_peak_bytes
from corallite.device.system.native_log import withholding_native_log

# A model is warm if its last five inferences were not 2 % faster than the five before,
# or after the largest number of runs or seconds.
_WARM_WINDOW = 5
_WARM_GAIN = 0.02
_MAX_WARM_RUNS = 200
_MAX_WARM_S = 10.0
# Long enough for a meter, short enough that all files see the same other load.
_BLOCK_S = 0.02
_MAX_BLOCK_RUNS = 100

Run = Callable[[], None]


def main(name: str, request: str) -> None:
    """Prints a measurement as JSON, or exits with one sentence on stderr.

    Args:
        name: "start" for `measure_start`, "rounds" for `measure_rounds`.
        request: A JSON object with the arguments of that function.
    """
    measures: dict[str, Callable[..., dict[str, Any]]]
    measures = {"start": measure_start, "rounds": measure_rounds}
    try:
        print(json.dumps(measures[name](**json.loads(request))))
    except (RequestError, RuntimeError, ValueError, OSError) as error:
        sys.exit(f"corallite: {' '.join(str(error).split())}")


def measure_start(path: str, num_threads: int) -> dict[str, Any]:
    """Measures the time of the first prediction, and the memory of the model.

    Returns:
        "answer_s", on the clock of `time.monotonic`, which all processes share; and
        "peak_mib", the growth of the process's peak memory since before the model was
        loaded, or None if the system does not report it.
    """
    kind = find_kind(path)
    package = kind.package if kind else f"{choose_runtime()}.interpreter"
    with contextlib.suppress(ImportError):  # `_load` raises it again.
        importlib.import_module(package)
    baseline = read_peak_bytes()
    run = _load(path, num_threads)
    run()
    answer_s = time.monotonic()
    for _ in range(_WARM_WINDOW):
        run()
    peak = read_peak_bytes()
    if baseline is None or peak is None:
        return {"answer_s": answer_s, "peak_mib": None}
    return {"answer_s": answer_s, "peak_mib": (peak - baseline) / 2**20}


def measure_rounds(
    cases: list[tuple[str, int]], rounds: int, parent_pid: int
) -> dict[str, Any]:
    """Runs all cases alternately: A B C, A B C, and so on.

    Args:
        cases: The path and the number of threads of each case.
        rounds: In each round, a case runs for about 20 ms, at least once.
        parent_pid: The parent process; if it has ended, this process exits.

    Returns:
        "meter", a name or None, and "cases": for each, "warm_runs", "is_warm",
        "latencies_ms" as one list per round, and "joules" per inference of each
        round, empty without a meter.
    """
    runs = [_load(path, num_threads) for path, num_threads in cases]
    rows = [_warm_up(run) for run in runs]
    meter = find_meter()
    for _ in range(rounds):
        if os.getppid() != parent_pid:
            sys.exit("corallite: the parent process has ended")
        for run, row in zip(runs, rows, strict=True):
            if meter is not None:
                meter.start()
            latencies_ms = [_time_ms(run) for _ in range(row["block_runs"])]
            row["latencies_ms"].append(latencies_ms)
            if meter is not None:
                row["joules"].append(meter.stop() / len(latencies_ms))
    return {"meter": None if meter is None else meter.name, "cases": rows}


def is_warm(latencies_ms: list[float]) -> bool:
    """Returns whether the last inferences were not faster than those before."""
    if len(latencies_ms) < 2 * _WARM_WINDOW:
        return False
    before = statistics.median(latencies_ms[-2 * _WARM_WINDOW : -_WARM_WINDOW])
    last = statistics.median(latencies_ms[-_WARM_WINDOW:])
    return last >= (1 - _WARM_GAIN) * before


def _warm_up(run: Run) -> dict[str, Any]:
    latencies_ms: list[float] = []
    deadline_s = time.monotonic() + _MAX_WARM_S
    while not is_warm(latencies_ms) and len(latencies_ms) < _MAX_WARM_RUNS:
        latencies_ms.append(_time_ms(run))
        if time.monotonic() > deadline_s:
            break
    typical_s = statistics.median(latencies_ms[-_WARM_WINDOW:]) / 1000
    block_runs = min(max(round(_BLOCK_S / max(typical_s, 1e-6)), 1), _MAX_BLOCK_RUNS)
    return {
        "warm_runs": len(latencies_ms),
        "is_warm": is_warm(latencies_ms),
        "block_runs": block_runs,
        "latencies_ms": [],
        "joules": [],
    }


def _load(path: str, num_threads: int) -> Run:
    """Returns a function that runs one inference on noise."""
    kind = find_kind(path)
    if kind is not None:
        return _load_other(load_module(path, kind).load(path, num_threads))
    with withholding_native_log():
        interpreter = load_interpreter(path, num_threads)
    rng = np.random.default_rng(0)
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], _make_noise(rng, detail))
    run: Run = interpreter.invoke
    return run


def _load_other(runner: Runner) -> Run:
    rng, inputs = np.random.default_rng(0), runner.signature.inputs
    noise = {x.name: _make_noise(rng, x._asdict()) for x in inputs}

    def run() -> None:
        runner.run(noise)

    return run


def _make_noise(rng: np.random.Generator, detail: dict[str, Any]) -> Any:
    shape, dtype = tuple(detail["shape"]), np.dtype(detail["dtype"])
    if dtype in (np.uint8, np.int8):
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    if dtype.kind == "f":
        return rng.random(shape).astype(dtype)
    # The input may be indices, of which only 0 is surely valid.
    return np.zeros(shape, dtype)


def _time_ms(run: Run) -> float:
    start_s = time.perf_counter()
    run()
    return (time.perf_counter() - start_s) * 1000
