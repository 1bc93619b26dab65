"""Compacted files: the same model, outputs and names, from fewer bytes."""

import dataclasses
import functools
import gzip
import json
import platform
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from fixtures.model_writer import ModelWriter
from fixtures.small_models import write_model

from corallite.convert.edgetpu.predict.prediction import predict
from corallite.convert.export.targets.int8 import INT8_FILE
from corallite.convert.tflite.compact import (
    NAMES_FILE,
    compact,
    read_names,
    restore_names,
)
from corallite.convert.tflite.reader import decode
from corallite.convert.tflite.truncate import truncate
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.archive import append_archive, split_archive
from corallite.device.model.flatbuffer import Flatbuffer
from corallite.device.model.manifest import LABELS_NAME, MANIFEST_NAME, Manifest
from corallite.device.model.write import attach_manifest

SAMPLE = Path(__file__).parents[3] / "samples" / "fashion_mnist.tar.xz"
MANIFEST = Manifest.of_classifier("tiny", "1", ("a", "b", "c"), Preprocessing((4, 4)))
KERNELS = (
    OpResolverType.AUTO,  # XNNPACK.
    OpResolverType.BUILTIN_REF,
    OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
)
# The package index has wheels of tflite-micro for no other processor.
only_x86 = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="tflite-micro is for x86-64 only"
)


def write_wide(custom=False):
    """Returns a file with per-channel scales that repeat; with a custom operator."""
    writer = ModelWriter()
    rng = np.random.default_rng(0)
    x = writer.input((1, 8, 8, 4))
    for _ in range(3):
        depth = writer.graph.tensors[x].shape[-1]
        scales = tuple(rng.uniform(0.001, 0.01, 24))
        kernel = rng.integers(-127, 128, (24, 3, 3, depth))
        weights = writer.tensor(kernel.shape, data=kernel, scales=scales)
        bias = writer.tensor((24,), "INT32", data=0, scales=np.multiply(scales, 0.5))
        x = writer.operator(
            "CONV_2D",
            [x, weights, bias],
            (1, 8, 8, 24),
            version=3,
            options="Conv2DOptions",
            strideW=1,
            strideH=1,
        )
    if custom:
        x = writer.operator("Own", [x, -1], None)
        writer.graph.operators[-1].customOptions = np.arange(37, dtype=np.uint8)
    return writer.content(x)


def write_described():
    """Returns a file with TFLite Metadata, labels and a manifest."""
    content = write_model(labels=["a", "b", "c"], normalization=(0.0, 1.0))
    return attach_manifest(content, MANIFEST)


def write_subgraphs():
    """Returns a file with two graphs, a signature, and a name that is not UTF-8."""
    writer = ModelWriter()
    x = writer.operator("RELU", [writer.operator("RELU", [writer.input()], None)], None)
    writer.graph.tensors[1].name = b"caf\xe9"
    writer.graph.tensors[2].name = None
    inner = ModelWriter()
    inner.operator("RELU", [inner.operator("RELU", [inner.input()], None)], None)
    inner.graph.outputs = [2]
    writer.model.subgraphs.append(inner.graph)
    signature, port = schema.SignatureDefT(), schema.TensorMapT()
    port.name, port.tensorIndex = b"image", 0
    signature.inputs, signature.outputs = [port], []
    signature.signatureKey = b"serving_default"
    writer.model.signatureDefs = [signature]
    return writer.content(x)


RUNNABLE: dict[str, Callable[[], bytes]] = {
    "wide": write_wide,
    "float": write_model,
    "float without softmax": functools.partial(write_model, last=None),
    "int8": functools.partial(write_model, kind="INT8"),
    "int8 without softmax": functools.partial(write_model, kind="INT8", last=None),
    "scaled": functools.partial(write_model, before=[("SUB", 0.5), ("MUL", 2.0)]),
    "described": write_described,
}
FILES: dict[str, Callable[[], bytes]] = {
    **RUNNABLE,
    "custom": functools.partial(write_wide, custom=True),
    "subgraphs": write_subgraphs,
    "empty": lambda: append_archive(ModelWriter().content(), {}),
}


@pytest.fixture(params=list(FILES))
def any_file(request):
    return FILES[request.param]()


def read(content):
    """Returns a model as the schema's own reader sees it, as plain dicts and lists."""
    return plain(schema.ModelT.InitFromObj(schema.Model.GetRootAs(content)))


def plain(value):
    if hasattr(value, "__dict__"):
        return {name: plain(part) for name, part in vars(value).items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [plain(part) for part in value] if isinstance(value, list) else value


def run(content, kernels=OpResolverType.AUTO, images=None):
    """Runs a model on images, or on noise; returns its outputs."""
    interpreter = Interpreter(
        model_content=content, experimental_op_resolver_type=kernels
    )
    interpreter.allocate_tensors()
    (source,), (target,) = (
        interpreter.get_input_details(),
        interpreter.get_output_details(),
    )
    outputs = []
    if images is None:
        images = make_noise(source["shape"], source["dtype"])
    for pixels in images:
        interpreter.set_tensor(source["index"], pixels)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(target["index"]).tobytes())
    return outputs


def make_noise(shape, dtype):
    limits = (0, 1) if dtype == np.float32 else (np.iinfo(dtype).min, 127)
    return np.random.default_rng(0).uniform(*limits, (5, *shape)).astype(dtype)


def without_places(model):
    """Returns what a file says, but not where its bytes are."""
    return [
        [dataclasses.replace(tensor, start=0) for tensor in graph.tensors]
        for graph in model.graphs
    ]


def test_nothing_but_inner_names_changes(any_file):
    before, after = read(any_file), read(compact(any_file))
    for graph, changed in zip(before["subgraphs"], after["subgraphs"], strict=True):
        ports = [*(graph["inputs"] or []), *(graph["outputs"] or [])]
        pairs = zip(graph["tensors"] or [], changed["tensors"] or [], strict=True)
        for number, (tensor, left) in enumerate(pairs):
            # LiteRT, TFLM and Vela read an empty name, whether it is there or not.
            names = (tensor.pop("name"), left.pop("name"))
            assert names[1] == (names[0] if number in ports else names[0] and b"")
    assert after == before


def test_the_reader_still_names_every_tensor(any_file):
    before, after = decode(any_file), decode(compact(any_file))
    assert without_places(after) == without_places(before)
    assert after.operator_codes == before.operator_codes
    assert after.metadata.keys() == before.metadata.keys()
    operators = [op for graph in before.graphs for op in graph.operators]
    if operators:
        assert predict(after).to_json() == predict(before).to_json()


def test_compacting_again_changes_nothing(any_file):
    once = compact(any_file)
    assert compact(once) == once
    assert len(once) <= len(any_file) or len(any_file) < 5000


def test_names_come_back(any_file):
    restored = restore_names(compact(any_file))
    assert read(restored) == read(any_file)
    assert NAMES_FILE not in split_archive(restored)[1]
    assert compact(restored) == compact(any_file)


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("name", RUNNABLE)
def test_outputs_are_the_same_in_litert(name, kernels):
    content = RUNNABLE[name]()
    assert run(compact(content), kernels) == run(content, kernels)


@only_x86
@pytest.mark.parametrize("name", RUNNABLE)
def test_outputs_are_the_same_in_tflite_micro(name):
    content = RUNNABLE[name]()
    assert run_micro(compact(content)) == run_micro(content)


@only_x86
def test_the_micro_kernels_are_the_reference_kernels():
    content = RUNNABLE["wide"]()
    assert run_micro(compact(content)) == run(content, OpResolverType.BUILTIN_REF)


def run_micro(content, images=None):
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(content, arena_size=1 << 20)
    if images is None:
        source = interpreter.get_input_details(0)
        images = make_noise(source["shape"], source["dtype"])
    outputs = []
    for pixels in images:
        interpreter.set_input(pixels, 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0).tobytes())
    return outputs


@pytest.mark.parametrize("kind", ["uint8", "int8", "float32"])
def test_outputs_of_converted_models_are_the_same(tiny_models, kind):
    content = attach_manifest(tiny_models[kind].read_bytes(), MANIFEST)
    for kernels in KERNELS:
        assert run(compact(content), kernels) == run(content, kernels)


@pytest.fixture(scope="module")
def photos():
    """uint8 [10, 1, 32, 32, 3], the first images of the committed sample."""
    photos: list[np.ndarray] = []
    with tarfile.open(SAMPLE) as archive:
        for entry in archive:
            data = archive.extractfile(entry) if entry.isfile() else None
            if data and len(photos) < 10:
                code = np.frombuffer(data.read(), np.uint8)
                photo = cv2.imdecode(code, cv2.IMREAD_COLOR_RGB)
                assert photo is not None
                photos.append(cv2.resize(photo, (32, 32))[None])
    return np.array(photos)


@pytest.mark.slow
def test_a_converted_run_is_compact_and_computes_the_same(
    small_run, photos, draw_square
):
    compacted = (small_run / "int8" / INT8_FILE).read_bytes()
    assert compact(compacted) == compacted
    names = [t.name for t in decode(compacted).main.tensors]
    assert any("depthwise" in name for name in names)
    # As the converter had written it: nothing is shared.
    writer = ModelWriter()
    writer.model = schema.ModelT.InitFromPackedBuf(restore_names(compacted))
    (writer.graph,) = writer.model.subgraphs
    whole = writer.content(*writer.graph.outputs)
    assert len(split_archive(compacted)[0]) < 0.8 * len(whole)
    rng = np.random.default_rng(0)
    squares = [draw_square(rng, label)[None] for label in range(3)]
    images = [*photos, *squares]
    for kernels in KERNELS:
        outputs = run(compacted, kernels, images)
        assert outputs == run(whole, kernels, images)
        assert len(set(outputs)) > 1
    if platform.machine() == "x86_64":
        assert run_micro(compacted, images) == run_micro(whole, images)


def test_vela_compiles_the_compacted_file_to_the_same_cycles(tmp_path):
    content = write_wide()
    assert compile_by_vela(compact(content), tmp_path / "after") == compile_by_vela(
        content, tmp_path / "before"
    )


def compile_by_vela(content, folder):
    """Returns the figures that Vela estimates for an Ethos-U55."""
    folder.mkdir()
    path = folder / "model.tflite"
    path.write_bytes(content)
    options = ["--accelerator-config=ethos-u55-128", f"--output-dir={folder}"]
    done = subprocess.run(
        [sys.executable, "-m", "ethosu.vela", *options, path],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (summary,) = folder.glob("*_summary_*.csv")
    header, figures = summary.read_text().splitlines()
    return dict(zip(header.split(","), figures.split(","), strict=True))


def test_equal_vectors_are_shared_and_constants_aligned():
    content = compact(write_wide())
    # 24 zero points of 8 bytes are there once, not six times; scales do not repeat.
    assert len(write_wide()) - len(content) > 5 * 24 * 8
    starts = [t.span(0)[0] for t in Flatbuffer(content).root().tables(4)]
    assert any(starts) and {start % 16 for start in starts} == {0}


def test_a_custom_operator_stays_byte_for_byte():
    after = read(compact(write_wide(custom=True)))
    assert after["subgraphs"][0]["operators"][-1]["customOptions"] == list(range(37))


def test_manifest_and_other_files_stay_behind_the_names():
    content = attach_manifest(append_archive(write_wide(), {"x.txt": b"x"}), MANIFEST)
    before, after = split_archive(content)[1], split_archive(compact(content))[1]
    assert list(after) == [NAMES_FILE, "x.txt", LABELS_NAME, MANIFEST_NAME]
    after.pop(NAMES_FILE)
    assert after == before
    # A new manifest leaves the names, and vectors stay shared.
    other = attach_manifest(compact(content), MANIFEST._replace(version="2"))
    assert read_names(other) == read_names(compact(content))
    assert len(other) == len(compact(content))


def test_the_archive_is_not_compressed(write_file):
    """MediaPipe reads no file of an archive in which one is compressed."""
    path = write_file(compact(attach_manifest(write_wide(), MANIFEST)))
    with zipfile.ZipFile(path) as archive:
        kinds = {entry.compress_type for entry in archive.infolist()}
        assert kinds == {zipfile.ZIP_STORED}
        (names,) = json.loads(gzip.decompress(archive.read(NAMES_FILE)))
    # Not those of the input and of the output.
    assert names == ["", *(f"tensor_{n}" for n in range(1, 9)), ""]


def test_a_truncated_model_has_its_names():
    first = decode(truncate(compact(write_wide()), 2)).main
    assert [t.name for t in first.outputs] == ["tensor_6"]
    assert [t.name for t in first.operators[0].written] == ["tensor_3"]


def test_names_of_tensors_that_were_added_later_are_moved_too():
    """As `corallite teach` appends a head to a compacted file."""
    model, files = split_archive(compact(write_wide()))
    changed = schema.ModelT.InitFromPackedBuf(model)
    tensor = schema.TensorT()
    tensor.name = b"added"
    changed.subgraphs[0].tensors.append(tensor)
    writer = ModelWriter()
    writer.model, writer.graph = changed, changed.subgraphs[0]
    content = append_archive(writer.content(9), files)
    for each in (content, compact(content)):
        names = [t.name for t in decode(each).main.tensors]
        assert names == ["input_0", *(f"tensor_{n}" for n in range(1, 10)), "added"]


DAMAGED_NAMES = {
    "not compressed": b'[["a"]]',
    "cut short": gzip.compress(b'[["a"]]')[:-3],
    "not JSON": gzip.compress(b"[["),
    "not UTF-8": gzip.compress(b'[["\xe9"]]'),
    "a number": gzip.compress(b"[[1]]"),
    "no list": gzip.compress(b'{"a": 1}'),
    "a bomb": gzip.compress(bytes(64 << 20)),
    "nested": gzip.compress(b"[" * 100_000),
    "half a character": gzip.compress(b'[["\\ud800"]]'),
    "a name of a megabyte": gzip.compress(b'[["%s"]]' % (b"a" * (1 << 20))),
}


@pytest.mark.parametrize("kind", DAMAGED_NAMES)
def test_damaged_names_are_ignored_by_the_reader_and_refused_otherwise(kind):
    model, _ = split_archive(compact(write_wide()))
    content = append_archive(model, {NAMES_FILE: DAMAGED_NAMES[kind]})
    assert {t.name for t in decode(content).main.tensors} == {
        "input_0",
        "",
        "tensor_9",
    }
    with pytest.raises(ValueError, match=f"Expected {NAMES_FILE} .* to be intact"):
        compact(content)


def test_names_of_more_tensors_and_graphs_than_there_are_do_no_harm():
    model, _ = split_archive(compact(write_wide()))
    names = json.dumps([["x"] * 1000, ["y"]] * 1000).encode()
    content = append_archive(model, {NAMES_FILE: gzip.compress(names)})
    assert decode(content).main.tensors[1].name == "x"
    assert len(read_names(compact(content))[0]) == 10


def test_constants_that_overlap_are_refused():
    """Each would be written in full: a small file would become gigabytes."""
    builder = flatbuffers.Builder()
    # Every word is the length of a vector that begins there.
    words = builder.CreateNumpyVector(np.full(1000, 3000, "<u4"))
    tables = []
    for number in range(1, 101):
        builder.StartObject(1)
        builder.PrependUOffsetTRelativeSlot(0, words - 4 * number, 0)
        tables.append(builder.EndObject())
    builder.StartVector(4, len(tables), 4)
    for table in tables:
        builder.PrependUOffsetTRelative(table)
    buffers = builder.EndVector()
    builder.StartObject(5)
    builder.PrependUOffsetTRelativeSlot(4, buffers, 0)
    builder.Finish(builder.EndObject(), b"TFL3")
    with pytest.raises(ValueError, match="constants or names overlap"):
        compact(bytes(builder.Output()))
