"""Measures a poll of a channel, and what it costs a running loop.

    python benchmarks/channel.py --model=model_int8.tflite

It publishes the model in a new channel, serves that on this machine, and polls it
without news. Then it classifies an image again and again, in turns of a second: without
polls, and with one poll after the other, which is 1,000 times as often as a device
polls. Prints JSON.
"""

import functools
import http.server
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from corallite.convert.publish import change
from corallite.device.channel.follow import open_reloading
from corallite.device.channel.question import Question, Reply, ask
from corallite.device.cli import program
from corallite.device.engine.base import Engine
from corallite.device.engine.open_model import ModelRequest

_MODEL = flags.DEFINE_string("model", None, "The .tflite file.", required=True)
_WORK_DIR = flags.DEFINE_string("work_dir", "runs/channel", "Folder; made anew.")
_ROUNDS = flags.DEFINE_integer("rounds", 20, "Rounds.", lower_bound=2)
_TURN_S = 1.0
_POLL = """
from corallite.device.channel.poll import main
main()
# Not of `resource`, which counts the memory of the parent too.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(status["VmHWM"].split()[0])
"""


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Counts requests and the bytes of bodies."""

    requests: list[int] = []

    def log_message(self, *arguments: object) -> None:
        """Stays silent."""

    def copyfile(self, source, outputfile) -> None:  # type: ignore[no-untyped-def]
        self.requests.append(os.fstat(source.fileno()).st_size)
        super().copyfile(source, outputfile)

    def send_error(self, *arguments, **options) -> None:  # type: ignore[no-untyped-def]
        self.requests.append(0)
        super().send_error(*arguments, **options)


def main(argv: Sequence[str]) -> None:
    """Measures both, and prints JSON."""
    program.reject_arguments(argv)
    folder = Path(_WORK_DIR.value).absolute()
    shutil.rmtree(folder, ignore_errors=True)
    os.environ["XDG_STATE_HOME"], os.environ["STATE_DIRECTORY"] = str(folder), ""
    change.publish(Path(_MODEL.value), folder / "public", folder / "keys")
    handler = functools.partial(_Handler, directory=str(folder / "public"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/channel.json"
        found = {"poll": _measure_polls(url, folder), "loop": _measure_loop(url)}
        server.shutdown()
    print(json.dumps(found, indent=2))


def _measure_polls(url: str, folder: Path) -> dict[str, float]:
    first = _poll(url, folder, "")
    _Handler.requests.clear()
    before_s = _children_s()
    start_s = time.perf_counter()
    for _ in range(_ROUNDS.value):
        _poll(url, folder, first.digest)
    return {
        "seconds": round((time.perf_counter() - start_s) / _ROUNDS.value, 3),
        "processor_seconds": round((_children_s() - before_s) / _ROUNDS.value, 3),
        "requests": len(_Handler.requests) / _ROUNDS.value,
        "megabytes": _measure_memory(_question(url, folder, first.digest)),
    }


def _poll(url: str, folder: Path, current: str) -> Reply:
    return ask(_question(url, folder, current))


def _question(url: str, folder: Path, current: str) -> Question:
    device = str(folder / "device")
    return Question(url, device, "id", "1.0", {}, current, os.getpid())


def _measure_memory(question: Question) -> float:
    """Returns the peak memory of a poll in megabytes, with files."""
    command = [sys.executable, "-c", _POLL, json.dumps(question._asdict())]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return round(int(done.stdout.splitlines()[-1]) * 1024 / 1e6, 1)


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _measure_loop(url: str) -> dict[str, dict[str, float]]:
    times: dict[str, list[float]] = {"alone": [], "polling": []}
    image = np.zeros((240, 320, 3), np.uint8)
    with open_reloading(ModelRequest(url)) as (engine, ask_to_poll):
        engine.start()
        for _ in range(_ROUNDS.value):
            times["alone"] += _classify(engine, image, lambda: None)
            times["polling"] += _classify(engine, image, ask_to_poll)
            time.sleep(_TURN_S)  # The last poll ends.
    return {name: _describe(found) for name, found in times.items()}


def _classify(engine: Engine, image, before_each) -> list[float]:  # type: ignore[no-untyped-def]
    """Classifies for a second; returns the milliseconds of each image."""
    found: list[float] = []
    end_s = time.perf_counter() + _TURN_S
    while (start_s := time.perf_counter()) < end_s:
        before_each()
        engine.classify(image)
        found.append((time.perf_counter() - start_s) * 1000)
        time.sleep(0.01)
    return found


def _describe(times_ms: list[float]) -> dict[str, float]:
    percentiles = statistics.quantiles(times_ms, n=100)
    return {
        "images": len(times_ms),
        "p50_ms": round(percentiles[49], 3),
        "p95_ms": round(percentiles[94], 3),
        "p99_ms": round(percentiles[98], 3),
    }


if __name__ == "__main__":
    program.run(main)
