"""What other tools read of our files, and that a model is the same with it."""

import numpy as np
import pytest

from corallite.device.engine.classifier import Classifier
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.flatbuffer import DamagedError, Flatbuffer
from corallite.device.model.manifest import Manifest, attach_manifest
from corallite.device.model.metadata import put_metadata
from corallite.device.model.model_entry import (
    METADATA_IDENTIFIER,
    METADATA_NAME,
    read_entry,
    set_entry,
)

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
flatbuffers = pytest.importorskip("flatbuffers")

MANIFEST = Manifest("tiny", "1", ("red", "Käse", "blue"), Preprocessing((32, 32)))
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
        "name": METADATA_NAME.encode(),
        "buffer": len(after["buffers"]),
    }
    assert bytes(added["data"])[4:8] == METADATA_IDENTIFIER
    assert after == before


@pytest.mark.parametrize("kind", TYPES)
def test_weights_keep_their_alignment(tiny_models, kind):
    content = tiny_models[kind].read_bytes()
    changed = put_metadata(content, MANIFEST)

    def starts(content):
        return [t.span(0)[0] for t in Flatbuffer(content).root().tables(4)]

    # The added buffer is the last.
    pairs = zip(starts(content), starts(changed)[:-1], strict=True)
    assert {(after - before) % 64 for before, after in pairs if before} == {0}
    assert starts(changed)[-1] % 16 == 0


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
    other = Manifest("longer name", "2", ("a",), Preprocessing((8, 8)))
    assert put_metadata(once, MANIFEST) == once
    assert put_metadata(put_metadata(once, other), MANIFEST) == once


def test_author_and_licence_of_a_foreign_file_are_kept():
    builder = flatbuffers.Builder()
    author, licence = builder.CreateString("Ann"), builder.CreateString("MIT")
    builder.StartObject(8)
    builder.PrependUOffsetTRelativeSlot(4, author, 0)
    builder.PrependUOffsetTRelativeSlot(5, licence, 0)
    builder.Finish(builder.EndObject(), file_identifier=METADATA_IDENTIFIER)
    foreign = pack(
        buffers=[schema.BufferT(), holding(bytes(builder.Output())), holding(b"2.3.0")],
        metadata=[entry(METADATA_NAME, 1), entry("min_runtime_version", 2)],
    )
    changed = put_metadata(foreign, MANIFEST)
    metadata = read_entry(changed, METADATA_NAME, METADATA_IDENTIFIER)
    root = Flatbuffer(metadata).root()
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
    foreign = pack(
        buffers=[schema.BufferT(), holding(b"something else")],
        metadata=[entry(METADATA_NAME, 1), entry("kept", 1), entry("gone", 7)],
    )
    after = read(put_metadata(foreign, MANIFEST))
    found = [(e["name"], e["buffer"]) for e in after["metadata"]]
    assert found == [(b"kept", 1), (b"gone", 7), (b"TFLITE_METADATA", 2)]
    assert bytes(after["buffers"][1]["data"]) == b"something else"


def test_a_model_without_metadata_or_graphs_gets_some():
    changed = put_metadata(pack(), MANIFEST)
    assert [e["name"] for e in read(changed)["metadata"]] == [b"TFLITE_METADATA"]
    assert read_entry(pack(), METADATA_NAME, METADATA_IDENTIFIER) == b""


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
    builder.StartObject(9)
    builder.PrependInt32Slot(8, 7, 0)
    builder.Finish(builder.EndObject(), file_identifier=b"TFL3")
    with pytest.raises(ValueError, match="up to 8 parts, got 9; update corallite"):
        put_metadata(bytes(builder.Output()), MANIFEST)


def test_a_damaged_model_is_refused(tiny_models):
    content = tiny_models["uint8"].read_bytes()
    for length in range(0, 200, 7):
        with pytest.raises(ValueError, match="Expected `model` to be intact"):
            put_metadata(content[:length], MANIFEST)
    with pytest.raises(DamagedError):
        set_entry(content[:100], METADATA_NAME, b"")


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
