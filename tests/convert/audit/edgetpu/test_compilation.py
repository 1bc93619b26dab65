"""A compiler that succeeds, or fails in one of its ways; it is a stand-in."""

import dataclasses
import os

import pytest

from corallite.convert.edgetpu import compiler_program
from corallite.convert.edgetpu.compilation import (
    FROM_COMPILER,
    FROM_FILE,
    compile_file,
    predict_file,
)
from corallite.convert.edgetpu.compiler import Options
from corallite.convert.edgetpu.compiler_program import Program, find_program
from corallite.convert.edgetpu.compilers import (
    DATA_TYPE,
    LATER_SUBGRAPH,
    MAPPED,
    UNSUPPORTED,
)
from corallite.convert.edgetpu.installation import explain_installation
from corallite.device.errors import RequestError
from corallite.device.manifest import Manifest, attach_manifest, read_manifest
from corallite.device.preprocess import Preprocessing

PARTIAL = {"left_to_cpu": {"HARD_SWISH": UNSUPPORTED}}


def compiled(path, stand_in, bisect=True, **options):
    folder = path.parent / "out"
    return compile_file(
        path, folder, stand_in.program, Options(**options), bisect=bisect
    )


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_model_that_is_mapped_whole(network, stand_in):
    made = compiled(network, stand_in())
    assert made.edgetpu.mapped == tuple(range(8))
    assert (made.edgetpu.subgraphs, made.edgetpu.first_cut) == (1, None)
    assert (made.basis, made.warnings) == (FROM_FILE, ())
    assert names(network.parent / "out") == [
        "net_edgetpu.log",
        "net_edgetpu.stdout.log",
        "net_edgetpu.tflite",
    ]
    edgetpu = made.to_json()["edgetpu"]
    assert edgetpu["parameter_bytes_reserved"] == round(3.86 * 2**20)
    assert (edgetpu["parameter_bytes_streamed"], edgetpu["parameters_fit"]) == (0, True)
    # The stand-in writes no executable.
    assert edgetpu["parameter_bytes_on_chip"] is None


def test_partly_mapped_is_no_failure_and_has_its_cut_and_cure(network, stand_in):
    found = compiled(network, stand_in(**PARTIAL)).edgetpu
    assert (found.mapped, found.first_cut) == ((0, 1, 2, 3, 4), 5)
    assert found.status == {
        **dict.fromkeys(range(5), MAPPED),
        5: UNSUPPORTED,
        6: LATER_SUBGRAPH,
        7: LATER_SUBGRAPH,
    }
    assert "ReLU6" in found.cure


def test_the_json_has_all_that_an_audit_has(network, stand_in):
    made = compiled(network, stand_in()).to_json()["edgetpu"]
    predicted = predict_file(network, Options()).to_json()["edgetpu"]
    assert made.keys() == predicted.keys()


def test_the_manifest_is_put_back(network, stand_in):
    manifest = Manifest("tiny", "1", ("cat", "dog"), Preprocessing((8, 8)))
    network.write_bytes(attach_manifest(network.read_bytes(), manifest))
    made = compiled(network, stand_in())
    assert read_manifest(made.compiled[0]) == manifest


def test_an_internal_error_is_tried_again(network, stand_in):
    program = stand_in(internal_errors=2)
    made = compiled(network, program)
    assert (made.runs, made.edgetpu.failure) == (3, None)
    assert len(program.calls()) == 3


def test_after_so_many_tries_an_internal_error_is_a_failure(network, stand_in):
    program = stand_in(internal_errors=9)
    made = compiled(network, program, bisect=False, retries=1)
    assert (made.runs, made.basis) == (2, FROM_COMPILER)
    assert "Internal compiler error" in made.edgetpu.failure
    assert names(network.parent / "out") == []


def test_other_errors_are_not_tried_again(network, stand_in):
    program = stand_in(unquantized=True)
    made = compiled(network, program)
    assert "Model not quantized" in made.edgetpu.failure
    # Nor looked for in an operator, as none is to blame.
    assert (made.breaking, len(program.calls())) == (None, 1)


@pytest.mark.parametrize("tensor", ["tensor_3", "tensor_16", "tensor_22"])
def test_the_operator_that_breaks_it_is_found(network, stand_in, tensor):
    program = stand_in(breaks_at=tensor)
    made = compiled(network, program)
    index = made.breaking.operator
    assert made.model.main.operators[index].output().name == tensor
    assert (made.breaking.prefix, made.edgetpu.first_cut) == (index, index)
    assert "large activation" in made.edgetpu.failure
    # All of it, and log2 of 8 parts.
    assert len(program.calls()) == 1 + 3


def test_a_version_that_is_not_known_is_found_and_its_cure(
    writer, write_file, stand_in
):
    x = writer.conv(writer.conv(writer.input()))
    x = writer.conv(x, version=6)
    writer.conv(x)
    made = compiled(write_file(writer.content()), stand_in(highest_version=5))
    assert made.breaking.operator == 2
    assert "split grouped convolutions" in made.edgetpu.cure


def test_a_program_that_hangs_is_killed_with_its_children(network, stand_in):
    program = stand_in(hangs=True)
    made = compiled(network, program, bisect=False, timeout_s=5.0)
    assert made.edgetpu.failure == "no answer in 5 s; it was killed"
    assert "--timeout_s" in made.edgetpu.cure
    if program.hanging.exists():
        assert not any(map(is_running, program.hanging.read_text().split()))


def is_running(number):
    """A killed process that nobody has asked for yet does not run."""
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("settings", "failure"),
    [
        ({"dies": True}, "ended by signal 9; it did not say why"),
        ({"writes_nothing": True}, "exit status 0 and no compiled file"),
        ({"damaged": True}, "net_edgetpu.tflite is damaged"),
    ],
)
def test_silence_and_rubbish_are_failures(network, stand_in, settings, failure):
    made = compiled(network, stand_in(**settings), bisect=False)
    assert failure in made.edgetpu.failure
    assert names(network.parent / "out") == []


def test_a_search_passes_with_what_it_left(network, stand_in):
    program = stand_in(breaks_at="tensor_22", **PARTIAL)
    made = compiled(network, program, search_delegate=True)
    assert made.edgetpu.mapped == (0, 1, 2, 3, 4)
    assert made.text.unknown == ()


def test_segments_are_read_together_and_each_has_the_manifest(network, stand_in):
    manifest = Manifest("tiny", "1", ("cat",), Preprocessing((8, 8)))
    network.write_bytes(attach_manifest(network.read_bytes(), manifest))
    made = compiled(network, stand_in(), num_segments=2)
    assert [path.name for path in made.compiled] == [
        "net_segment_0_of_2_edgetpu.tflite",
        "net_segment_1_of_2_edgetpu.tflite",
    ]
    assert [read_manifest(path) for path in made.compiled] == [manifest] * 2


def test_options_are_passed_on(network, stand_in):
    program = stand_in()
    compiled(
        network,
        program,
        timeout_s=200.0,
        multiple_subgraphs=True,
        show_operations=True,
        search_delegate=True,
        min_runtime_version=13,
    )
    (call,) = program.calls()
    assert call[:5] == ["-a", "-s", "-d", "--min_runtime_version=13", call[4]]
    # Later than our own, which tells what it was.
    assert call[4] == "--timeout_sec=201"


def test_a_prediction_is_of_the_runtime_that_is_asked_for(network):
    made = predict_file(network, Options(min_runtime_version=10))
    assert made.edgetpu.mapped == ()
    assert set(made.edgetpu.status.values()) == {DATA_TYPE, UNSUPPORTED}


def test_compilers_without_a_timer_are_not_told_of_one(network, stand_in):
    program = stand_in(version="15.0.340273435")
    made = compiled(network, program)
    assert not any("timeout" in argument for argument in program.calls()[0])
    assert made.edgetpu.compiler == "15.0.340273435"


def test_counts_that_do_not_agree_are_a_warning(network, stand_in):
    from corallite.convert.edgetpu.outcome import find_contradictions

    made = compiled(network, stand_in(**PARTIAL))
    text = dataclasses.replace(made.text, on_edgetpu=7)
    (warning,) = find_contradictions(made.edgetpu, made.text.rows, text)
    assert warning == "5 operators are mapped, but stdout says 7."


def test_a_full_disk_is_told_as_that(network, stand_in, monkeypatch):
    from corallite.convert.edgetpu import compiler

    monkeypatch.setattr(compiler, "_LEAST_FREE_BYTES", 1 << 62)
    with pytest.raises(OSError, match="No space left"):
        compiled(network, stand_in(dies=True))
    assert names(network.parent / "out") == []


def test_a_float_model_is_refused(writer, write_file):
    writer.operator("RELU", [writer.input(kind="FLOAT32")], None, "FLOAT32")
    with pytest.raises(RequestError, match="is not full int8"):
        predict_file(write_file(writer.content()), Options())


def test_a_float_layer_is_refused_by_its_number(writer, write_file):
    x = writer.conv(writer.input())
    writer.conv(x)
    writer.graph.tensors[-1].type = 0
    with pytest.raises(RequestError, match=r"\(operator 1 CONV_2D: FLOAT32\)"):
        predict_file(write_file(writer.content()), Options())


def test_an_open_batch_is_refused_unless_it_is_wanted(writer, write_file, stand_in):
    writer.conv(writer.input())
    writer.graph.tensors[0].shapeSignature = [-1, 8, 8, 4]
    path = write_file(writer.content())
    with pytest.raises(RequestError, match=r"input_0 \(\?x8x8x4\) is not fixed"):
        compiled(path, stand_in())
    assert compiled(path, stand_in(), open_batch=True).edgetpu.mapped == (0,)


def test_a_size_that_is_computed_is_refused(writer, write_file):
    x = writer.conv(writer.input())
    shape = writer.tensor((2,), "INT32")
    writer.operator("RESHAPE", [x, shape], (1, 256))
    with pytest.raises(RequestError, match="operator 1 RESHAPE writes is not fixed"):
        predict_file(write_file(writer.content()), Options())


def test_what_is_compiled_is_not_compiled_again(network, stand_in):
    made = compiled(network, stand_in())
    with pytest.raises(RequestError, match="is compiled already"):
        predict_file(made.compiled[0], Options())


def test_a_model_without_operators_is_refused(writer, write_file):
    with pytest.raises(RequestError, match="has no operators"):
        predict_file(write_file(writer.content(writer.input())), Options())


def test_a_program_for_another_machine_is_refused(network, stand_in):
    program = stand_in()
    program.path.write_bytes(b"\x7fELF and no more")
    with pytest.raises(RequestError, match="cannot be run here"):
        compiled(network, program)
    assert not (network.parent / "out").exists()


# Looks into the folder as docker does, and runs the stand-in there.
DOCKER = """\
#!/bin/sh
echo "$@" >> {log}
[ "$1" = kill ] && exit 0
for argument; do
  shift
  case $argument in
    --volume=*) folder=${{argument#--volume=}}; cd "${{folder%%:*}}" ;;
    {image}) exec {compiler} "$@" ;;
  esac
done
echo "Unable to find image locally"; exit 125
"""


@pytest.fixture
def docker(tmp_path, stand_in, monkeypatch):
    """A function that puts a docker on the path with a stand-in in image `coral`."""

    def make(**settings):
        folder = tmp_path / "bin"
        folder.mkdir()
        log = tmp_path / "docker.log"
        made = stand_in(**settings)
        text = DOCKER.format(log=log, image="coral", compiler=made.path)
        (folder / "docker").write_text(text)
        (folder / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return log

    return make


def in_image(name) -> Program:
    found = find_program(image=name)
    assert found is not None
    return found


def test_a_container_has_no_network_and_one_folder(network, docker):
    log = docker()
    made = compile_file(network, network.parent / "out", in_image("coral"))
    assert made.edgetpu.mapped == tuple(range(8))
    commands = log.read_text().splitlines()
    assert all("--network=none" in command for command in commands)
    assert all(command.count("--volume=") == 1 for command in commands)
    assert f"--user={os.getuid()}:{os.getgid()}" in commands[0]


def test_a_container_that_hangs_is_killed_by_its_name(network, docker):
    """The tool that started it is killed; the container is no child of ours."""
    log = docker(hangs=True)
    program, options = in_image("coral"), Options(timeout_s=3.0)
    compile_file(network, network.parent / "out", program, options, bisect=False)
    *_, started, killed = log.read_text().splitlines()
    name = started.partition("--name=")[2].split()[0]
    assert killed == f"kill {name}"


def test_an_image_that_is_not_there_is_refused(network, docker):
    docker()
    with pytest.raises(RequestError, match="docker cannot run edgetpu_compiler in it"):
        compile_file(network, network.parent, in_image("other"))


def test_a_compiler_that_is_asked_for_has_to_be_there(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_program() is None
    with pytest.raises(RequestError, match="there is no such program"):
        find_program("edgetpu_compiler_16")
    with pytest.raises(RequestError, match="neither docker nor podman"):
        find_program(image="coral")
    with pytest.raises(RequestError, match="not both"):
        find_program("edgetpu_compiler", "coral")


@pytest.mark.parametrize(
    ("machine", "word"), [("x86_64", "apt-get"), ("aarch64", "docker build")]
)
def test_how_to_install_it_is_for_this_machine(monkeypatch, machine, word):
    monkeypatch.setattr(compiler_program.platform, "machine", lambda: machine)
    assert word in explain_installation()
