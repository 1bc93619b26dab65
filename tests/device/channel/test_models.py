"""What a device keeps of a channel, whatever interrupts it."""

import json
from hashlib import sha256

import pytest

from corallite.device.channel.models import Models
from corallite.device.channel.record import Installed
from corallite.device.channel.release import digest_of
from corallite.device.system.errors import (
    ModelCrashError,
    ModelFaultError,
    RequestError,
)

VERSION = "1.0"


class Disk:
    """Opens the same folder again and again, as a program that restarts."""

    def __init__(self, folder):
        self.folder = folder
        self.opened = []

    def start(self, version=VERSION, root=None):
        models = Models(self.folder, version, root)
        models.own()
        self.opened.append(models)
        return models

    def kill(self):
        """Ends the last program without its `close`."""
        models = self.opened.pop()
        # As the kernel does: it frees the lock, and nothing else.
        models.give_up_trial = lambda: None
        models.close()


@pytest.fixture
def disk(tmp_path):
    disk = Disk(tmp_path / "channel")
    yield disk
    for models in disk.opened:
        models.close()


def fail(*arguments):
    raise OSError(28, "No space left on device")


def put(models, number, *contents):
    """Writes the files of a model, as a poll does; returns the model."""
    digest = digest_of(sha256(content).hexdigest() for content in contents)
    folder = models.store.folder_of(digest)
    folder.mkdir(parents=True, exist_ok=True)
    names = ("model.tflite", "cpu.tflite")
    for name, content in zip(names, contents, strict=False):
        (folder / name).write_bytes(content)
    return Installed(number, digest)


def run(models, model, error=None):
    assert models.install(model)
    models.end_trial(str(error or ""), error)


def test_accepted_model_is_in_use_after_a_restart(disk):
    models = disk.start()
    first = put(models, 1, b"first")
    run(models, first)
    disk.kill()
    again = disk.start()
    assert again.current == first and again.store.model.read_bytes() == b"first"


def test_refused_model_is_replaced_by_the_former_one_and_remembered(disk):
    models = disk.start()
    first = put(models, 1, b"first")
    run(models, first)
    second = put(models, 2, b"second")
    run(models, second, ModelFaultError("it is damaged"))
    assert models.store.model.read_bytes() == b"first"
    disk.kill()
    again = disk.start()
    assert again.current == first
    assert again.refusals() == {second.digest: "it is damaged"}


@pytest.mark.parametrize("error", [RequestError("a flag"), OSError("no memory"), None])
def test_model_that_fails_for_another_reason_is_tried_after_a_restart(disk, error):
    models = disk.start()
    first = put(models, 1, b"first")
    run(models, first)
    second = put(models, 2, b"second")
    models.install(second)
    models.end_trial("the Edge TPU is not ready", error)
    (why,) = models.refusals().values()
    assert why == "the Edge TPU is not ready; it is tried again after a restart"
    assert models.store.model.read_bytes() == b"first"
    disk.kill()
    assert disk.start().refusals() == {}


def test_model_that_crashes_in_three_trials_is_refused(disk):
    models = disk.start()
    run(models, put(models, 1, b"first"))
    for refused in (0, 0, 1):
        second = put(models, 2, b"second")
        run(models, second, ModelCrashError("crashed with SIGSEGV"))
        assert len(models.refusals()) == refused
    disk.kill()
    assert disk.start().refusals() == {
        second.digest: "crashed with SIGSEGV, in 3 trials"
    }


def test_later_corallite_tries_a_refused_model_again(disk):
    models = disk.start()
    run(models, put(models, 1, b"first"), ModelFaultError("it is damaged"))
    disk.kill()
    assert disk.start("1.1").refusals() == {}


def test_only_the_model_and_the_former_one_are_kept(disk):
    models = disk.start()
    for number in range(1, 6):
        run(models, put(models, number, b"%d" % number))
    folders = models.store.model.parent.parent / "models"
    assert sorted(x.read_bytes() for x in folders.glob("*/*")) == [b"4", b"5"]


def test_trial_that_a_stop_ends_is_not_counted(disk):
    models = disk.start()
    first = put(models, 1, b"first")
    run(models, first)
    second = put(models, 2, b"second")
    for _ in range(3):
        models.install(second)
        models.close()
        disk.opened.clear()
        models = disk.start()
        assert models.current == first and not models.unfinished
    assert models.refusals() == {}


def test_trials_that_a_crash_ends_are_counted(disk):
    models = disk.start()
    first = put(models, 1, b"first")
    run(models, first)
    second = put(models, 2, b"second")
    for refused in (set(), set(), {second.digest}):
        put(models, 2, b"second")
        models.install(second)
        disk.kill()
        models = disk.start()
        assert models.unfinished == 2 and models.current == first
        assert models.store.model.read_bytes() == b"first"
        assert set(models.refusals()) == refused


def test_power_cuts_while_a_tested_model_waits_for_an_image_do_not_count(disk):
    models = disk.start()
    run(models, put(models, 1, b"first"))
    second = put(models, 2, b"second")
    for _ in range(4):
        models.install(second)
        models.note_tested()
        disk.kill()
        models = disk.start()
        assert not models.unfinished and models.current.number == 1
    assert models.refusals() == {}


def test_installs_that_a_full_disk_fails_do_not_count(disk, monkeypatch):
    models = disk.start()
    first = put(models, 1, b"first")
    run(models, first)
    second = put(models, 2, b"second")
    for name in ("channel.record.write", "channel.store.os.replace"):
        for _ in range(4):
            with monkeypatch.context() as patched:
                patched.setattr(f"corallite.device.{name}", fail)
                with pytest.raises(OSError, match="No space"):
                    models.install(second)
            assert models.pending is None and models.current == first
    disk.kill()
    models = disk.start()
    assert not models.unfinished and models.refusals() == {}


@pytest.mark.parametrize("is_good", [True, False])
@pytest.mark.parametrize("writes", ["flush", "close"])
def test_result_that_could_not_be_written_is_written_later(
    disk, monkeypatch, is_good, writes
):
    models = disk.start()
    first = put(models, 1, b"first")
    run(models, first)
    second = put(models, 2, b"second")
    models.install(second)
    error = None if is_good else ModelFaultError("it is damaged")
    with monkeypatch.context() as patched:
        patched.setattr("corallite.device.channel.record.write", fail)
        with pytest.raises(OSError, match="No space"):
            models.end_trial(str(error or ""), error)
    assert models.current == (second if is_good else first)
    getattr(models, writes)()
    if writes == "close":
        disk.opened.clear()
    else:
        disk.kill()
    again = disk.start()
    assert not again.unfinished and again.current == (second if is_good else first)
    assert set(again.refusals()) == (set() if is_good else {second.digest})


def test_files_that_are_gone_are_not_installed(disk):
    models = disk.start()
    first = put(models, 1, b"first")
    run(models, first)
    assert not models.install(Installed(2, "2" * 64))
    assert models.pending is None and models.store.model.read_bytes() == b"first"


def test_model_is_not_used_under_another_root(disk):
    models = disk.start()
    run(models, put(models, 1, b"first"))
    models.store.pin_root(b"first contact")
    (models.store.folder / "metadata").mkdir()
    disk.kill()
    again = disk.start(root=b"given")
    assert again.is_trusted and again.current is None
    assert not again.store.model.exists()
    assert not (again.store.folder / "metadata").exists()
    run(again, put(again, 1, b"other"))
    disk.kill()
    # It stays trusted when the flag is left out, and when it is there again.
    for root in (None, b"given"):
        again = disk.start(root=root)
        assert again.store.read_root() == b"given" and again.current.number == 1
        disk.kill()


def test_second_process_reports_the_release_of_the_first(disk):
    models = disk.start()
    run(models, put(models, 1, b"first"))
    other = Models(disk.folder, VERSION)
    assert not other.own()
    second = put(models, 2, b"second")
    run(models, second)
    assert not other.own() and other.current == second
    other.close()


def test_damaged_model_is_replaced_by_the_former_one(disk):
    models = disk.start()
    first = put(models, 1, b"first")
    run(models, first)
    second = put(models, 2, b"second")
    run(models, second)
    models.store.model.write_bytes(b"sec")
    disk.kill()
    assert disk.start().current == first


def test_two_damaged_models_are_as_none(disk):
    models = disk.start()
    for number, content in enumerate((b"first", b"second"), start=1):
        model = put(models, number, content)
        run(models, model)
        (models.store.folder_of(model.digest) / "model.tflite").write_bytes(b"")
    disk.kill()
    again = disk.start()
    assert again.current is None and not again.store.model.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"current": 1}', "null"])
def test_damaged_record_costs_only_the_number_of_the_release(disk, text):
    models = disk.start()
    first = put(models, 1, b"first")
    run(models, first)
    disk.kill()
    (disk.folder / "record.json").write_text(text)
    again = disk.start()
    assert again.current == Installed(0, first.digest)
    assert again.store.model.read_bytes() == b"first"


def test_damaged_record_and_model_are_as_none(disk):
    models = disk.start()
    run(models, put(models, 1, b"first"))
    disk.kill()
    (disk.folder / "record.json").write_text("")
    models.store.model.write_bytes(b"torn")
    again = disk.start()
    assert again.current is None and not again.store.model.exists()


def test_digest_from_a_record_cannot_leave_the_folder(disk):
    models = disk.start()
    run(models, put(models, 1, b"first"))
    disk.kill()
    record = json.loads((disk.folder / "record.json").read_text())
    record["former"] = {"number": 1, "digest": "../../.."}
    record["current"] = None
    (disk.folder / "record.json").write_text(json.dumps(record))
    again = disk.start()
    assert again.current is not None and "." not in again.current.digest


def test_second_process_changes_nothing(disk):
    models = disk.start()
    first = put(models, 1, b"first")
    run(models, first)
    second = put(models, 2, b"second")
    models.install(second)
    other = Models(disk.folder, VERSION)
    assert not other.own() and other.pending is None
    other.end_trial("")
    other.close()
    models.end_trial("it is damaged", ModelFaultError())
    assert models.current == first


def test_fallback_belongs_to_the_content(disk):
    models = disk.start()
    model = put(models, 1, b"compiled", b"fallback")
    run(models, model)
    models.store.cpu_fallback.write_bytes(b"other")
    disk.kill()
    assert disk.start().current is None


def test_start_needs_no_free_space(disk, monkeypatch):
    models = disk.start()
    run(models, put(models, 1, b"first"))
    disk.kill()
    monkeypatch.setattr("corallite.device.channel.record.write", fail)
    assert disk.start().current is not None
