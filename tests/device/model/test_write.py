"""A written model: the same as before, with what other tools read of it."""

import subprocess
import sys

import numpy as np
import pytest

from corallite.device.engine.classifier import Classifier
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.archive import split_archive
from corallite.device.model.flatbuffer import Flatbuffer
from corallite.device.model.identifiers import TFLITE_METADATA, TFLITE_METADATA_NAME
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
flatbuffers = pytest.importorskip("flatbuffers")

MANIFEST = Manifest.of_classifier(
    "tiny", "1", ("red", "Käse", "blue"), Preprocessing((32, 32))
)
TYPES = ("uint8", "int8", "float32")


def read(content):
    """Returns a model as the schema's own reader sees it, as plain dicts and lists."""
    return plain(schema.ModelT.InitFromObj(schema.Model.GetRootAs(content)))


def plain(value):
    if hasattr(value, "__dict__"):
        return {name: plain(part) for name, part in vars(value).items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [plain(part) for part in value] if isinstance(value, list) else value


def pack(**fields):
    """Returns a model with these fields, written by the schema's own writer."""
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT()]
    vars(model).update(fields)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def put_metadata(content, manifest):
    """Returns a model with a manifest in it, without the archive behind it."""
    return split_archive(attach_manifest(content, manifest))[0]


def read_metadata(content):
    """Returns the bytes of a model's metadata."""
    model = schema.ModelT.InitFromPackedBuf(content)
    (place,) = (e.buffer for e in model.metadata if e.name == b"TFLITE_METADATA")
    return model.buffers[place].data.tobytes()


def entry(name, buffer):
    entry = schema.MetadataT()
    entry.name, entry.buffer = name, buffer
    return entry


def holding(data):
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8)
    return buffer


@pytest.mark.parametrize("kind", TYPES)
def test_all_else_in_the_model_stays_as_it_was(tiny_models, kind):
    content = tiny_models[kind].read_bytes()
    before, after = read(content), read(put_metadata(content, MANIFEST))
    assert before["signatureDefs"] and before["metadata"]  # Or it shows little.
    added = after["buffers"].pop()
    assert after["metadata"].pop() == {
        "name": TFLITE_METADATA_NAME.encode(),
        "buffer": len(after["buffers"]),
    }
    assert bytes(added["data"])[4:8] == TFLITE_METADATA
    assert after == before


@pytest.mark.parametrize("kind", TYPES)
def test_constants_are_aligned(tiny_models, kind):
    changed = put_metadata(tiny_models[kind].read_bytes(), MANIFEST)
    starts = [t.span(0)[0] for t in Flatbuffer(changed).root().tables(4)]
    assert any(starts) and {start % 16 for start in starts} == {0}


def test_what_a_compiler_put_into_an_operator_stays_byte_for_byte(edgetpu_model):
    content = edgetpu_model(13, 14)
    before, after = read(content), read(put_metadata(content, MANIFEST))
    assert after["subgraphs"] == before["subgraphs"]
    assert after["subgraphs"][0]["operators"][1]["customOptions"]


def test_equal_vectors_are_written_once():
    graph = schema.SubGraphT()
    graph.tensors = []
    for _ in range(10):
        tensor = schema.TensorT()
        tensor.name, tensor.shape = b"the same", np.arange(100, dtype=np.int32)
        graph.tensors.append(tensor)
    content = pack(subgraphs=[graph])
    changed = put_metadata(content, MANIFEST)
    assert len(content) > 10 * 400 > 3 * len(changed)
    assert read(changed)["subgraphs"] == read(content)["subgraphs"]


def test_a_model_of_many_megabytes_is_written():
    weights = np.random.default_rng(0).bytes(20 << 20)
    content = pack(buffers=[schema.BufferT(), holding(weights)])
    changed = put_metadata(content, MANIFEST)
    start, size = Flatbuffer(changed).root().tables(4)[1].span(0)
    assert start % 16 == 0 and changed[start : start + size] == weights


@pytest.mark.parametrize("kind", TYPES)
def test_answers_are_the_same_bit_by_bit(tiny_models, tmp_path, kind):
    path = tmp_path / "model.tflite"
    path.write_bytes(attach_manifest(tiny_models[kind].read_bytes(), MANIFEST))
    before = Classifier(tiny_models[kind], manifest=MANIFEST)
    after = Classifier(path)
    for image in np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8):
        assert after.run(image).tobytes() == before.run(image).tobytes()


def test_doing_it_again_changes_nothing(tiny_models):
    content = tiny_models["uint8"].read_bytes()
    once = put_metadata(content, MANIFEST)
    other = Manifest.of_classifier("longer name", "2", ("a",), Preprocessing((8, 8)))
    assert put_metadata(once, MANIFEST) == once
    assert put_metadata(put_metadata(once, other), MANIFEST) == once


def test_author_and_licence_of_a_third_party_file_are_kept():
    builder = flatbuffers.Builder()
    author, licence = builder.CreateString("Ann"), builder.CreateString("MIT")
    builder.StartObject(8)
    builder.PrependUOffsetTRelativeSlot(4, author, 0)
    builder.PrependUOffsetTRelativeSlot(5, licence, 0)
    builder.Finish(builder.EndObject(), file_identifier=TFLITE_METADATA)
    third_party = pack(
        buffers=[schema.BufferT(), holding(bytes(builder.Output())), holding(b"2.3.0")],
        metadata=[entry(TFLITE_METADATA_NAME, 1), entry("min_runtime_version", 2)],
    )
    changed = put_metadata(third_party, MANIFEST)
    root = Flatbuffer(read_metadata(changed)).root()
    assert [root.text(n) for n in (0, 2, 4, 5)] == ["tiny", "1", "Ann", "MIT"]
    # In its place: there are no more entries and buffers than before.
    after = read(changed)
    assert [e["name"] for e in after["metadata"]] == [
        b"TFLITE_METADATA",
        b"min_runtime_version",
    ]
    assert bytes(after["buffers"][2]["data"]) == b"2.3.0"
    assert put_metadata(changed, MANIFEST) == changed


def test_an_entry_of_another_kind_makes_room():
    """Its buffer may be one that a tensor shares, so that it is left alone."""
    third_party = pack(
        buffers=[schema.BufferT(), holding(b"something else")],
        metadata=[entry(TFLITE_METADATA_NAME, 1), entry("kept", 1), entry("gone", 7)],
    )
    after = read(put_metadata(third_party, MANIFEST))
    found = [(e["name"], e["buffer"]) for e in after["metadata"]]
    assert found == [(b"kept", 1), (b"gone", 7), (b"TFLITE_METADATA", 2)]
    assert bytes(after["buffers"][1]["data"]) == b"something else"


def test_a_model_without_metadata_or_graphs_gets_some():
    changed = put_metadata(pack(), MANIFEST)
    assert [e["name"] for e in read(changed)["metadata"]] == [b"TFLITE_METADATA"]


def test_weights_behind_the_flatbuffer_are_refused():
    buffer = schema.BufferT()
    buffer.offset, buffer.size = 512, 8
    with pytest.raises(ValueError, match="convert one below 2 GB"):
        put_metadata(pack(buffers=[schema.BufferT(), buffer]), MANIFEST)
    graph, operator = schema.SubGraphT(), schema.OperatorT()
    operator.largeCustomOptionsOffset = 512
    graph.operators = [operator]
    with pytest.raises(ValueError, match="convert one below 2 GB"):
        put_metadata(pack(subgraphs=[graph]), MANIFEST)


def test_a_model_of_a_newer_schema_is_refused():
    builder = flatbuffers.Builder()
    builder.StartObject(11)
    builder.PrependInt32Slot(10, 7, 0)
    builder.Finish(builder.EndObject(), file_identifier=b"TFL3")
    with pytest.raises(
        ValueError, match="up to 10 fields, got 11: .*update ai-edge-litert"
    ):
        put_metadata(bytes(builder.Output()), MANIFEST)


def test_a_damaged_model_is_refused(tiny_models):
    content = tiny_models["uint8"].read_bytes()
    for length in range(0, 200, 7):
        with pytest.raises(ValueError, match="Expected `content` to be intact"):
            put_metadata(content[:length], MANIFEST)


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_mediapipe_gives_our_labels_and_probabilities(tiny_models, tmp_path, kind):
    mediapipe = pytest.importorskip("mediapipe")
    from mediapipe.tasks.python import vision

    path = tmp_path / "model.tflite"
    path.write_bytes(attach_manifest(tiny_models[kind].read_bytes(), MANIFEST))
    ours = Classifier(path)
    with vision.ImageClassifier.create_from_model_path(str(path)) as theirs:
        for image in np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), "uint8"):
            shown = mediapipe.Image(mediapipe.ImageFormat.SRGB, image)
            (head,) = theirs.classify(shown).classifications
            found = {c.category_name: c.score for c in head.categories}
            expected = dict(zip(MANIFEST.labels, ours.run(image), strict=True))
            # The same runtime or nearly, on the same pixels: float rounding.
            assert found == pytest.approx(expected, abs=1e-5)


def test_writing_without_ai_edge_litert_is_refused():
    code = "import sys\nsys.modules['ai_edge_litert'] = None\n"
    code += "from corallite.device.model import write"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "RequestError: Writing a model needs ai-edge-litert" in done.stderr
