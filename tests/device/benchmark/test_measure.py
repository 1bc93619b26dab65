"""The benchmark program on tiny models, and its statistics."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from corallite.device.benchmark import measure as benchmark
from corallite.device.benchmark.child import is_warm
from corallite.device.board.energy import find_meter
from corallite.device.system.errors import RequestError

PROGRAM = [sys.executable, "-m", "corallite.device.cli.benchmark_main"]
QUICK = ("--rounds=3", "--starts=1", "--benchmark_model=none")


def measure(*flags):
    return subprocess.run(
        [*PROGRAM, *flags], capture_output=True, text=True, timeout=200
    )


def is_running(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    # A child without a parent stays a zombie ("Z") if no init process collects it.
    return stat.rpartition(")")[2].split()[0] != "Z"


def write_tool(folder, script):
    path = folder / "benchmark_model"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_json_has_a_row_per_file_and_number_of_threads(tiny_models):
    models = [str(tiny_models[name]) for name in ("uint8", "float32")]
    cpu = min(os.sched_getaffinity(0))
    flags = [f"--model={path}" for path in models]
    done = measure(*flags, "--num_threads=1,2", f"--cpus={cpu}", *QUICK, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    content = json.loads(done.stdout)
    rows = content["cases"]
    keys = [(row["model"], row["num_threads"]) for row in rows]
    assert keys == [(path, threads) for path in models for threads in (1, 2)]
    assert content["cpus"] == [cpu]
    for row in rows:
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
        assert row["cold_start_ms"] > 0 and row["peak_mib"] > 0
        low, middle, high = row["ratio_quartiles"]
        assert 0 < low <= middle <= high
        assert row["runs"] >= 3
    assert rows[0]["ratio_quartiles"] == [1, 1, 1]


def test_table_fits_80_columns_and_names_the_runtime(tiny_models, tmp_path):
    tool = write_tool(
        tmp_path, "echo 'Inference timings in us: Init: 9, Inference (avg): 1234.5'"
    )
    long = tmp_path / f"{'long_name_' * 5}.tflite"
    long.write_bytes(tiny_models["int8"].read_bytes())
    done = measure(f"--model={long}", *QUICK[:2], f"--benchmark_model={tool}")
    assert (done.returncode, done.stderr) == (0, "")
    table = done.stdout.partition("\n\n")[0].splitlines()
    assert len(table) == 2 and max(map(len, table)) <= 80
    assert "Measured by corallite with" in done.stdout
    assert f"mean 1.234 ms, measured by {tool}" in done.stdout


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--model=missing.tflite"], "missing.tflite: cannot be read"),
        ([f"--model={__file__}"], "is not a TFLite model"),
        (["--model=a", "--cpus=99999"], "--cpus: CPU 99999 is not available"),
        (["--model=a", "--cpus=one"], "--cpus: expected numbers of at least 0"),
        (["--model=a", "--num_threads=0"], "--num_threads: expected numbers of"),
        (["--model=a", "--num_threads=1,999"], "--num_threads: expected at least one"),
        (["--model=a", "--num_threads="], "--num_threads: expected at least one"),
        ([], "--model is missing"),
    ],
)
def test_invalid_request_is_reported_in_one_line(flags, sentence):
    done = measure(*flags, *QUICK)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr and done.stderr.count("\n") == 1


def test_file_for_the_edge_tpu_is_refused(edgetpu_model, tmp_path):
    path = tmp_path / "model_edgetpu.tflite"
    path.write_bytes(edgetpu_model(14))
    sentence = "is compiled for the Edge TPU.*; give the file that it was compiled from"
    with pytest.raises(RequestError, match=sentence):
        benchmark.measure([benchmark.Case(str(path), 1)])


@pytest.mark.usefixtures("default_signals")
def test_interrupt_leaves_no_child(tiny_models):
    flags = [f"--model={tiny_models['uint8']}", "--rounds=1000000", "--starts=1"]
    process = subprocess.Popen([*PROGRAM, *flags])
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline_s = time.monotonic() + 100
    while not (pids := children.read_text().split()):
        assert time.monotonic() < deadline_s and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=100) == 128 + signal.SIGINT
    # A child that was just being started notices itself that its parent has ended.
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline_s + 100
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("exit 3", 3),
        ("echo started", 0),
        ("echo 'Inference (avg): none'", 0),
        # Latin-1, not UTF-8.
        (r"printf '\351'", 0),
    ],
)
def test_tool_without_a_time_is_reported(tmp_path, script, status):
    tool = write_tool(tmp_path, script)
    sentence = f"exited with {status} for a.tflite and printed no"
    with pytest.raises(RequestError, match=sentence):
        benchmark.run_tool(tool, benchmark.Case("a.tflite", 1))


def test_tool_that_hangs_is_killed(tmp_path):
    tool = write_tool(tmp_path, "exec sleep 600")
    sentence = "no result in 0.5 s for a.tflite; run it by hand"
    # Returns after the tool has ended.
    with pytest.raises(RequestError, match=sentence):
        benchmark.run_tool(tool, benchmark.Case("a.tflite", 1), timeout_s=0.5)


def test_missing_tool_is_reported(tmp_path):
    with pytest.raises(RequestError, match="does not start"):
        benchmark.run_tool(str(tmp_path / "none"), benchmark.Case("a.tflite", 1))


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (95, 95), (99, 99)])
def test_percentile_is_one_of_the_values(percent, value):
    assert benchmark.percentile(range(1, 101), percent) == value
    assert benchmark.percentile([7.0], percent) == 7.0


def test_model_is_not_warm_while_latency_falls():
    assert not is_warm([10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
    assert not is_warm([5.0] * 9)
    assert is_warm([9, 9] + [5.0] * 10)


@pytest.fixture
def sys_dir(tmp_path):
    rapl = tmp_path / "class/powercap/intel-rapl:0"
    rapl.mkdir(parents=True)
    (rapl / "name").write_text("package-0\n")
    (rapl / "energy_uj").write_text("9000000\n")
    (rapl / "max_energy_range_uj").write_text("10000000\n")
    return tmp_path


def test_counter_that_wraps_around_is_handled(sys_dir):
    meter = find_meter(sys_dir)
    assert meter is not None and meter.name == "package-0"
    (sys_dir / "class/powercap/intel-rapl:0/energy_uj").write_text("1000000\n")
    assert meter.stop() == 2


def test_power_sensor_measures_power_times_time(tmp_path):
    sensor = tmp_path / "class/hwmon/hwmon0"
    sensor.mkdir(parents=True)
    (sensor / "name").write_text("ina219\n")
    (sensor / "power1_input").write_text("2000000\n")
    before_s = time.monotonic()
    meter = find_meter(tmp_path)
    assert meter is not None and meter.name == "ina219"
    joules = meter.stop()
    assert 0 < joules <= 2 * (time.monotonic() - before_s)


def test_unreadable_meter_is_skipped(sys_dir):
    (sys_dir / "class/powercap/intel-rapl:0/energy_uj").write_text("no number\n")
    assert find_meter(sys_dir) is None
