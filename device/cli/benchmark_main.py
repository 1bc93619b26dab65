"""Compares model files side by side: latency, memory, start and energy.

corallite benchmark a.tflite b.tflite --num_threads=1,2 --cpus=0,1

The input is noise, so any .tflite file works. After a warm-up, the files run
alternately, A B C A B C, so that other load of the machine affects all of them. `ratio`
is the latency relative to the first file, `MiB` the memory that loading and running the
file adds to the process, `start` the time from the start of the process to the first
prediction, `mJ` the energy of one inference. TFLite's own `benchmark_model` also runs
if it is installed.
"""

import json
import shutil
from collections.abc import Sequence

from absl import flags

from corallite.device.benchmark import measure, table
from corallite.device.cli import program
from corallite.device.engine.runtime import MOST_THREADS, choose_runtime
from corallite.device.system.errors import RequestError

_MODEL = flags.DEFINE_multi_string(
    "model", [], "A .tflite file; repeat the flag for each, or leave it out."
)
_NUM_THREADS = flags.DEFINE_list(
    "num_threads", ["1"], "Threads per inference; several numbers are each measured."
)
_CPUS = flags.DEFINE_list("cpus", None, "Numbers of the CPUs to run on; default, all.")
_ROUNDS = flags.DEFINE_integer(
    "rounds", 50, "Rounds; in each, every file runs for 20 ms.", lower_bound=1
)
_STARTS = flags.DEFINE_integer(
    "starts", 3, "Processes to start for each file, to time its start.", lower_bound=1
)
_TOOL = flags.DEFINE_string(
    "benchmark_model",
    None,
    "Path of TFLite's benchmark program, or none; default, search PATH.",
)
_JSON = flags.DEFINE_boolean("json", False, "Print a JSON object.")


def main(argv: Sequence[str]) -> None:
    """Measures the files and prints the result."""
    paths = [*_MODEL.value, *argv[1:]]
    if not paths:
        raise RequestError(program.MODEL_IS_MISSING)
    cpus = _to_numbers("cpus", _CPUS.value or (), 0)
    threads = _to_numbers("num_threads", _NUM_THREADS.value, 1)
    if not threads or max(threads) > MOST_THREADS:
        raise RequestError(
            f"--num_threads: expected at least one number, each at most {MOST_THREADS}."
        )
    cases = [measure.Case(path, n) for path in paths for n in threads]
    runtime = choose_runtime()
    if cpus:
        measure.pin(cpus)
    content = measure.measure(cases, rounds=_ROUNDS.value, starts=_STARTS.value)
    tool = None if _TOOL.value == "none" else _TOOL.value
    if _TOOL.value is None:
        tool = shutil.which("benchmark_model")
    content.update(runtime=runtime, cpus=cpus, tool=tool)
    if tool:
        for case, row in zip(cases, content["cases"], strict=True):
            row["tool_mean_ms"] = measure.run_tool(tool, case)
    to_text = json.dumps if _JSON.value else table.to_table
    print(to_text(content))


def _to_numbers(flag: str, words: Sequence[str], least: int) -> list[int]:
    if not all(word.isdecimal() and int(word) >= least for word in words):
        raise RequestError(
            f"--{flag}: expected numbers of at least {least}, as {least},{least + 1}, "
            f"got {','.join(words)!r}."
        )
    return [int(word) for word in words]


if __name__ == "__main__":
    program.run(main)
