"""Results of the TFLite runtime for a file, and its failures."""

import signal

import numpy as np
import pytest

from corallite.convert.audit.xnnpack import Probe


def asked(path, activation_bytes=1 << 20):
    with Probe(path, activation_bytes) as probe:
        return probe.result()


@pytest.fixture
def two_pieces(writer, write_file):
    """Two convolutions that XNNPACK runs, around an operator that it does not run."""
    x = writer.conv(writer.input())
    x = writer.operator(
        "GATHER",
        [x, writer.integers(3, 2, 1, 0)],
        None,
        options="GatherOptions",
        axis=3,
    )
    writer.conv(x)
    return write_file(writer.content())


def test_partitions_are_counted_and_other_operators_are_listed(two_pieces):
    found = asked(two_pieces)
    assert (found.count, found.outside, found.error) == (2, (1,), "")


def test_an_error_of_the_runtime_is_reported(writer, write_file):
    writer.operator("PosenetDecoderOp", [writer.input()], (1,))
    found = asked(write_file(writer.content()))
    assert found.count is None
    assert "unresolved custom op: PosenetDecoderOp" in found.error


def test_a_crash_of_the_runtime_is_reported(two_pieces):
    with Probe(two_pieces, 1 << 20) as probe:
        probe.send_signal(signal.SIGSEGV)
        found = probe.result()
    assert (found.count, found.error) == (None, "the TFLite runtime crashed (SIGSEGV)")


def test_a_runtime_that_needs_too_much_memory_is_reported(writer, write_file):
    """Activations take 8 GB, and the audit expects few."""
    x = writer.operator("RELU", [writer.input((1 << 14, 1 << 14, 32))], None)
    writer.operator("RELU", [x], None)
    found = asked(write_file(writer.content()))
    assert found.count is None
    assert "runtime" in found.error


def test_a_model_that_is_too_large_is_not_tried(two_pieces):
    found = asked(two_pieces, activation_bytes=1 << 40)
    assert (found.count, found.error) == (None, "its activations are too large to try")


def test_a_name_that_is_not_text_is_reported(writer, write_file):
    writer.operator("RELU", [writer.input((1, 4))], None)
    writer.graph.tensors[-1].name = b"\xff"
    found = asked(write_file(writer.content()))
    assert found.count is None
    assert "utf-8" in found.error


def test_modules_in_the_current_folder_are_not_imported(
    two_pieces, tmp_path, monkeypatch
):
    (tmp_path / "json.py").write_text("raise ImportError")
    monkeypatch.chdir(tmp_path)
    assert asked(two_pieces.relative_to(tmp_path)).count == 2


def test_large_weights_fit_into_the_memory_limit(writer, write_file):
    """The memory limit of the process grows with the file."""
    rng = np.random.default_rng(0)
    x = writer.input((1, 2048))
    weights = writer.tensor((2048, 2048), data=rng.integers(-99, 99, (2048, 2048)))
    bias = writer.tensor((2048,), "INT32", data=0)
    writer.operator("FULLY_CONNECTED", [x, weights, bias], (1, 2048), version=4)
    assert asked(write_file(writer.content())).count == 1
