"""The command `corallite audit`."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from corallite.convert.audit import examine
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest

PROGRAM = [sys.executable, "-m", "corallite.convert.cli.audit_main"]
FORBIDDEN = ("tensorflow", "keras", "tf_keras", "corallite.train", "corallite.optimize")


def audit(*arguments, **options):
    """Runs the program and returns it with its output."""
    command = [*PROGRAM, *arguments]
    return subprocess.run(command, capture_output=True, text=True, **options)


def limit_memory():
    """Limits a process to 200 MB."""
    resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))


def seconds_of_children():
    """Returns the processor time of finished child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# Of processor time. A fraction of a second on a quiet machine.
LIMIT_S = 10


@pytest.fixture
def network(writer, write_file):
    """Float input and output, and an unsupported operator between convolutions."""
    x = writer.operator("QUANTIZE", [writer.input(kind="FLOAT32")], (1, 8, 8, 4))
    x = writer.operator("HARD_SWISH", [writer.conv(x)], None)
    x = writer.conv(x)
    writer.operator("DEQUANTIZE", [x], None, "FLOAT32", version=2)
    return write_file(writer.content())


def test_json_has_everything(network):
    content = json.loads(audit(network, "--json").stdout)
    assert [operator["name"] for operator in content["operators"]] == [
        "QUANTIZE",
        "CONV_2D",
        "HARD_SWISH",
        "CONV_2D",
        "DEQUANTIZE",
    ]
    convolution = content["operators"][1]
    assert (convolution["index"], convolution["version"]) == (1, 3)
    x, weights, bias = convolution["inputs"]
    assert (x["name"], x["shape"], x["scales"]) == ("tensor_1", [1, 8, 8, 4], [0.5])
    assert (weights["type"], weights["is_constant"], bias["type"]) == (
        "INT8",
        True,
        "INT32",
    )
    assert content["macs"] == 2 * 8 * 8 * 4 * 4
    assert content["parameter_bytes"] == 2 * (16 + 16)
    assert content["peak_activation_bytes"] == 256 + 4 * 256
    # The float input and output.
    assert [finding["operator"] for finding in content["not_int8"]] == [0, 4]
    assert content["dynamic"] == []
    assert content["manifest"] is None
    assert content["xnnpack"]["count"] >= 1
    edgetpu = content["edgetpu"]
    assert (edgetpu["mapped"], edgetpu["subgraphs"]) == ([1], 1)
    assert edgetpu["first_cut"] == 2
    assert edgetpu["parameter_bytes_on_chip"] == (4 + 8) * 16
    assert edgetpu["parameters_fit"] is True
    assert edgetpu["status"]["3"] == "More than one subgraph is not supported"


def test_the_table_fits_into_eighty_columns_and_has_cut_and_suggestion(network):
    done = audit(network, "--details")
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("    2 HARD_SWISH@1 ") for line in lines)
    assert "split at      2 HARD_SWISH (tensor_5)" in lines
    assert (
        "suggestion    use ReLU6; in Keras's MobileNetV3 that is minimalistic=True"
        in (lines)
    )
    assert "mapped        1 of 5 operators" in lines


def test_absurd_sizes_stay_in_their_columns(writer, write_file):
    """Found by fuzzing."""
    x = writer.input((1, 2**31 - 1, 2**31 - 1, 4))
    writer.graph.tensors[x].name = "x" * 200
    writer.conv(x, 1000)
    writer.graph.tensors[-1].quantization.scale = [-1.2345e-30]
    done = audit(write_file(writer.content()), "--details")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "XNNPACK       unknown: its activations are too large to try" in done.stdout


def test_flags_select_the_predicted_compiler(network):
    done = audit(network, "--json", "--enable_multiple_subgraphs", "--compiler=15.0")
    edgetpu = json.loads(done.stdout)["edgetpu"]
    assert edgetpu["compiler"] == "15.0.340273435"
    assert (edgetpu["mapped"], edgetpu["subgraphs"]) == ([1, 3], 2)


def test_a_runtime_without_int8_maps_nothing(network):
    done = audit(network, "--json", "--min_runtime_version=11")
    assert json.loads(done.stdout)["edgetpu"]["mapped"] == []


def test_the_manifest_is_shown(writer, write_file):
    writer.conv(writer.input())
    manifest = Manifest.of_classifier(
        "shufflenet_v2 1.0x",
        "2026-05",
        ("cat", "dog"),
        Preprocessing((8, 8)),
        accuracy={"int8": 0.75},
    )
    path = write_file(attach_manifest(writer.content(), manifest))
    # Within the memory limit for hostile files.
    done = audit(path, "--json", preexec_fn=limit_memory)
    content = json.loads(done.stdout)
    assert content["manifest"]["labels"] == ["cat", "dog"], done.stderr
    assert content["metadata"]["name"] == "shufflenet_v2 1.0x"
    assert "shufflenet_v2 1.0x, 2026-05; 2 labels" in audit(path).stdout


def test_a_damaged_manifest_does_not_hide_the_model(writer, write_file):
    writer.conv(writer.input())
    manifest = Manifest.of_classifier("model", "1", ("cat",), Preprocessing((8, 8)))
    content = attach_manifest(writer.content(), manifest)
    path = write_file(content.replace(b'"labels"', b'"lables"'))
    found = json.loads(audit(path, "--json").stdout)
    assert found["manifest"] is None
    assert "manifest is damaged" in found["manifest_error"]
    assert found["edgetpu"]["mapped"] == [0]


def test_control_characters_of_a_name_do_not_reach_the_terminal(writer, write_file):
    writer.conv(writer.input())
    writer.graph.tensors[0].name = "\x1b[31mred\nline"
    done = audit(write_file(writer.content()), "--details")
    assert "\x1b" not in done.stdout
    assert "?[31mred?line" in done.stdout


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04" * 9, "is not a TFLite model"),
        (b"\xff\xff\xff\xffTFL3" + b"\xff" * 4096, "is damaged"),
    ],
)
def test_a_hostile_file_is_one_line_soon(write_file, content, sentence):
    path = write_file(content)
    before_s = seconds_of_children()
    done = audit(path, preexec_fn=limit_memory)
    assert seconds_of_children() - before_s < LIMIT_S
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "--model is missing; give FILE or --model=FILE"),
        (("one", "two"), "Expected one model file, got 'one' and 'two'"),
        (("one", "--model=two"), "Expected one model file, got 'two' and 'one'"),
    ],
)
def test_no_file_or_several_files_are_refused(arguments, sentence):
    done = audit(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_a_file_of_four_megabytes_is_audited_soon(writer, write_file):
    """As many operators and bytes as a MobileNetV2; with the start of Python."""
    x = writer.input((1, 28, 28, 240))
    for _ in range(70):
        x = writer.conv(x, 240)
    content = writer.content()
    assert len(content) > 4_000_000
    path = write_file(content)
    before_s = seconds_of_children()
    done = audit(path)
    assert seconds_of_children() - before_s < LIMIT_S
    assert "mapped        70 of 70 operators" in done.stdout


def test_a_file_is_audited_without_tensorflow_numpy_and_opencv(network):
    """Except for the probe of XNNPACK, in a separate process."""
    forbidden = (*FORBIDDEN, "numpy", "cv2")
    code = (
        "import runpy, sys\n"
        "name = 'corallite.convert.cli.audit_main'\n"
        "try: runpy.run_module(name, run_name='__main__')\n"
        "except SystemExit as done: assert not done.code, done.code\n"
        f"print('LOADED', [name for name in {forbidden} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, network, "--json"], capture_output=True, text=True
    )
    content, loaded = done.stdout.splitlines()
    assert json.loads(content)["edgetpu"]["mapped"] == [1]
    assert loaded == "LOADED []", done.stderr


@pytest.mark.parametrize("package", ["audit", "edgetpu"])
def test_modules_load_neither_tensorflow_nor_numpy_nor_opencv(package):
    """Except for the probe, in a separate process."""
    convert = Path(examine.__file__).parents[1]
    modules = [
        ".".join(path.relative_to(convert).with_suffix("").parts)
        for path in (convert / package).rglob("*.py")
        if "_probe" not in path.stem
    ]
    imports = [f"import corallite.convert.{name}" for name in modules]
    forbidden = (*FORBIDDEN, "numpy", "cv2")
    report = f"import sys; print([name for name in {forbidden} if name in sys.modules])"
    code = "\n".join([*imports, report])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shufflenet_v2", "mobilenet_v2"])
def test_our_networks_are_completely_mapped_and_macs_are_those_of_keras(
    draw_clouds, write_file, name
):
    """Untrained, which changes neither, but of full size."""
    from corallite.convert.audit.examine import audit_file
    from corallite.convert.tflite.converter import convert_to_int8
    from corallite.train.models.cost import count_macs
    from corallite.train.models.registry import build

    model = build(name, (224, 224, 3), 4, width=1.0)
    found = audit_file(write_file(convert_to_int8(model, draw_clouds(2, 224, 224))))
    operators = found.model.main.operators
    assert found.edgetpu.mapped == tuple(range(len(operators)))
    assert (found.edgetpu.subgraphs, found.edgetpu.first_cut) == (1, None)
    assert (found.not_int8, found.dynamic) == ([], [])
    assert found.xnnpack.count == 1
    # XNNPACK has no kernels for the input and output types and for the softmax.
    left = {operators[index].name for index in found.xnnpack.outside}
    assert left == {"QUANTIZE", "SOFTMAX"}
    assert found.macs == count_macs(model)


def test_infinite_scales_are_null_in_json(writer, write_file):
    x = writer.operator("RELU", [writer.input()], None)
    writer.graph.tensors[x].quantization.scale = [np.inf]
    content = json.loads(audit(write_file(writer.content()), "--json").stdout)
    assert content["outputs"][0]["scales"] == [None]
