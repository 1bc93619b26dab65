"""Compilations that succeed or fail, with a stand-in for the compiler."""

import dataclasses

import pytest

from corallite.convert.edgetpu.compile.compile_file import compile_file, predict_file
from corallite.convert.edgetpu.compile.compiler import Options
from corallite.convert.edgetpu.compile.result import FROM_COMPILER, FROM_FILE
from corallite.convert.edgetpu.predict.compilers import (
    DATA_TYPE,
    LATER_SUBGRAPH,
    MAPPED,
    UNSUPPORTED,
)
from corallite.convert.tflite.compact import NAMES_FILE, compact
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.archive import append_archive, split_archive
from corallite.device.model.manifest import Manifest, read_manifest
from corallite.device.model.write import attach_manifest
from corallite.device.system.errors import RequestError

PARTIAL = {"left_to_cpu": {"HARD_SWISH": UNSUPPORTED}}


def compiled(path, stand_in, bisect=True, **options):
    folder = path.parent / "out"
    return compile_file(
        path, folder, stand_in.program, Options(**options), bisect=bisect
    )


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_model_that_is_completely_mapped(network, stand_in):
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


def test_partly_mapped_is_a_success_with_cut_and_suggestion(network, stand_in):
    found = compiled(network, stand_in(**PARTIAL)).edgetpu
    assert (found.mapped, found.first_cut) == ((0, 1, 2, 3, 4), 5)
    assert found.status == {
        **dict.fromkeys(range(5), MAPPED),
        5: UNSUPPORTED,
        6: LATER_SUBGRAPH,
        7: LATER_SUBGRAPH,
    }
    assert "ReLU6" in found.suggestion


def test_success_with_nothing_mapped_is_reported_as_such(network, stand_in):
    """The compiler's exit status is 0 in this case too."""
    left = {"CONV_2D": DATA_TYPE, "HARD_SWISH": UNSUPPORTED}
    found = compiled(network, stand_in(left_to_cpu=left)).edgetpu
    assert (found.mapped, found.subgraphs, found.first_cut) == ((), 0, 0)
    assert found.failure is None
    assert (
        list(found.status.values()) == [DATA_TYPE] * 5 + [UNSUPPORTED] + [DATA_TYPE] * 2
    )


def test_with_multiple_subgraphs_each_one_is_counted(network, stand_in):
    found = compiled(network, stand_in(**PARTIAL), multiple_subgraphs=True).edgetpu
    assert (found.mapped, found.subgraphs) == ((0, 1, 2, 3, 4, 6, 7), 2)
    assert found.first_cut == 5
    assert LATER_SUBGRAPH not in found.status.values()


def test_the_json_has_the_keys_of_an_audit(network, stand_in):
    made = compiled(network, stand_in()).to_json()["edgetpu"]
    predicted = predict_file(network, Options()).to_json()["edgetpu"]
    assert made.keys() == predicted.keys()


def test_the_manifest_is_copied(network, stand_in):
    manifest = Manifest.of_classifier(
        "tiny", "1", ("cat", "dog"), Preprocessing((8, 8))
    )
    network.write_bytes(attach_manifest(network.read_bytes(), manifest))
    made = compiled(network, stand_in())
    assert read_manifest(made.compiled[0]) == manifest


def test_a_compacted_file_is_compiled_as_before(network, stand_in):
    """The compiled file tells by names what is left, so that the compiler gets them."""
    before = compiled(network, stand_in(**PARTIAL)).edgetpu
    network.write_bytes(compact(network.read_bytes()))
    made = compiled(network, stand_in(**PARTIAL))
    assert (made.edgetpu, made.basis) == (before, FROM_FILE)
    # Its tensors have other numbers, so that the archived names are not copied.
    assert split_archive(made.compiled[0].read_bytes())[1] == {}


def test_the_operator_that_fails_is_found_in_a_compacted_file(network, stand_in):
    network.write_bytes(compact(network.read_bytes()))
    made = compiled(network, stand_in(breaks_at="tensor_16"))
    assert made.model.main.operators[made.breaking.operator].output().name == (
        "tensor_16"
    )


def test_a_file_with_damaged_names_is_refused(network, stand_in):
    content = append_archive(network.read_bytes(), {NAMES_FILE: b"?"})
    network.write_bytes(content)
    with pytest.raises(RequestError, match="net.tflite: .*names.json.gz"):
        compiled(network, stand_in())


def test_an_internal_error_is_retried(network, stand_in):
    program = stand_in(internal_errors=2)
    made = compiled(network, program)
    assert (made.runs, made.edgetpu.failure) == (3, None)
    assert len(program.calls()) == 3


def test_after_the_last_retry_an_internal_error_is_a_failure(network, stand_in):
    program = stand_in(internal_errors=9)
    made = compiled(network, program, bisect=False, retries=1)
    assert (made.runs, made.basis) == (2, FROM_COMPILER)
    assert "Internal compiler error" in made.edgetpu.failure
    assert names(network.parent / "out") == []


def test_other_errors_are_not_retried(network, stand_in):
    program = stand_in(unquantized=True)
    made = compiled(network, program)
    assert "Model not quantized" in made.edgetpu.failure
    # No operator is the cause, so there is no bisection.
    assert (made.breaking, len(program.calls())) == (None, 1)


@pytest.mark.parametrize("tensor", ["tensor_3", "tensor_16", "tensor_22"])
def test_the_operator_that_fails_is_found(network, stand_in, tensor):
    program = stand_in(breaks_at=tensor)
    made = compiled(network, program)
    index = made.breaking.operator
    assert made.model.main.operators[index].output().name == tensor
    assert (made.breaking.prefix, made.edgetpu.first_cut) == (index, index)
    assert "large activation" in made.edgetpu.failure
    # The whole model, and log2 of 8 operators.
    assert len(program.calls()) == 1 + 3


def test_an_unknown_version_is_found_with_a_suggestion(writer, write_file, stand_in):
    x = writer.conv(writer.conv(writer.input()))
    x = writer.conv(x, version=6)
    writer.conv(x)
    made = compiled(write_file(writer.content()), stand_in(highest_version=5))
    assert made.breaking.operator == 2
    assert "split grouped convolutions" in made.edgetpu.suggestion


def test_a_program_that_hangs_is_killed_with_its_children(network, stand_in):
    program = stand_in(hangs=True)
    # However slowly it starts here.
    for timeout_s in (0.5, 2.0, 8.0, 32.0):
        made = compiled(network, program, bisect=False, timeout_s=timeout_s)
        assert made.edgetpu.failure == f"killed after {timeout_s:g} s"
        if program.hanging.exists():
            break
    assert program.running() == []
    assert "--timeout_s" in made.edgetpu.suggestion


@pytest.mark.parametrize(
    ("settings", "failure"),
    [
        ({"dies": True}, "ended by signal 9; it printed no reason"),
        ({"writes_nothing": True}, "exit status 0 and no compiled file"),
        ({"damaged": True}, "net_edgetpu.tflite is damaged"),
    ],
)
def test_no_output_and_damaged_files_are_failures(network, stand_in, settings, failure):
    made = compiled(network, stand_in(**settings), bisect=False)
    assert failure in made.edgetpu.failure
    assert names(network.parent / "out") == []


def test_truncated_models_that_come_out_damaged_do_not_compile(network, stand_in):
    made = compiled(network, stand_in(damaged=True))
    assert (made.breaking.prefix, made.breaking.operator) == (0, 0)
    assert made.edgetpu.suggestion


def test_a_search_succeeds_with_fewer_operators(network, stand_in):
    program = stand_in(breaks_at="tensor_22", **PARTIAL)
    made = compiled(network, program, search_delegate=True)
    assert made.edgetpu.mapped == (0, 1, 2, 3, 4)
    assert made.text.unknown == ()


def test_segments_are_combined_and_each_has_the_manifest(network, stand_in):
    manifest = Manifest.of_classifier("tiny", "1", ("cat",), Preprocessing((8, 8)))
    network.write_bytes(attach_manifest(network.read_bytes(), manifest))
    made = compiled(network, stand_in(), num_segments=2)
    assert [path.name for path in made.compiled] == [
        "net_segment_0_of_2_edgetpu.tflite",
        "net_segment_1_of_2_edgetpu.tflite",
    ]
    assert [read_manifest(path) for path in made.compiled] == [manifest] * 2


def test_the_archive_of_a_third_party_model_is_copied(network, stand_in):
    content = append_archive(network.read_bytes(), {"labels.txt": b"cat\n"})
    network.write_bytes(content)
    (made,) = compiled(network, stand_in()).compiled
    assert split_archive(made.read_bytes())[1] == {"labels.txt": b"cat\n"}


def test_a_damaged_archive_is_reported(network, stand_in):
    content = append_archive(network.read_bytes(), {"labels.txt": b"cat\n"})
    network.write_bytes(content.replace(b"cat", b"dog"))
    with pytest.raises(RequestError, match="behind the model is damaged"):
        compiled(network, stand_in())


@pytest.mark.parametrize("number", [0, 1])
def test_a_completely_mapped_segment_counts_although_no_counts_are_printed(
    network, stand_in, number
):
    program = stand_in(cpu_segment=f"_segment_{number}_of_2", **PARTIAL)
    text = compiled(network, program, num_segments=2).text
    # Five of eight in one segment, and all of the other.
    assert (text.operations, text.on_edgetpu, text.on_cpu) == (16, 13, 3)


def test_more_than_ten_segments_are_in_the_order_of_execution(network, stand_in):
    made = compiled(network, stand_in(), num_segments=11)
    assert [path.name for path in made.compiled] == [
        f"net_segment_{number}_of_11_edgetpu.tflite" for number in range(11)
    ]


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
    # Later than our own, whose message is clear.
    assert call[4] == "--timeout_sec=201"


def test_a_prediction_is_for_the_requested_runtime(network):
    made = predict_file(network, Options(min_runtime_version=10))
    assert made.edgetpu.mapped == ()
    assert set(made.edgetpu.status.values()) == {DATA_TYPE, UNSUPPORTED}


def test_compilers_without_a_timeout_get_no_such_flag(network, stand_in):
    program = stand_in(version="15.0.340273435")
    made = compiled(network, program)
    assert not any("timeout" in argument for argument in program.calls()[0])
    assert made.edgetpu.compiler == "15.0.340273435"


def test_contradictory_counts_are_a_warning(network, stand_in):
    from corallite.convert.edgetpu.compile.outcome import find_contradictions

    made = compiled(network, stand_in(**PARTIAL))
    text = dataclasses.replace(made.text, on_edgetpu=7)
    (warning,) = find_contradictions(made.edgetpu, made.text.rows, text)
    assert warning == "5 operators are mapped, but stdout says 7."


def test_a_full_disk_is_reported_as_such(network, stand_in, monkeypatch):
    from corallite.convert.edgetpu.compile import compiler

    monkeypatch.setattr(compiler, "_LEAST_FREE_BYTES", 1 << 62)
    with pytest.raises(OSError, match="No space left"):
        compiled(network, stand_in(dies=True))
    assert names(network.parent / "out") == []


def test_an_open_batch_is_refused_unless_requested(writer, write_file, stand_in):
    writer.conv(writer.input())
    writer.graph.tensors[0].shapeSignature = [-1, 8, 8, 4]
    path = write_file(writer.content())
    program = stand_in()
    with pytest.raises(RequestError, match=r"input_0 \(\?x8x8x4\) is not fixed"):
        compiled(path, program)
    # Before the compiler runs.
    assert program.calls() == []
    assert compiled(path, program, open_batch=True).edgetpu.mapped == (0,)


def test_a_program_for_another_machine_is_refused(network, stand_in):
    program = stand_in()
    program.path.write_bytes(b"\x7fELF and no more")
    with pytest.raises(RequestError, match="cannot be run here"):
        compiled(network, program)
    assert not (network.parent / "out").exists()
