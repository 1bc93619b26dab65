"""Stands in for `edgetpu_compiler`: prints what logs of compiler 16 have, and fails so.

Its first argument is a JSON object of settings, the others are those of the compiler.
It takes operators in order, from the first that it takes to the last before one that it
does not, and puts one custom operator in their place; with -a it goes on behind.
"""

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

VERSION = "16.0.384591198"
MAPPED = "Mapped to Edge TPU"
LATER = "More than one subgraph is not supported"
LARGE = """\
ERROR: Restored original execution plan after delegate application failure.
Compilation failed: Compilation failed due to large activation tensors in model."""


def main(settings, arguments):
    options = parse(arguments)
    calls = Path(settings["calls"])
    with calls.open("a") as file:
        file.write(json.dumps(arguments) + "\n")
    print(f"Edge TPU Compiler version {settings.get('version', VERSION)}", flush=True)
    if options.version:
        return 0
    run = sum('"--version"' not in line for line in calls.read_text().splitlines())
    print(f"Started a compilation timeout timer of {options.timeout_sec} seconds.\n")
    sys.stdout.flush()
    if settings.get("hangs"):
        hang(calls)
    if settings.get("dies"):
        os.kill(os.getpid(), signal.SIGKILL)
    if settings.get("writes_nothing"):
        return 0
    if run <= settings.get("internal_errors", 0):
        return fail("Internal compiler error. Aborting! ")
    path = Path(options.model)
    if settings.get("unquantized"):
        return fail(f"Invalid model: {path}\nModel not quantized", end="")
    for line in settings.get("says", ()):
        print(line)
    failure = find_failure(path, settings)
    if failure and not options.search_delegate:
        return fail(failure)
    if failure:
        print("Searching for valid delegate with step 1")
        print("Try to compile segment with 9 ops")
        print(f"{failure}\nCompilation failed! \nTry to compile segment with 1 ops")
        print("Intermediate tensors: tensor_1")
    for number in range(options.num_segments):
        parts = options.num_segments
        suffix = f"_segment_{number}_of_{parts}" if parts > 1 else ""
        compile_model(path, f"{path.stem}{suffix}", settings, options)
    print("Compilation child process completed within timeout period.")
    print("Compilation succeeded! ")
    return 0


def parse(arguments):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--version", action="store_true")
    parser.add_argument("-a", "--enable_multiple_subgraphs", action="store_true")
    parser.add_argument("-s", "--show_operations", action="store_true")
    parser.add_argument("-d", "--search_delegate", action="store_true")
    parser.add_argument("-n", "--num_segments", type=int, default=1)
    parser.add_argument("-m", "--min_runtime_version", type=int, default=14)
    parser.add_argument("-o", "--out_dir", default=".")
    parser.add_argument("-t", "--timeout_sec", type=int, default=180)
    parser.add_argument("model", nargs="?")
    return parser.parse_args(arguments)


def fail(text, end="Compilation failed! \n"):
    print(text)
    print(end, end="")
    return 1


def hang(calls):
    """As reported of some models: and nothing but SIGKILL ends it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "600"])
    calls.with_name("pids").write_text(f"{os.getpid()} {child.pid}")
    calls.with_name("pids").rename(calls.with_name("hanging"))
    time.sleep(600)


def load_files():
    """Returns the module that reads and writes models, when it is needed."""
    return importlib.import_module("compiled_by_stand_in")


def find_failure(path, settings):
    files = load_files()
    model = files.read(path.read_bytes())
    for kind, version in files.list_kinds(model):
        if version > settings.get("highest_version", 99):
            return (
                f"ERROR: Didn't find op for builtin opcode '{kind}' version "
                f"'{version}'. An older version of this builtin might be supported. "
                "\nERROR: Registration failed.\n\nInvalid model: x\nModel could not be "
                "parsed"
            )
    outputs = files.list_outputs(model)
    if any(settings.get("breaks_at") in names for names in outputs):
        return settings.get("breaks_with", LARGE)
    return None


def compile_model(path, name, settings, options):
    files = load_files()
    model = files.read(path.read_bytes())
    types = files.list_types(model)
    is_cut = name.endswith(settings.get("cut_in", ""))
    left = settings.get("left_to_cpu", {}) if is_cut else {}
    pieces = files.list_pieces([kind not in left for kind in types])
    if not options.enable_multiple_subgraphs:
        pieces = pieces[:1]
    mapped = [index for piece in pieces for index in piece]
    rows: dict[tuple[str, str], int] = {}
    for index, kind in enumerate(types):
        status = MAPPED if index in mapped else left.get(kind, LATER)
        rows[kind, status] = rows.get((kind, status), 0) + 1
    content = files.replace(model, pieces)
    if settings.get("damaged"):
        content = content[:60]
    out = Path(options.out_dir)
    (out / f"{name}_edgetpu.tflite").write_bytes(content)
    table = "Operator                       Count      Status\n\n"
    for (kind, status), count in sorted(rows.items(), key=str):
        table += f"{kind:<31}{count:<11}{status}\n"
    head = f"Edge TPU Compiler version {VERSION}\nInput: {path}\n"
    log = f"{head}Output: {name}_edgetpu.tflite\n\n{table}"
    (out / f"{name}_edgetpu.log").write_text(log)
    print(f"Model compiled successfully in 986 ms.\n\nInput model: {path}")
    print(f"Input size: 2.88MiB\nOutput model: {name}_edgetpu.tflite")
    print(
        "Output size: 3.31MiB\n"
        "On-chip memory used for caching model parameters: 3.86MiB\n"
        "On-chip memory remaining for caching model parameters: 3.83MiB\n"
        "Off-chip memory used for streaming uncached model parameters: 0.00B\n"
        f"Number of Edge TPU subgraphs: {len(pieces)}\n"
        f"Total number of operations: {len(types)}\n"
        f"Operation log: {name}_edgetpu.log"
    )
    if len(mapped) < len(types):
        print(
            "\nModel successfully compiled but not all operations are supported by the "
            "Edge TPU. A percentage of the model will instead run on the CPU, which is "
            "slower.\n"
            f"Number of operations that will run on Edge TPU: {len(mapped)}\n"
            f"Number of operations that will run on CPU: {len(types) - len(mapped)}"
        )
    text = "See the operation log file for individual operation details."
    print(f"\n{table}" if options.show_operations else text)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1]), sys.argv[2:]))
