"""The command `corallite compile`."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = [sys.executable, "-m", "corallite.convert.cli.compile_main"]
FORBIDDEN = (
    "tensorflow",
    "keras",
    "tf_keras",
    "corallite.train.data",
    "corallite.train.framework",
    "corallite.train.training",
    "corallite.optimize",
)
# Without a compiler in the PATH.
ENVIRONMENT = {**os.environ, "PATH": "/nowhere"}


def compile_it(*flags, **options):
    return subprocess.run([*PROGRAM, *flags], capture_output=True, text=True, **options)


@pytest.fixture
def run_dir(network, tmp_path):
    """A run with a finished int8 stage, as far as `compile` checks."""
    folder = tmp_path / "run" / "int8"
    folder.mkdir(parents=True)
    network.rename(folder / "model_int8.tflite")
    (folder / "metrics.json").write_text('{"inputs": {}}')
    return folder.parent


def test_without_the_compiler_the_result_is_a_prediction(network):
    done = compile_it(f"--model={network}", "--min_mapped=0.5", env=ENVIRONMENT)
    assert done.returncode == 0
    assert "predicted, the compiler was not run" in done.stdout
    assert "mapped        5 of 8 operators" in done.stdout
    assert "edgetpu_compiler was not found" in done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert sorted(path.name for path in network.parent.iterdir()) == ["net.tflite"]


def test_a_prediction_below_the_minimum_fails_the_check(network):
    flags = (f"--model={network}", "--min_mapped=1.0", "--json")
    done = compile_it(*flags, env=ENVIRONMENT)
    assert done.returncode == 1
    assert "5 of 8 operators mapped, below --min_mapped=1.0" in done.stderr
    content = json.loads(done.stdout)
    assert content["is_predicted"] is True
    assert content["edgetpu"]["mapped"] == [0, 1, 2, 3, 4]


def test_too_few_mapped_operators_fail_but_the_file_is_kept(network, stand_in):
    status = "Operation not supported"
    program = stand_in(left_to_cpu={"HARD_SWISH": status})
    flags = (f"--model={network}", f"--compiler={program.path}", "--show_operations")
    done = compile_it(*flags, "--min_mapped=6")
    assert done.returncode == 1
    assert f"5 HARD_SWISH (tensor_16): {status}" in done.stdout
    assert "3.86 MiB used for parameters" in done.stdout
    assert max(map(len, done.stdout.splitlines()[2:])) <= 80
    assert network.with_name("net_edgetpu.tflite").exists()


def test_a_failure_names_the_operator_and_shows_progress(network, stand_in):
    program = stand_in(breaks_at="tensor_19")
    done = compile_it(f"--model={network}", f"--compiler={program.path}")
    assert done.returncode == 1
    assert "compiles      the first 6 of 8 operators" in done.stdout
    assert "breaks at     6 CONV_2D (tensor_19)" in done.stdout
    assert "Bisection 3 of at most 3: the first 7 of 8 operators" in done.stderr
    assert not network.with_name("net_edgetpu.tflite").exists()


def test_unknown_output_of_the_compiler_is_kept(network, stand_in):
    says = ["W0725 a warning of a later compiler", "Quantum memory used: 3 qubits"]
    program = stand_in(says=says)
    flags = (f"--model={network}", f"--compiler={program.path}")
    shown = compile_it(*flags)
    assert shown.returncode == 0
    assert f"also printed  {says[0]}\n              {says[1]}" in shown.stdout
    content = json.loads(compile_it(*flags, "--json").stdout)
    assert content["compiler_text"]["unknown"] == says
    assert content["edgetpu"]["mapped"] == list(range(8))


def test_a_container_image_is_a_flag(network, docker):
    log = docker()
    done = compile_it(f"--model={network}", "--container_image=coral", "--json")
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert content["is_predicted"] is False
    assert content["edgetpu"]["mapped"] == list(range(8))
    assert network.with_name("net_edgetpu.tflite").exists()
    assert "run --rm" in log.read_text()


@pytest.mark.usefixtures("default_signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_leaves_nothing_behind(network, stand_in, number):
    program = stand_in(hangs=True)
    output_dir = network.parent / "out"
    flags = (f"--model={network}", f"--compiler={program.path}")
    process = subprocess.Popen(
        [*PROGRAM, *flags, f"--output_dir={output_dir}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline_s = time.monotonic() + 120
    while not program.hanging.exists():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    assert len(program.running()) == 2
    process.send_signal(number)
    output, complaints = process.communicate(timeout=120)
    assert (process.returncode, output) == (128 + number, "")
    assert "Traceback" not in complaints
    assert not output_dir.exists()
    assert program.running() == []


def test_a_finished_stage_of_a_run_is_not_compiled_again(run_dir, stand_in):
    program = stand_in()
    flags = (f"--run_dir={run_dir}", f"--compiler={program.path}", "--json")
    first = compile_it(*flags)
    assert first.returncode == 0, first.stderr
    metrics = json.loads((run_dir / "edgetpu" / "metrics.json").read_text())
    assert metrics["edgetpu"]["mapped"] == list(range(8))
    assert metrics["versions"]["edgetpu_compiler"] == "16.0.384591198"
    assert (run_dir / "edgetpu" / "model_int8_edgetpu.tflite").exists()
    again = compile_it(*flags)
    assert json.loads(again.stdout)["edgetpu"] == json.loads(first.stdout)["edgetpu"]
    assert len(program.calls()) == 1
    moved = run_dir.rename(run_dir.with_name("moved"))
    found = json.loads(compile_it(f"--run_dir={moved}", *flags[1:]).stdout)
    assert found["compiled"] == [str(moved / "edgetpu" / "model_int8_edgetpu.tflite")]
    assert len(program.calls()) == 1
    moved.rename(run_dir)
    compile_it(*flags, "--overwrite")
    assert len(program.calls()) == 2


def test_a_run_is_compiled_again_when_an_option_changes(run_dir, stand_in):
    program = stand_in()
    flags = (f"--run_dir={run_dir}", f"--compiler={program.path}")
    assert compile_it(*flags).returncode == 0
    assert compile_it(*flags, "--min_runtime_version=13").returncode == 0
    assert len(program.calls()) == 2
    output = compile_it(*flags, "--min_runtime_version=13").stdout
    assert "already compiled; 8 of 8 mapped" in output


def test_a_failure_does_not_change_a_finished_stage(run_dir, stand_in):
    good, flag = stand_in(), f"--run_dir={run_dir}"
    assert compile_it(flag, f"--compiler={good.path}").returncode == 0
    before = {p.name: p.read_bytes() for p in (run_dir / "edgetpu").iterdir()}
    bad = stand_in(unquantized=True)
    flags = (flag, f"--compiler={bad.path}", "--overwrite")
    assert compile_it(*flags).returncode == 1
    after = {p.name: p.read_bytes() for p in (run_dir / "edgetpu").iterdir()}
    assert after == before


def test_a_run_is_compiled_for_an_ethos_u_once(run_dir, partly_mapped):
    pytest.importorskip("ethosu.vela")
    (run_dir / "int8" / "model_int8.tflite").write_bytes(partly_mapped.content())
    flags = (f"--run_dir={run_dir}", "--target=ethos-u55-128")
    done = compile_it(*flags, "--min_mapped=1.0")
    assert done.returncode == 1
    assert "2 of 5 operators mapped, below --min_mapped=1.0" in done.stderr
    assert (
        "1 FLOOR: Unsupported opType" in done.stdout
        and "mapped        2 of 5" in done.stdout
    )
    folder = run_dir / "exports" / "ethos_u"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["metrics.json", "model_int8_vela.tflite"]
    record = json.loads((folder / "metrics.json").read_text())
    assert record["inputs"]["accelerator"] == "ethos-u55-128"
    assert record["files"] == ["model_int8_vela.tflite"]
    again = compile_it(*flags, "--min_mapped=2")
    assert again.returncode == 0
    assert "model_int8_vela.tflite: already compiled; 2 of 5 mapped" in again.stdout
    other = compile_it(flags[0], "--target=ethos-u55-256", "--json")
    content = json.loads(other.stdout)
    assert content["ethos_u"]["accelerator"] == "ethos-u55-256"
    assert content["compiled"] == [str(folder / "model_int8_vela.tflite")]


def test_a_file_is_compiled_for_an_ethos_u_beside_it(network):
    pytest.importorskip("ethosu.vela")
    done = compile_it(f"--model={network}", "--target=ethos-u65-256", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    content = json.loads(done.stdout)
    assert content["compiled"] == [str(network.with_name("net_vela.tflite"))]
    assert network.with_name("net_vela.tflite").exists()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ([], "Expected --model or --run_dir"),
        (["--model=nowhere.tflite"], "nowhere.tflite: cannot be read"),
        (["--model=."], "is a folder"),
        (["--model=setup.cfg"], "is not a TFLite model"),
        (["--run_dir=nowhere"], "has no finished int8 stage; run `corallite convert"),
        (["--run_dir=a", "--model=b"], "--run_dir has its own model and folder"),
        (["--model=a", "--min_mapped=2.0"], "a share with a decimal point"),
        (["--model=a", "--compiler=./nothing"], "program not found"),
        (["--model=a", "extra"], "Expected one model file, got 'a' and 'extra'"),
        (["--run_dir=a", "b"], "--run_dir has its own model and folder"),
        (["--model=a", "--target=ethos-u9"], "value should be one of <edgetpu|ethos-"),
        (["--target=ethos-u55-32"], "Expected --model or --run_dir"),
        (["--model=setup.cfg", "--target=ethos-u55-32"], "is not a TFLite model"),
        (
            ["--model=a", "--target=ethos-u55-32", "--retries=1"],
            "--retries is not for --target=ethos-u55-32; omit it",
        ),
        (["--model=a", "--memory_mode=Sram_Only"], "is not for --target=edgetpu"),
    ],
)
def test_a_wrong_request_is_one_line(tmp_path, flags, sentence):
    (tmp_path / "setup.cfg").write_text("[metadata]")
    done = compile_it(*flags, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_one_line(network, stand_in):
    flags = (f"--model={network}", f"--compiler={stand_in().path}")
    done = compile_it(*flags, f"--output_dir={network}/inside")
    assert done.returncode == 2
    assert "Not a directory" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("target", ["edgetpu", "ethos-u55-128"])
def test_no_training_module_is_loaded(run_dir, stand_in, target):
    if target != "edgetpu":
        pytest.importorskip("ethosu.vela")
    name = "corallite.convert.cli.compile_main"
    code = (
        "import runpy, sys\n"
        f"try: runpy.run_module('{name}', run_name='__main__')\n"
        "except SystemExit as done: assert not done.code, done.code\n"
        f"print('LOADED', [name for name in {FORBIDDEN} if name in sys.modules])"
    )
    compiler = [f"--compiler={stand_in().path}"] if target == "edgetpu" else []
    flags = (f"--run_dir={run_dir}", f"--target={target}", *compiler)
    done = subprocess.run(
        [sys.executable, "-c", code, *flags], capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "LOADED []", done.stderr
