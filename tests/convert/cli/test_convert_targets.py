"""Several targets in one command, and what can be asked of them."""

import re

import pytest
from fixtures.small_run import open_run

pytestmark = pytest.mark.slow


def test_targets_are_listed_in_80_columns(programs):
    done = programs.run("convert", "--list")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) < 80
    for name in ("int8", "onnx", "openvino_tflite", "cpp", "ethos_u"):
        assert re.search(rf"^{name} ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--to="], "--to names no target; see --list"),
        (["--to=onnx,none"], "Expected a target of int8"),
        (["--to=tflite_float", "--opset=15"], "--opset is for --to=onnx, onnx_int8"),
        (["--to=tflite_float", "--method=ptq"], "--method is for --to=int8, features"),
        (["--to=cpp", "--source=float"], "cannot be made from the float stage"),
    ],
)
def test_what_cannot_be_made_is_one_sentence(programs, small_run, given, message):
    done = programs.run("convert", f"--run_dir={small_run}", *given)
    assert done.returncode == 2 and message in done.stderr
    assert "Traceback" not in done.stderr


def test_one_that_fails_does_not_stop_the_others(programs, small_copy):
    # The small network's images are not those of Frigate.
    done = programs.run(
        "convert", f"--run_dir={small_copy}", "--to=frigate,tflite_float16"
    )
    assert done.returncode == 2
    assert "--to=frigate: " in done.stderr and "--fit=stretch" in done.stderr
    run, _ = open_run(small_copy)
    assert run.stage("exports/tflite_float16").is_complete()
    assert not run.stage("exports/frigate").path.exists()
