"""What model files ask for: converted ones, handmade ones and damaged ones."""

import numpy as np
import pytest

from corallite.device.model.requirements import ModelNeeds, read_needs


@pytest.fixture
def needs_of(tmp_path):
    def needs_of(content):
        path = tmp_path / "model.tflite"
        path.write_bytes(content)
        return read_needs(path)

    return needs_of


def test_converted_model_says_its_minimum_runtime(tiny_models):
    needs = read_needs(tiny_models["uint8"])
    # TensorFlow 2.21's converter asks this of a convolution and a softmax in int8.
    assert needs == ModelNeeds("1.14.0")


def test_edgetpu_model_says_its_runtime(needs_of, edgetpu_model):
    content = edgetpu_model(13, 14)
    assert needs_of(content) == ModelNeeds("", 14)


def test_unused_operator_or_an_unknown_package_count_as_any(needs_of, edgetpu_model):
    assert needs_of(edgetpu_model()) == ModelNeeds("", 0)
    content = edgetpu_model(14).replace(b"DWN1", b"NEW1")
    assert needs_of(content) == ModelNeeds("", 0)


def test_reference_to_a_part_that_is_not_there_is_told(needs_of, edgetpu_model):
    flatbuffers = pytest.importorskip("flatbuffers")
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    model = schema.ModelT.InitFromPackedBuf(edgetpu_model(14))
    model.subgraphs[0].operators[1].opcodeIndex = 7
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    with pytest.raises(ValueError, match="is damaged .it refers to item 7 of 2"):
        needs_of(bytes(builder.Output()))


def test_damaged_files_are_told_and_never_more(needs_of, edgetpu_model):
    rng = np.random.default_rng(0)
    content = edgetpu_model(14)
    for _ in range(200):
        damaged = bytearray(content)
        for place in rng.integers(0, len(damaged), 3):
            damaged[place] = rng.integers(0, 256)
        del damaged[rng.integers(8, len(damaged) + 100) :]
        try:
            assert isinstance(needs_of(damaged), ModelNeeds)
        except ValueError as error:
            assert "model.tflite: is damaged" in str(error)


def test_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_needs(tmp_path / "gone.tflite")
