"""What comes of each way in which the compiler may end, told by a stand-in for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from corallite.convert.audit.model_file import read_model
from corallite.convert.edgetpu.compilation import compile_file, predict_file
from corallite.convert.edgetpu.compiler import Options
from corallite.device.errors import RequestError
from corallite.device.manifest import Manifest, attach_manifest, read_manifest
from corallite.device.preprocess import Preprocessing

COMMAND = [sys.executable, "-m", "corallite.convert.compile_main"]
MANIFEST = Manifest("net", "1", ("a", "b"), Preprocessing((8, 8)))
LEFT = {"HARD_SWISH": "Operation not supported"}


def is_alive(pid):
    """Tells whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def run(*flags, **settings):
    return subprocess.run(
        [*COMMAND, *flags], capture_output=True, text=True, **settings
    )


def test_all_is_mapped_and_the_manifest_put_back(stand_in, network, tmp_path):
    network.write_bytes(attach_manifest(network.read_bytes(), MANIFEST))
    made = compile_file(network, tmp_path / "out", stand_in().program)
    (compiled,) = made.compiled
    assert compiled.name == "net_edgetpu.tflite"
    assert made.edgetpu.mapped == tuple(range(8)) and made.edgetpu.subgraphs == 1
    assert read_manifest(compiled) == MANIFEST
    names = [operator.name for operator in read_model(compiled).main.operators]
    assert names == ["CUSTOM"]


def test_what_is_left_to_the_cpu_is_told_by_operator(stand_in, network, tmp_path):
    made = compile_file(network, tmp_path, stand_in(left_to_cpu=LEFT).program)
    assert made.edgetpu.mapped == (0, 1, 2, 3, 4)
    assert made.edgetpu.first_cut == 5
    assert made.edgetpu.status[5] == LEFT["HARD_SWISH"]
    assert made.edgetpu.status[6].startswith("More than one subgraph")


def test_an_internal_error_is_tried_again(stand_in, network, tmp_path):
    compiler = stand_in(internal_errors=2)
    made = compile_file(network, tmp_path, compiler.program, Options(retries=2))
    assert made.compiled and len(compiler.calls()) == 3


def test_an_internal_error_that_stays_is_a_failure(stand_in, network, tmp_path):
    compiler = stand_in(internal_errors=99)
    options = Options(retries=1)
    made = compile_file(network, tmp_path, compiler.program, options, bisect=False)
    assert not made.compiled
    assert "Internal compiler error" in (made.edgetpu.failure or "")
    assert len(compiler.calls()) == 2


def test_one_that_hangs_is_killed_with_its_children(stand_in, network, tmp_path):
    compiler = stand_in(hangs=True)
    options = Options(timeout_s=3.0)
    made = compile_file(network, tmp_path, compiler.program, options, bisect=False)
    assert not made.compiled and made.edgetpu.failure
    pids = compiler.hanging.read_text().split()
    assert [pid for pid in pids if is_alive(pid)] == []


@pytest.mark.parametrize("way", ["dies", "writes_nothing", "unquantized", "damaged"])
def test_every_other_end_is_a_failure_with_its_reason(stand_in, network, tmp_path, way):
    compiler = stand_in(**{way: True})
    made = compile_file(network, tmp_path / "out", compiler.program, bisect=False)
    assert not made.compiled and made.edgetpu.failure and not made.edgetpu.mapped
    assert list(tmp_path.glob("out/*.tflite")) == []


def test_a_failure_keeps_the_former_file(stand_in, network, tmp_path):
    (former,) = compile_file(network, tmp_path, stand_in().program).compiled
    content = former.read_bytes()
    compile_file(network, tmp_path, stand_in(dies=True).program, bisect=False)
    assert former.read_bytes() == content


def test_bisection_names_the_operator_that_breaks_it(stand_in, network, tmp_path):
    graph = read_model(network).main
    (broken,) = graph.operators[6].outputs
    assert broken is not None
    compiler = stand_in(breaks_at=broken.name)
    made = compile_file(network, tmp_path, compiler.program)
    assert made.breaking is not None
    assert (made.breaking.prefix, made.breaking.operator) == (6, 6)
    # Halving eight operators, and the whole once.
    assert len(compiler.calls()) <= 5


def test_flags_are_passed_on(stand_in, network, tmp_path):
    compiler = stand_in()
    options = Options(
        multiple_subgraphs=True,
        show_operations=True,
        num_segments=2,
        min_runtime_version=13,
    )
    made = compile_file(network, tmp_path, compiler.program, options)
    (call,) = compiler.calls()
    words = " ".join(call)
    assert "-a" in call or "--enable_multiple_subgraphs" in call
    assert "-s" in call or "--show_operations" in call
    assert "2" in words and "13" in words
    assert len(made.compiled) == 2


def test_without_compiler_it_is_called_a_prediction(network):
    made = predict_file(network, Options())
    assert not made.compiled and "predict" in made.basis
    assert made.edgetpu.first_cut == 5


def test_an_open_batch_is_refused_before_the_compiler_runs(
    stand_in, writer, write_file, tmp_path
):
    x = writer.input()
    writer.graph.tensors[x].shapeSignature = [-1, 8, 8, 4]
    writer.conv(x)
    path = write_file(writer.content(), "open.tflite")
    compiler = stand_in()
    with pytest.raises(RequestError, match="batch"):
        compile_file(path, tmp_path, compiler.program)
    assert compiler.calls() == []


@pytest.mark.slow
def test_the_gate_ends_with_status_1(stand_in, network, tmp_path):
    compiler = stand_in(left_to_cpu=LEFT)
    flags = [f"--model={network}", f"--compiler={compiler.path}", "--json"]
    passed = run(*flags, "--min_mapped=5")
    assert passed.returncode == 0, passed.stderr
    assert json.loads(passed.stdout)["edgetpu"]["mapped"] == [0, 1, 2, 3, 4]
    failed = run(*flags, "--min_mapped=0.9")
    assert failed.returncode == 1
    assert "5 of 8 operators: below --min_mapped=0.9" in failed.stderr


@pytest.mark.slow
def test_without_compiler_the_program_says_how_to_get_it(network, tmp_path):
    done = run(f"--model={network}", env={**os.environ, "PATH": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert "predict" in done.stdout.lower()
    assert "edgetpu_compiler was not found" in done.stderr
    assert "Traceback" not in done.stderr
