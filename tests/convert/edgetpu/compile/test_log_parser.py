"""The compiler's output, from published logs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corallite.convert.edgetpu.compile.log_parser import (
    CAUSES,
    Row,
    find_cause,
    parse_size,
    parse_text,
)
from corallite.convert.edgetpu.predict.compilers import MAPPED, UNSPECIFIED

# From Jorgitou98/EdgeTPU-QuantRL-Evaluation, models_size/model_size_channel32 (MIT).
LOG = """\
Edge TPU Compiler version 16.0.384591198
Input: models_size/model_size_channel32_quant.tflite
Output: model_size_channel32_quant_edgetpu.tflite

Operator                       Count      Status

RESHAPE                        1          Mapped to Edge TPU
CONV_2D                        4          Mapped to Edge TPU
SOFTMAX                        1          Mapped to Edge TPU
QUANTIZE                       1          Operation is otherwise supported, but not mapped due to some unspecified limitation
MAX_POOL_2D                    2          Mapped to Edge TPU
FULLY_CONNECTED                1          Mapped to Edge TPU
"""  # noqa: E501
# The form of compiler 16 in issues of google-coral/edgetpu.
STDOUT = """\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 986 ms.

Input model: model.tflite
Input size: 2.88MiB
Output model: model_edgetpu.tflite
Output size: 3.31MiB
On-chip memory used for caching model parameters: 3.86MiB
On-chip memory remaining for caching model parameters: 3.83MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 135
Operation log: model_edgetpu.log

Model successfully compiled but not all operations are supported by the Edge TPU. A \
percentage of the model will instead run on the CPU, which is slower.
Number of operations that will run on Edge TPU: 132
Number of operations that will run on CPU: 3
See the operation log file for individual operation details.
Compilation child process completed within timeout period.
Compilation succeeded! 
"""  # noqa: W291
# Compilers 1.0 and 2.0 print available bytes instead of remaining ones.
OLD = """\
Edge TPU Compiler version 1.0.249710469
INFO: Initialized TensorFlow Lite runtime.

Model compiled successfully in 421 ms!

Input model: mobilenet_v2.tflite
Input size: 3.52MiB
On-chip memory available for caching model parameters: 6.91MiB
On-chip memory used for caching model parameters: 3.75MiB
Off-chip memory used for streaming uncached model parameters: 512.00B
"""


def test_a_log_has_the_table_of_operators():
    (text,) = parse_text(LOG)
    assert text.version == "16.0.384591198"
    assert text.input == "models_size/model_size_channel32_quant.tflite"
    assert text.output == "model_size_channel32_quant_edgetpu.tflite"
    assert text.rows[1] == Row("CONV_2D", 4, MAPPED)
    assert text.rows[3] == Row("QUANTIZE", 1, UNSPECIFIED)
    assert (len(text.rows), sum(row.count for row in text.rows)) == (6, 10)
    assert text.unknown == ()


def test_stdout_has_sizes_and_counts():
    (text,) = parse_text(STDOUT)
    assert (text.compile_ms, text.subgraphs) == (986, 1)
    assert (text.operations, text.on_edgetpu, text.on_cpu) == (135, 132, 3)
    assert text.input_bytes == round(2.88 * 2**20)
    assert text.on_chip_used_bytes == round(3.86 * 2**20)
    assert text.on_chip_remaining_bytes == round(3.83 * 2**20)
    assert (text.streamed_bytes, text.log) == (0, "model_edgetpu.log")
    assert text.unknown == ()


def test_output_of_an_old_compiler_is_parsed_and_unknown_lines_are_kept():
    (text,) = parse_text(OLD)
    assert (text.version, text.compile_ms) == ("1.0.249710469", 421)
    assert text.on_chip_available_bytes == round(6.91 * 2**20)
    assert (text.on_chip_remaining_bytes, text.streamed_bytes) == (None, 512)
    assert text.unknown == ("INFO: Initialized TensorFlow Lite runtime.",)


def test_a_table_on_stdout_is_read_too():
    table = LOG[LOG.index("Operator ") :]
    (text,) = parse_text(f"{STDOUT}\n{table}")
    assert (len(text.rows), text.on_cpu) == (6, 3)


def test_only_the_last_attempt_of_a_search_counts():
    failed = "Compilation failed: too large\nCompilation failed! \n"
    search = "Searching for valid delegate with step 1\nTry to compile segment with"
    before = STDOUT.replace("132", "99").replace("3.86MiB", "1.00MiB")
    (text,) = parse_text(f"{before}{failed}{search} 9 ops\n{STDOUT}")
    assert (text.version, text.on_edgetpu) == ("16.0.384591198", 132)
    assert text.on_chip_used_bytes == round(3.86 * 2**20)
    assert text.unknown == ()


def test_models_compiled_together_are_separated():
    block = STDOUT[STDOUT.index("Input model") : STDOUT.index("Operation log")]
    head = "Edge TPU Compiler version 16.0.384591198\n"
    head += "Models compiled successfully in 7 ms."
    first, second = parse_text(f"{head}\n{block}{block.replace('135', '80')}")
    assert (first.operations, second.operations) == (135, 80)
    assert second.version == "16.0.384591198"
    assert (first.compile_ms, second.compile_ms) == (7, 7)


def test_an_unknown_status_and_an_unknown_operator_are_kept():
    (text,) = parse_text("NEW_OPERATOR_7   12    A status of a later compiler  ")
    assert text.rows == (Row("NEW_OPERATOR_7", 12, "A status of a later compiler"),)


def test_empty_output_is_an_empty_result():
    (text,) = parse_text("")
    assert (text.version, text.rows, text.unknown) == ("", (), ())


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("3.86MiB", round(3.86 * 2**20)),
        ("12.50KiB", 12_800),
        ("0.00B", 0),
        ("1GiB", 2**30),
        ("3.86", None),
        ("MiB", None),
        ("9" * 400 + "MiB", None),
    ],
)
def test_sizes_are_bytes(text, size):
    assert parse_size(text) == size


PIECES = st.sampled_from(
    [*LOG.splitlines(), *STDOUT.splitlines(), "Try to compile segment with 1 ops"]
)


@given(st.text())
def test_no_text_raises(text):
    for found in parse_text(text):
        found.to_json()
    find_cause(text)


@given(
    st.lists(st.one_of(PIECES, st.text(max_size=30)), max_size=30), st.integers(0, 90)
)
def test_no_mixture_of_valid_lines_raises(lines, length):
    """Complete or truncated, in any order."""
    parse_text("\n".join(lines))
    parse_text("\n".join(line[:length] for line in lines))


@pytest.mark.parametrize(
    ("printed", "suggestion", "is_retried"),
    [
        ("Invalid model: F\nModel not quantized", "full int8", False),
        (
            "ERROR: Didn't find op for builtin opcode 'CONV_2D' version '6'. An older "
            "version of this builtin might be supported.\nERROR: Registration failed.\n"
            "Invalid model: F\nModel could not be parsed",
            "lower operator version",
            False,
        ),
        ("Op builtin_code out of range: 150.", "lower operator version", False),
        ("Internal compiler error. Aborting! ", "another compiler", True),
        (
            "Compilation failed: Compilation failed due to large activation tensors in "
            "model.",
            "smaller input",
            False,
        ),
        (
            "ERROR: Attempting to use a delegate that only supports static-sized "
            "tensors with a graph that has dynamic-sized tensors.\nCompilation failed: "
            "Model failed in Tflite interpreter. Please ensure model can be loaded/run "
            "in Tflite interpreter.",
            "batch of 1",
            False,
        ),
        (
            "loc(\"x\"): error: 'tfl.strided_slice' op is not supported on DarwiNN.",
            "1x1 convolution",
            False,
        ),
        ("loc(x): error: two operands don't have the same rank", "dimensions", False),
        ("Regular TensorFlow ops are not supported by this", "SELECT_TF_OPS", False),
    ],
)
def test_each_failure_has_a_suggestion(printed, suggestion, is_retried):
    cause = find_cause(printed)
    assert cause in CAUSES
    assert suggestion in cause.suggestion
    assert cause.is_retried is is_retried
    assert cause.find(printed) in printed


def test_other_text_has_no_cause():
    assert find_cause("Segmentation fault") is None
