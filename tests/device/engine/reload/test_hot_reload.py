"""A model file that is replaced while it runs, by good files and bad ones."""

import contextlib
import shutil
import threading

import numpy as np
import pytest

from corallite.device.engine.open_model import ModelRequest, open_model
from corallite.device.engine.reload.hot_reload import HotReload
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model import selftest
from corallite.device.model.manifest import Manifest, SelfTest
from corallite.device.model.write import attach_manifest
from corallite.device.system.errors import RequestError

MANIFEST = Manifest.of_classifier(
    "tiny", "1", ("red", "green", "blue"), Preprocessing((32, 32))
)
SECOND = MANIFEST._replace(version="2").with_classes(labels=("rot", "grün", "blau"))
RED = np.full((48, 64, 3), (255, 0, 0), np.uint8)
# In place of the product's second between two looks.
LOOK_S = 0.05


class Loop:
    """Asks about one image again and again, as the camera's loop does.

    Attributes:
        engine: What it asks.
        seen: The most probable label of each answer.
    """

    def __init__(self, engine):
        self.engine = engine
        self.seen = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ended.wait(0.002):
            answer = self.engine.classify(RED)
            assert len(answer) == len(self.engine.labels)
            self.seen.append(self.engine.labels[int(answer.argmax())])

    def end(self):
        self.ended.set()
        self.thread.join()


@pytest.fixture
def make(tiny_models):
    """A function that returns a model file's content."""
    return lambda manifest, kind="uint8": attach_manifest(
        tiny_models[kind].read_bytes(), manifest
    )


@pytest.fixture
def path(make, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(make(MANIFEST))
    return path


@pytest.fixture
def run(path):
    """A function that runs a loop on a file: run(), run("model_edgetpu.tflite")."""
    loops = []

    def run(name=None, **options):
        request = ModelRequest(str(path.with_name(name or path.name)), **options)
        engine = HotReload(request, look_s=LOOK_S)
        loops.append(Loop(engine))
        engine.start()
        return loops[-1]

    yield run
    for loop in loops:
        loop.end()
        loop.engine.close()
        assert not loop.engine._watcher.is_alive()


def test_replaced_file_takes_over_between_two_images(run, path, make, wait_until):
    loop = run()
    wait_until(lambda: loop.seen)
    assert loop.engine.status().version == "1" and loop.engine.status().swaps == 0
    new = path.with_name("new")
    new.write_bytes(make(SECOND, "int8"))
    new.rename(path)
    wait_until(lambda: loop.engine.status().swaps == 1)
    wait_until(lambda: loop.seen[-1] == "rot")
    # Every image had an answer, of the one model and then of the other.
    seen = loop.seen[:]
    assert seen == ["red"] * seen.count("red") + ["rot"] * seen.count("rot")
    status = loop.engine.status()
    assert (status.version, status.state, status.last_error) == ("2", "ready", "")
    assert loop.engine.manifest == SECOND


def test_first_model_is_awaited(path, make, wait_until):
    """As of `corallite serve --capture`, before a model was taught."""
    path.unlink()
    with pytest.raises(RequestError, match="cannot be read"):
        HotReload(ModelRequest(str(path)))
    request = ModelRequest(str(path), is_taught_later=True)
    with contextlib.closing(HotReload(request, look_s=LOOK_S)) as engine:
        engine.start()
        assert len(engine.classify(RED)) == 0
        assert engine.status().state == "untaught"
        path.write_bytes(make(SECOND))
        wait_until(lambda: len(engine.classify(RED)))
        wait_until(lambda: engine.status().swaps == 1)
        assert engine.labels == SECOND.labels
        # Then it is as any other: its labels may change.
        other = MANIFEST.with_classes(labels=("a", "b", "c"))
        path.write_bytes(make(other, "int8"))
        wait_until(lambda: len(engine.classify(RED)) and engine.labels == other.labels)


def test_copy_in_progress_waits_for_its_end(run, path, make, wait_until):
    loop = run()
    content = make(SECOND)
    # Into the file itself, as scp and cp do, while the former model runs from it.
    with path.open("r+b") as file:
        file.truncate()
        for start in range(0, len(content), 256):
            file.write(content[start : start + 256])
            file.flush()
            threading.Event().wait(LOOK_S / 5)
    wait_until(lambda: loop.engine.status().swaps == 1)
    assert loop.engine.status().version == "2"
    assert set(loop.seen) <= {"red", "rot"}


# Bad files, by what is reported about them.
BAD = {
    "is not a TFLite model": lambda make: b"milk and eggs" * 99,
    "no manifest": lambda make: make(SECOND)[:-300],
    "has 3 outputs but 2 labels": lambda make: make(
        SECOND.with_classes(labels=("a", "b"))
    ),
    "when the model was made": lambda make: make(
        SECOND._replace(selftest=SelfTest(1, 2, 0.99))
    ),
    "is multi-label": lambda make: make(SECOND.with_classes(values="multilabel")),
    "cannot be run": lambda make: make(SECOND)[:100] + bytes(400) + make(SECOND)[500:],
}


@pytest.mark.parametrize("reason", BAD)
def test_bad_file_is_not_used_and_reported_once(
    run, path, make, wait_until, caplog, reason
):
    loop = run()
    wait_until(lambda: loop.seen)
    path.write_bytes(BAD[reason](make))
    wait_until(lambda: loop.engine.status().last_error)
    error = loop.engine.status().last_error
    assert error.startswith(f"{path}: the new model is not used (")
    assert reason in error
    count = len(loop.seen)
    wait_until(lambda: len(loop.seen) > count + 50)
    assert set(loop.seen) == {"red"} and loop.engine.status().swaps == 0
    told = [record for record in caplog.records if "not used" in record.message]
    assert len(told) == 1
    # One that is sound after all takes over.
    path.write_bytes(make(SECOND))
    wait_until(lambda: loop.engine.status().swaps == 1)
    assert loop.engine.status().last_error == ""


def test_each_trial_is_reported_and_a_restored_file_is_not_tried(
    run, path, make, wait_until
):
    """As a channel needs it, which puts the former file back."""
    loop = run()
    tried = []

    def restore(reason, error):
        tried.append(reason)
        if reason:
            path.write_bytes(make(MANIFEST))
        return bool(reason)

    loop.engine.on_tried = restore
    path.write_bytes(b"milk and eggs" * 99)
    wait_until(lambda: tried)
    count = len(loop.seen)
    # Long enough for several looks.
    wait_until(lambda: len(loop.seen) > count + 300)
    path.write_bytes(make(SECOND))
    wait_until(lambda: len(tried) > 1)
    assert "is not a TFLite model" in tried[0] and tried[1:] == [""]
    assert loop.engine.status().swaps == 1


def test_offered_model_is_withdrawn_when_the_file_changes(path, make, wait_until):
    """As with a camera that sends no image for days."""
    tested, tried = [], []

    def note(reason, error):
        tried.append((reason, error))
        return False

    engine = HotReload(ModelRequest(str(path)), look_s=LOOK_S)
    with contextlib.closing(engine):
        engine.on_tested = lambda: tested.append(engine.has_successor)
        engine.on_tried = note
        engine.start()
        for version in ("2", "3"):
            path.write_bytes(make(SECOND._replace(version=version)))
            wait_until(lambda count=int(version) - 1: len(tested) == count)
            wait_until(lambda: engine.has_successor)
        assert tried == []
        engine.classify(RED)
        wait_until(lambda: tried == [("", None)])
        assert engine.status().version == "3" and engine.status().swaps == 1


def test_a_file_that_fails_its_self_test_does_not_start(path, make):
    path.write_bytes(make(MANIFEST._replace(selftest=SelfTest(1, 2, 0.99))))
    message = r"fails its self-test \(its probability for a test image is .*\); copy or"
    with pytest.raises(RequestError, match=message):
        HotReload(ModelRequest(str(path)))


def test_crash_of_the_runtime_in_the_trial_is_reported(
    run, path, make, wait_until, tmp_path, monkeypatch
):
    loop = run()
    package = tmp_path / "ai_edge_litert"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "interpreter.py").write_text("import ctypes; ctypes.string_at(0)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    # Of a content that no other test has tried.
    path.write_bytes(make(SECOND._replace(version="crash")))
    wait_until(lambda: loop.engine.status().last_error)
    assert "(crashed with SIGSEGV)" in loop.engine.status().last_error
    assert set(loop.seen) == {"red"}


def test_running_out_of_memory_in_a_swap_is_survived(
    run, path, make, wait_until, monkeypatch
):
    loop = run()

    def fail(request):
        raise OSError("Cannot allocate memory")

    monkeypatch.setattr("corallite.device.engine.reload.hot_reload.open_model", fail)
    path.write_bytes(make(SECOND))
    wait_until(lambda: loop.engine.status().last_error)
    assert "not used (Cannot allocate memory)" in loop.engine.status().last_error
    monkeypatch.undo()
    loop.engine.ask_to_swap()
    wait_until(lambda: loop.engine.status().swaps == 1)


def test_unchanged_file_is_tried_when_asked_for(run, path, wait_until):
    loop = run()
    loop.engine.ask_to_swap()
    wait_until(lambda: loop.engine.status().swaps == 1)
    assert set(loop.seen) == {"red"}


def test_deleted_file_does_no_harm_and_is_reported_when_asked(
    run, path, make, wait_until
):
    loop = run()
    path.unlink()
    loop.engine.ask_to_swap()
    wait_until(lambda: loop.engine.status().last_error)
    assert "cannot be read" in loop.engine.status().last_error
    path.write_bytes(make(SECOND))
    wait_until(lambda: loop.engine.status().version == "2")


def test_close_ends_a_swap_in_progress(run, path, make, monkeypatch):
    loop = run()
    started = threading.Event()

    def open_engine(request):
        started.set()
        return open_model(request)

    opener = "corallite.device.engine.reload.hot_reload.open_model"
    monkeypatch.setattr(opener, open_engine)
    path.write_bytes(make(SECOND))
    assert started.wait(60)
    # The loop stands still, so that nothing can take over.
    loop.end()
    loop.engine.close()


@pytest.fixture
def compiled(path, make, edgetpu):
    """A function that writes a model for the Edge TPU and its CPU fallback."""

    def compiled(manifest, kind="uint8", standin=None):
        content = make(manifest, kind)
        standin = content if standin is None else standin
        other = path.with_name("model_edgetpu.tflite")
        other.write_bytes(edgetpu.compile(standin, manifest))
        path.write_bytes(content)
        return other.name

    return compiled


def test_new_model_gets_the_edgetpu_of_the_former(compiled, run, edgetpu, wait_until):
    loop = run(compiled(MANIFEST), device="edgetpu")
    wait_until(lambda: loop.engine.status().device == "edgetpu")
    compiled(SECOND, "int8")
    wait_until(lambda: loop.engine.status().swaps == 1)
    status = loop.engine.status()
    assert (status.version, status.state) == ("2", "ready")
    wait_until(lambda: loop.engine.status().device == "edgetpu")
    assert set(loop.seen) == {"red", "rot"} and len(edgetpu.users) >= 2


def test_model_that_the_edgetpu_refuses_is_rolled_back(
    compiled, run, edgetpu, wait_until
):
    loop = run(compiled(MANIFEST), device="edgetpu")
    compiled(SECOND, standin=b"")
    # Not for any error: before it is rolled back, the new model reports its own.
    wait_until(lambda: "not used" in loop.engine.status().last_error)
    wait_until(lambda: loop.engine.status().state == "ready")
    status = loop.engine.status()
    assert (status.version, status.swaps, status.losses) == ("1", 0, 0)
    assert "the new model is not used (edgetpu: cannot be used (" in status.last_error
    count = len(loop.seen)
    wait_until(lambda: len(loop.seen) > count + 10)
    assert loop.seen[-1] == "red"


def test_model_is_swapped_while_the_edgetpu_is_lost(compiled, run, edgetpu, wait_until):
    edgetpu.mode = "absent"
    loop = run(compiled(MANIFEST), device="edgetpu")
    assert loop.engine.status().state == "lost"
    compiled(SECOND)
    wait_until(lambda: loop.engine.status().version == "2")
    edgetpu.mode = "works"
    wait_until(lambda: loop.engine.status().state == "ready")
    wait_until(lambda: loop.engine.status().swaps == 1)


def test_file_may_be_written_into_under_a_running_model(path, tmp_path):
    engine = open_model(ModelRequest(str(path)))
    before = selftest.ask(engine)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(b"\xff" * size)
    shutil.copy(path, tmp_path / "other")
    assert np.array_equal(selftest.ask(engine), before)
    path.write_bytes(b"")
    assert np.array_equal(selftest.ask(engine), before)
