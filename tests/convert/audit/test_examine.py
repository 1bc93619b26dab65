"""What an audit collects of a file, and its text."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from fixtures.small_models import write_model

from corallite.convert.audit.audit_text import format_audit
from corallite.convert.audit.examine import audit_file
from corallite.convert.ethos_u.compile_file import compile_file
from corallite.convert.ethos_u.vela_program import Options
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.identifiers import TFLITE_METADATA_NAME
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest

MANIFEST = Manifest.of_classifier("tiny", "7", ("cat", "dog"), Preprocessing((8, 8)))


def text_of(path):
    return " ".join(format_audit(audit_file(path, ask_xnnpack=False)).split())


def test_damaged_metadata_do_not_hide_the_model(writer, write_file):
    writer.conv(writer.input())
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(b"\x08\0\0\0M999" + bytes(40), np.uint8)
    entry.name, entry.buffer = TFLITE_METADATA_NAME, len(writer.model.buffers)
    writer.model.buffers.append(buffer)
    writer.model.metadata = [entry]
    path = write_file(writer.content())
    found = audit_file(path, ask_xnnpack=False)
    assert found.metadata is None
    assert found.edgetpu.mapped == (0,)
    sentence = " ".join(format_audit(found).split())
    assert "the metadata are damaged (they do not begin with M001)" in sentence


def test_the_text_has_the_range_of_pixels(writer, write_file):
    writer.conv(writer.input(kind="UINT8"))
    path = write_file(attach_manifest(writer.content(), MANIFEST))
    text = text_of(path)
    assert "metadata tiny" in text
    assert "image, RGB, mean 0, std 255, min 0, max 255" in text
    assert "probability, feature, min 0, max 1, labels.txt (TENSOR_AXIS_LABELS)" in text


def test_the_text_begins_with_how_the_model_is_used(write_file):
    path = write_file(write_model(labels=("a", "b", "c"), normalization=(127.5, 127.5)))
    text = text_of(path)
    assert text.index("takes") < text.index("written by")
    assert "4x4 RGB NHWC float32, pixels as -1 to 1 (known from its TFLite" in text
    assert "3 numbers: probabilities (known from its softmax)" in text
    assert "3 from its TFLite Metadata (labels.txt): a, b, c" in text
    use = audit_file(path, ask_xnnpack=False).to_json()["use"]
    assert use["input_range"] == [-1.0, 1.0] and use["labels"] == ["a", "b", "c"]
    assert use["refusal"] is None and use["order"] == "NHWC"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"open_shape": (1, -1, -1, 3)}, "its input 'input_0' (1x?x?x3) is not fixed"),
        ({"shape": (1, 4, 4, 4)}, "takes RGBA images (1x4x4x4)"),
    ],
)
def test_why_a_model_cannot_be_served_comes_first(write_file, options, sentence):
    path = write_file(write_model(**options))
    text = text_of(path)
    assert text.index("refused") < text.index(sentence) < text.index("written by")
    assert sentence in audit_file(path, ask_xnnpack=False).to_json()["use"]["refusal"]


def test_a_file_for_an_ethos_u_is_described(partly_mapped, write_file):
    pytest.importorskip("ethosu.vela")
    made = compile_file(write_file(partly_mapped.content()), Options("ethos-u65-512"))
    path = write_file(made.content)
    found = audit_file(path)
    assert found.to_json()["ethos_u"] == {
        **{"accelerator": "ethos-u65-512", "on_npu": (0, 2), "on_cpu": (1, 3, 4)}
    }
    text = text_of(path)
    assert "refused is compiled for an Ethos-U, which no runtime here drives" in text
    assert "Ethos-U compiled for ethos-u65-512 on the NPU 2 parts; operators" in text
    assert "on the CPU: 1 FLOOR, 3 L2_NORMALIZATION, 4 Own" in text
    assert "Edge TPU" not in text and " yes " not in text


def test_other_files_are_not_for_an_ethos_u(writer, write_file):
    writer.conv(writer.input())
    found = audit_file(write_file(writer.content()), ask_xnnpack=False)
    assert found.to_json()["ethos_u"] is None
