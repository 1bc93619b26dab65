"""Measures the files of a table: latency, all in turn, and Vela's estimate."""

from collections.abc import Callable, Mapping
from pathlib import Path

from absl import logging
from read_rows import Result

from corallite.device.benchmark.ethosu import vela
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.runs.record import hash_file

_NPU = "ethos-u55-128"

# Returns the median latency in ms of each file, measured in turn.
Time = Callable[[list[Path]], list[float]]


def measure(
    results: Mapping[str, Result], cache: Path, time: Time | None
) -> dict[str, dict[str, float]]:
    """Returns "p50_ms" and, where Vela compiles the file, "npu_ms" of each row.

    Args:
        results: The rows of one table.
        cache: File with the former measurement, which holds for the same files.
        time: Measures; None to return only what was measured.
    """
    hashes = {name: hash_file(result.path) for name, result in results.items()}
    known = files.read_record(cache, dict) if cache.exists() else {}
    if known.get("files") != hashes:
        if time is None:
            former = known.get("files", {})
            same = {name for name, x in hashes.items() if former.get(name) == x}
            return {x: y for x, y in known.get("rows", {}).items() if x in same}
        times = time([result.path for result in results.values()])
        rows = {
            name: {"p50_ms": p50_ms, **_estimate(result)}
            for (name, result), p50_ms in zip(results.items(), times, strict=True)
        }
        known = {"files": hashes, "rows": rows}
        files.write_json(cache, known)
    found: dict[str, dict[str, float]] = known["rows"]
    return found


def _estimate(result: Result) -> dict[str, float]:
    """Returns Vela's milliseconds; nothing if a part of the network is on the CPU."""
    if not result.is_int8:
        return {}
    try:
        found = vela.estimate(result.path.read_bytes(), _NPU)
    except RequestError as error:
        logging.warning("%s: %s", result.path, error)
        return {}
    return {} if found.cpu_operators else {"npu_ms": found.milliseconds}
