"""The program that measures operators: its table, and how it is stopped and resumed."""

import json
import re
import signal
import subprocess
import sys
import time

import pytest
from fixtures.operators import SAMPLES

from corallite.device.benchmark.fill_table import fill_table, read_layers
from corallite.device.benchmark.layers.latency_table import (
    LatencyTable,
    read_table,
    write_table,
)
from corallite.device.benchmark.layers.operator import Operator
from corallite.device.benchmark.layers.operator_file import write_operators

PROGRAM = [sys.executable, "-m", "corallite.device.cli.benchmark_main"]
CONV = Operator("conv", 4, 4, (8,), 8)


def write_list(path, operators):
    path.write_text(json.dumps([each.to_json() for each in operators]))
    return path


def run(*flags):
    return subprocess.run([*PROGRAM, *flags], capture_output=True, text=True)


def test_program_writes_and_extends_a_table(tmp_path):
    out = tmp_path / "board.json"
    layers = write_list(tmp_path / "layers.json", SAMPLES[:3])
    done = run(f"--layers={layers}", f"--out={out}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{out}: 3 operators\n"
    first = read_table(out)
    write_list(layers, SAMPLES[:5])
    assert run(f"--layers={layers}", f"--out={out}", "--cpus=0").returncode == 0
    second = read_table(out)
    assert len(second.milliseconds) == 5
    assert first.milliseconds.items() < second.milliseconds.items()


def test_table_of_an_accelerator_is_written_and_extended(tmp_path):
    pytest.importorskip("ethosu.vela")
    out = tmp_path / "npu.json"
    layers = write_list(tmp_path / "layers.json", [CONV])
    flags = [f"--layers={layers}", f"--out={out}"]
    done = run(*flags, "--accelerator=ethos-u55-128")
    assert (done.returncode, done.stderr) == (0, "")
    table = read_table(out)
    assert table.machine.startswith("ethos-u55-128 (Vela ") and table.lookup(CONV) > 0
    write_list(layers, [CONV, Operator("add", 4, 4, (8, 8), 8)])
    assert run(*flags, "--accelerator=ethos-u55-128").returncode == 0
    assert len(read_table(out).milliseconds) == 2
    done = run(*flags, "--accelerator=ethos-u55-256")
    assert done.returncode == 2 and "its machine is ethos-u55-128" in done.stderr
    done = run(*flags, "--accelerator=ethos")
    assert done.returncode == 2 and "choose one of ethos-u55-32" in done.stderr


@pytest.mark.parametrize("flags", [[], ["--accelerator=ethos-u55-128"]])
def test_prediction_is_compared_with_the_whole_file(tmp_path, flags):
    if flags:
        pytest.importorskip("ethosu.vela")
    model = tmp_path / "model.tflite"
    model.write_bytes(write_operators([CONV, CONV]))
    done = run(f"--layers={model}", f"--out={tmp_path / 'b.json'}", *flags)
    assert (done.returncode, done.stderr) == (0, "")
    numbers = re.findall(r" ([+-]?[0-9.]+)(?: ms|%)", done.stdout.replace("(", ""))
    assert len(numbers) == 3 and f"those of {model} take " in done.stdout


def test_operators_of_a_file_are_measured(tmp_path):
    model = tmp_path / "model.tflite"
    model.write_bytes(write_operators([CONV, CONV]))
    assert read_layers(model) == [CONV, CONV]
    counts = []
    out = tmp_path / "board.json"
    table = fill_table([CONV, CONV], out, report=lambda *count: counts.append(count))
    assert set(counts) == {(1, 1)} and list(table.milliseconds) == [CONV.key]
    assert read_table(out).milliseconds.keys() == table.milliseconds.keys()


def test_empty_list_gives_an_empty_table(tmp_path):
    out = tmp_path / "board.json"
    assert fill_table([], out) == read_table(out)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--layers=a.json"], "--layers and --out: give both"),
        (["--out=a.json"], "--layers and --out: give both"),
        (["--layers=a", "--out=b", "--model=m.tflite"], "files; omit --model."),
        (["--layers=a", "--out=b", "m.tflite"], "files; omit 'm.tflite'."),
        (["--layers=a", "--out=b", "--rounds=9"], "files; omit --rounds."),
        (["--layers=a", "--out=b", "--json"], "files; omit --json."),
        (["--layers=a", "--out=b", "--num_threads=1,2"], "a table has one number"),
        (["--accelerator=ethos-u55-128"], "--layers and --out: give both"),
        (
            ["--layers=a", "--out=b", "--accelerator=b", "--num_threads=2"],
            "omit --num_threads",
        ),
        (["--layers=no.json", "--out=b"], "no.json: cannot be read"),
        (["--layers=no.tflite", "--out=b"], "no.tflite: cannot be read"),
    ],
)
def test_invalid_request_is_reported_in_one_line(flags, sentence):
    done = run(*flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr and done.stderr.count("\n") == 1


def test_table_of_another_machine_is_refused_and_kept(tmp_path):
    out = tmp_path / "board.json"
    write_table(LatencyTable("a board", "runtime 1"), out)
    before = out.read_bytes()
    layers = write_list(tmp_path / "layers.json", [CONV])
    done = run(f"--layers={layers}", f"--out={out}")
    assert done.returncode == 2 and "its machine is a board, not" in done.stderr
    assert out.read_bytes() == before


@pytest.mark.usefixtures("default_signals")
def test_interrupted_measurement_is_resumed(tmp_path):
    out = tmp_path / "board.json"
    operators = [Operator("conv", 8, 8, (8,), n) for n in range(1, 2000)]
    layers = write_list(tmp_path / "layers.json", operators)
    process = subprocess.Popen([*PROGRAM, f"--layers={layers}", f"--out={out}"])
    deadline_s = time.monotonic() + 100
    while not out.exists():
        assert time.monotonic() < deadline_s and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=100) == 128 + signal.SIGINT
    kept = read_table(out).milliseconds
    assert 0 < len(kept) < len(operators)
    asked = [each for each in operators if each.key in kept] + [CONV]
    table = fill_table(asked, out)
    assert kept.items() < table.milliseconds.items() and CONV.key in table.milliseconds
