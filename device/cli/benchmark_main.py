"""Compares model files side by side: latency, memory, start and energy.

corallite benchmark a.tflite b.tflite --num_threads=1,2 --cpus=0,1

The input is noise, so any .tflite file works. After a warm-up, the files run
alternately, A B C A B C, so that other load of the machine affects all of them. `ratio`
is the latency relative to the first file, `MiB` the memory that loading and running the
file adds to the process, `start` the time from the start of the process to the first
prediction, `mJ` the energy of one inference. TFLite's own `benchmark_model` also runs
if it is installed.

corallite benchmark --layers=layers.json --out=board.json

measures single int8 operators into a table, whose sum over a network's operators
predicts its latency. The list is JSON, or the operators of a .tflite file. An existing
table is extended, also after Ctrl-C. With --accelerator=ethos-u55-128, the table has
what Arm's compiler Vela estimates for that NPU.
"""

import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

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
_LAYERS = flags.DEFINE_string(
    "layers", None, "Measure these operators: a JSON list or a .tflite file."
)
_OUT = flags.DEFINE_string("out", None, "The table of --layers, a JSON file.")
_ACCELERATOR = flags.DEFINE_string(
    "accelerator",
    None,
    "With --layers: Vela's estimate for this NPU, such as ethos-u55-128.",
)
# They say how files are compared.
_NOT_WITH_LAYERS = ("model", "rounds", "starts", "benchmark_model", "json")


def main(argv: Sequence[str]) -> None:
    """Measures files or operators, and prints the result."""
    cpus = _to_numbers("cpus", _CPUS.value or (), 0)
    threads = _to_numbers("num_threads", _NUM_THREADS.value, 1)
    if not threads or max(threads) > MOST_THREADS:
        raise RequestError(
            f"--num_threads: expected at least one number, each at most {MOST_THREADS}."
        )
    if any(flag.value is not None for flag in (_LAYERS, _OUT, _ACCELERATOR)):
        print(_measure_layers(argv, threads, cpus))
    else:
        print(_compare_files([*_MODEL.value, *argv[1:]], threads, cpus))


def _compare_files(paths: list[str], threads: list[int], cpus: list[int]) -> str:
    """Measures the files; returns the result as text."""
    if not paths:
        raise RequestError(program.MODEL_IS_MISSING)
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
    return json.dumps(content) if _JSON.value else table.to_table(content)


def _measure_layers(argv: Sequence[str], threads: list[int], cpus: list[int]) -> str:
    """Measures the operators of --layers into --out; returns a sentence."""
    # Needs the generated schema, which takes a second to load.
    from corallite.device.benchmark import fill_table

    if not _LAYERS.value or not _OUT.value:
        raise RequestError("--layers and --out: give both, or compare files.")
    given = [x for x in _NOT_WITH_LAYERS if flags.FLAGS[x].present]
    if argv[1:] or given:
        name = f"--{given[0]}" if given else repr(argv[1])
        raise RequestError(f"--layers: measures operators, not files; omit {name}.")
    if len(threads) > 1:
        raise RequestError("--num_threads: a table has one number; make one for each.")
    if _ACCELERATOR.value and flags.FLAGS["num_threads"].present:
        raise RequestError("--accelerator: is not this machine; omit --num_threads.")
    operators = fill_table.read_layers(Path(_LAYERS.value))
    if cpus:
        measure.pin(cpus)
    start_s = time.monotonic()
    made = fill_table.fill_table(
        operators,
        Path(_OUT.value),
        threads=threads[0],
        accelerator=_ACCELERATOR.value,
        report=_report,
    )
    return (
        f"{_OUT.value}: {len(made.milliseconds)} operators "
        f"({time.monotonic() - start_s:.0f} s); those of {_LAYERS.value} take "
        f"{made.predict(operators):.3f} ms together"
    )


def _report(done: int, total: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\r{done} of {total} operators", end=end, file=sys.stderr, flush=True)


def _to_numbers(flag: str, words: Sequence[str], least: int) -> list[int]:
    if not all(word.isdecimal() and int(word) >= least for word in words):
        raise RequestError(
            f"--{flag}: expected numbers of at least {least}, as {least},{least + 1}, "
            f"got {','.join(words)!r}."
        )
    return [int(word) for word in words]


if __name__ == "__main__":
    program.run(main)
