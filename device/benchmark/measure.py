"""Compares model files side by side: latency, memory, start and energy."""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corallite.device.engine.file_kind import find_kind
from corallite.device.engine.open_model import is_compiled
from corallite.device.engine.runtime import read_model
from corallite.device.system.errors import RequestError
from corallite.device.system.process.isolated import try_python

_CHILD = (
    "import sys; from corallite.device.benchmark.child import main; main(*sys.argv[1:])"
)
# Enough for all rounds of several slow models; a longer run hangs.
_TIMEOUT_S = 3600
_TOOL_RUNS = 50
_TOOL_MEAN = re.compile(r"Inference \(avg\): (\d[\d.]*(?:e\+?\d+)?)")
_TOOL_REMEDY = "run it by hand, or skip it with --benchmark_model=none"


@dataclass(frozen=True)
class Case:
    """One model file with a number of threads."""

    path: str
    num_threads: int


def pin(cpus: Sequence[int]) -> None:
    """Pins this process, and the processes that it will start, to these CPUs.

    Raises:
        RequestError: A CPU is missing or not allowed, or the system is not Linux.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise RequestError("--cpus: only Linux can pin threads; leave it out.")
    allowed = sorted(os.sched_getaffinity(0))
    missing = sorted(set(cpus) - set(allowed))
    if missing:
        raise RequestError(
            f"--cpus: CPU {missing[0]} is not available to this process; choose from "
            f"{','.join(map(str, allowed))}."
        )
    os.sched_setaffinity(0, cpus)


def measure(
    cases: Sequence[Case], *, rounds: int = 50, starts: int = 3
) -> dict[str, Any]:
    """Measures all cases, each start in its own process.

    Args:
        cases: At least one; the first is the reference of the ratios.
        rounds: In each round, every case runs for about 20 ms, at least once.
        starts: Number of starts per case; their median counts.

    Returns:
        "meter" and "cases", as `--json` writes them.

    Raises:
        RequestError: A file cannot be run, is compiled for the Edge TPU, or crashes.
    """
    for case in cases:
        _refuse_compiled(case.path)
    cold = [[_start(case) for _ in range(starts)] for case in cases]
    pairs = [(case.path, case.num_threads) for case in cases]
    content = _ask(
        pairs[0][0], "rounds", cases=pairs, rounds=rounds, parent_pid=os.getpid()
    )
    first = content["cases"][0]["latencies_ms"]
    rows = [
        {
            "model": case.path,
            "num_threads": case.num_threads,
            **_summarize(measured, first),
            "cold_start_ms": statistics.median(s["cold_start_ms"] for s in of_case),
            "peak_mib": _largest(s["peak_mib"] for s in of_case),
        }
        for case, of_case, measured in zip(cases, cold, content["cases"], strict=True)
    ]
    return {"meter": content["meter"], "cases": rows}


def time_files(paths: Sequence[Path], rounds: int = 100) -> list[float]:
    """Returns the median latency in ms of each file, in turn, with one thread.

    Raises:
        RequestError: As `measure`.
    """
    cases = [Case(str(path), num_threads=1) for path in paths]
    return [x["p50_ms"] for x in measure(cases, rounds=rounds, starts=1)["cases"]]


def run_tool(tool: str, case: Case, timeout_s: float = _TIMEOUT_S) -> float:
    """Returns the mean latency in ms that TFLite's `benchmark_model` measures.

    Args:
        tool: The program's path.
        case: The file and the number of threads.
        timeout_s: The tool is killed after this time.

    Raises:
        RequestError: The tool does not start, hangs, fails or prints no time.
    """
    command = [
        tool,
        f"--graph={case.path}",
        f"--num_threads={case.num_threads}",
        f"--num_runs={_TOOL_RUNS}",
    ]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
        )
    except OSError as error:
        raise RequestError(
            f"{tool}: does not start ({error.strerror}); check --benchmark_model."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise RequestError(
            f"{tool}: no result in {timeout_s:g} s for {case.path}; {_TOOL_REMEDY}."
        ) from error
    # Some builds write to stdout, some to stderr.
    means_us = _TOOL_MEAN.findall(done.stdout + done.stderr)
    if done.returncode or not means_us:
        raise RequestError(
            f"{tool}: exited with {done.returncode} for {case.path} and printed no "
            f"time; {_TOOL_REMEDY}."
        )
    return float(means_us[-1]) / 1000


def _refuse_compiled(path: str) -> None:
    if find_kind(path) is None and is_compiled(read_model(path), path):
        raise RequestError(
            f"{path}: is compiled for the Edge TPU, but only the CPU is measured; give "
            "the file that it was compiled from."
        )


def _start(case: Case) -> dict[str, Any]:
    start_s = time.monotonic()
    content = _ask(case.path, "start", path=case.path, num_threads=case.num_threads)
    cold_start_ms = (content.pop("answer_s") - start_s) * 1000
    return {**content, "cold_start_ms": cold_start_ms}


def _ask(path: str, name: str, /, **request: Any) -> dict[str, Any]:
    outcome = try_python(
        _CHILD, name, json.dumps(request), timeout_s=_TIMEOUT_S, python=sys.executable
    )
    if outcome.crashed:
        raise RequestError(f"{path}: {outcome.failure}; see: corallite doctor.")
    if outcome.failure:
        raise RequestError(f"{outcome.failure}.")
    content: dict[str, Any] = json.loads(outcome.output)
    return content


def _largest(peaks_mib: Iterable[float | None]) -> float | None:
    return max((x for x in peaks_mib if x is not None), default=None)


def _summarize(measured: dict[str, Any], first: list[list[float]]) -> dict[str, Any]:
    """Returns percentiles of all inferences, and quartiles of the rounds' ratios.

    A ratio compares the medians of one round: other load of the machine affects both.
    """
    rounds = measured["latencies_ms"]
    latencies_ms = sorted(x for latencies in rounds for x in latencies)
    ratios = sorted(
        statistics.median(own) / statistics.median(base)
        for own, base in zip(rounds, first, strict=True)
    )
    joules = measured["joules"]
    return {
        "runs": len(latencies_ms),
        "warm_runs": measured["warm_runs"],
        "is_warm": measured["is_warm"],
        "p50_ms": percentile(latencies_ms, 50),
        "p95_ms": percentile(latencies_ms, 95),
        "p99_ms": percentile(latencies_ms, 99),
        "ratio_quartiles": [percentile(ratios, q) for q in (25, 50, 75)],
        "energy_mj": statistics.median(joules) * 1000 if joules else None,
    }


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Returns the smallest of the ascending values that `percent` % do not exceed."""
    return ordered[max(-(-percent * len(ordered) // 100), 1) - 1]
