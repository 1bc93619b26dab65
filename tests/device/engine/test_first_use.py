"""A file that crashes the runtime is one sentence, and a good one is tried once."""

import os

import pytest

from corallite.device.engine import first_use
from corallite.device.engine.open_model import ModelRequest, open_model
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest
from corallite.device.system import files
from corallite.device.system.errors import RequestError

MANIFEST = Manifest.of_classifier(
    "tiny", "1", ("red", "green", "blue"), Preprocessing((32, 32))
)
# The module of the runtime, as only the process of the trial finds it.
CRASH = "import ctypes; ctypes.string_at(0)"
HANG = "import time; time.sleep(1000)"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def path(tiny_models, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(attach_manifest(tiny_models["int8"].read_bytes(), MANIFEST))
    return path


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    """A function that replaces the runtime in the process of the trial."""

    def runtime(code):
        package = tmp_path / "packages" / "ai_edge_litert"
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").touch()
        (package / "interpreter.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(package.parent))

    return runtime


def test_a_crash_is_one_sentence_each_time(path, runtime):
    runtime(CRASH)
    message = (
        r"model\.tflite: cannot be run \(crashed with SIGSEGV\); copy or convert it "
        "again, or update the TFLite runtime"
    )
    for _ in range(2):
        with pytest.raises(RequestError, match=message):
            open_model(ModelRequest(str(path)))


def test_a_hang_is_one_sentence(path, runtime, monkeypatch):
    runtime(HANG)
    monkeypatch.setattr(first_use, "_LIMIT_S", 1.0)
    with pytest.raises(RequestError, match=r"cannot be run \(no result in 1 s\)"):
        open_model(ModelRequest(str(path)))


def test_a_good_file_is_tried_once(path, runtime, cache):
    open_model(ModelRequest(str(path)))
    (record,) = (cache / "corallite" / "tried_models").iterdir()
    assert record.stat().st_size == 0
    runtime(CRASH)  # It would crash if it was tried again.
    open_model(ModelRequest(str(path)))


def test_content_that_the_file_no_longer_has_is_not_remembered(path, cache):
    first_use.require_no_crash(path, path.read_bytes() + b"\0")
    assert not cache.exists()


def test_another_content_is_tried(path, runtime):
    open_model(ModelRequest(str(path)))
    runtime(CRASH)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(RequestError, match="crashed with SIGSEGV"):
        open_model(ModelRequest(str(path)))


def test_another_runtime_tries_it_again(path, runtime, monkeypatch):
    open_model(ModelRequest(str(path)))
    runtime(CRASH)
    find_spec = first_use.importlib.util.find_spec
    installed = find_spec("ai_edge_litert")
    assert installed and installed.origin
    updated = os.stat_result(
        [*os.stat(installed.origin)[:8], 1, 1], {"st_mtime_ns": 1, "st_mtime": 0.0}
    )
    stat = os.stat
    monkeypatch.setattr(
        os, "stat", lambda x, **y: updated if x == installed.origin else stat(x, **y)
    )
    with pytest.raises(RequestError, match="crashed with SIGSEGV"):
        open_model(ModelRequest(str(path)))


# The last as one that may not be entered, which the tests' user may be able to.
@pytest.mark.parametrize("home", ["/proc/nowhere", "relative", f"/{'x' * 300}"])
def test_without_a_cache_folder_it_is_tried_each_time(
    path, runtime, monkeypatch, home, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", home)
    open_model(ModelRequest(str(path)))
    assert not (tmp_path / "relative").exists()
    runtime(CRASH)
    with pytest.raises(RequestError, match="crashed with SIGSEGV"):
        open_model(ModelRequest(str(path)))


def test_other_faults_are_reported_when_the_file_is_loaded(path, cache):
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes(400) + content[500:])
    with pytest.raises(RequestError, match=r"model\.tflite"):
        open_model(ModelRequest(str(path)))
    assert not files.cache_folder().exists()
