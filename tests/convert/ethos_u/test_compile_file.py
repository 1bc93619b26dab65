"""Files that Vela compiles, and how its failures are reported."""

import sys

import pytest
from ai_edge_litert import schema_py_generated as schema

from corallite.convert.ethos_u import vela_program
from corallite.convert.ethos_u.compile_file import compile_file, name_tensors
from corallite.convert.ethos_u.result import ON_NPU
from corallite.convert.ethos_u.vela_program import Options
from corallite.convert.tflite.compact import NAMES_FILE, compact
from corallite.convert.tflite.reader import decode
from corallite.device.image.spec import Preprocessing
from corallite.device.model.archive import split_archive
from corallite.device.model.manifest import Manifest, read_manifest
from corallite.device.model.write import attach_manifest
from corallite.device.system.errors import RequestError

MANIFEST = Manifest.of_classifier("tiny", "1", ("a", "b"), Preprocessing((8, 8)))
UNSUPPORTED = "Unsupported opType"
STATUS = {0: ON_NPU, 1: UNSUPPORTED, 2: ON_NPU, 3: UNSUPPORTED, 4: UNSUPPORTED}


@pytest.fixture
def path(partly_mapped, write_file):
    pytest.importorskip("ethosu.vela")
    return write_file(partly_mapped.content(), "net.tflite")


def test_operators_are_on_the_npu_or_have_a_reason(path):
    made = compile_file(path)
    assert made.name == "net_vela.tflite"
    assert made.result.status == STATUS
    assert made.result.mapped == [0, 2] and made.result.subgraphs == 2
    assert made.result.estimate.cycles > 0
    names = [x.custom_code or x.name for x in decode(made.content).main.operators]
    assert names == ["ethos-u", "FLOOR", "ethos-u", "L2_NORMALIZATION", "Own"]
    assert [x.name for x in path.parent.iterdir()] == ["net.tflite"]


def test_manifest_is_put_back(path):
    described = compact(attach_manifest(path.read_bytes(), MANIFEST))
    assert NAMES_FILE in split_archive(described)[1]
    path.write_bytes(described)
    made = compile_file(path)
    assert made.result.status == STATUS
    assert read_manifest("net_vela.tflite", made.content) == MANIFEST
    assert NAMES_FILE not in split_archive(made.content)[1]


@pytest.mark.parametrize("name", [b"same", b""])
def test_names_that_tell_nothing_are_replaced(path, partly_mapped, name):
    for tensor in partly_mapped.graph.tensors:
        tensor.name = name
    path.write_bytes(partly_mapped.content())
    assert compile_file(path).result.status == STATUS


def test_only_repeated_inner_names_change(partly_mapped):
    content = partly_mapped.content()
    assert name_tensors(content) is content
    for tensor in partly_mapped.graph.tensors[:4]:
        tensor.name = b"same"
    changed = name_tensors(partly_mapped.content())
    tensors = schema.ModelT.InitFromPackedBuf(changed).subgraphs[0].tensors
    assert [x.name for x in tensors[:5]] == [
        *(b"same", b"same#1", b"same#2", b"same#3", b"tensor_4")
    ]


def test_compiled_file_is_not_compiled_again(path):
    path.write_bytes(compile_file(path).content)
    with pytest.raises(RequestError, match="net.tflite: is compiled already"):
        compile_file(path)


def test_wrong_memory_mode_is_named(path):
    options = Options(memory_mode="None")
    with pytest.raises(RequestError, match=r"\(Incorrect .*; check .*--memory_mode\."):
        compile_file(path, options)


def test_wrong_accelerator_is_refused(path):
    with pytest.raises(RequestError, match="ethos-u99: is not an accelerator of Vela"):
        compile_file(path, Options("ethos-u99"))


def test_missing_vela_is_one_sentence(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ethosu.vela.vela", None)
    with pytest.raises(RequestError, match="not installed .*pip install ethos-u-vela"):
        compile_file(path)


TABLES = """
open("model_vela.tflite", "w")
open("x_summary_x.csv", "w").write("cycles\\n1\\n")
open("x_per-layer.csv", "w")
"""


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import time; time.sleep(600)", "did not end in 2 s and was killed; raise"),
        ("import os; os.abort()", r"compile it \(crashed with SIGABRT\); convert"),
        ("exit('x.Error: \"Error: Bad thing.\"')", r"compile it \(Bad thing\); conv"),
        ("exit(3)", r"compile it \(it printed nothing\); convert"),
        ("print('Done.')", r"not compile the file \(Done\); convert"),
        (TABLES, "tables cannot be read .*, run: pip install ethos-u-vela=="),
    ],
)
def test_failure_is_one_sentence(path, monkeypatch, code, sentence):
    monkeypatch.setattr(vela_program, "_COMMAND", (sys.executable, "-c", code))
    with pytest.raises(RequestError, match=sentence):
        compile_file(path, Options(timeout_s=2.0 if "sleep" in code else 120.0))
