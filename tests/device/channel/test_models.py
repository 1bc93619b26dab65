"""What a device keeps of a channel, whatever interrupts it."""

import json
from hashlib import sha256

import pytest

from corallite.device.channel.models import Models
from corallite.device.channel.record import Installed
from corallite.device.channel.release import digest_of

VERSION = "1.0"


class Disk:
    """Opens the same folder again and again, as a program that restarts."""

    def __init__(self, folder):
        self.folder = folder
        self.opened = []

    def start(self, version=VERSION):
        models = Models(self.folder, version)
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


def put(models, number, *contents):
    """Writes the files of a model, as a poll does; returns the model."""
    digest = digest_of(sha256(content).hexdigest() for content in contents)
    folder = models.store.folder_of(digest)
    folder.mkdir(parents=True)
    names = ("model.tflite", "cpu.tflite")
    for name, content in zip(names, contents, strict=False):
        (folder / name).write_bytes(content)
    return Installed(number, digest)


def run(models, model, reason=""):
    models.install(model)
    models.end_trial(reason)


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
    run(models, second, "it crashed")
    assert models.store.model.read_bytes() == b"first"
    disk.kill()
    again = disk.start()
    assert again.current == first
    assert again.refusals() == {second.digest: "it crashed"}


def test_later_corallite_tries_a_refused_model_again(disk):
    models = disk.start()
    run(models, put(models, 1, b"first"), "an operator is unknown")
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
    for refused in (set(), {second.digest}):
        models.install(second)
        disk.kill()
        models = disk.start()
        assert models.unfinished == 2 and models.current == first
        assert models.store.model.read_bytes() == b"first"
        assert set(models.refusals()) == refused


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
def test_damaged_record_is_as_none(disk, text):
    models = disk.start()
    run(models, put(models, 1, b"first"))
    disk.kill()
    (disk.folder / "record.json").write_text(text)
    again = disk.start()
    assert again.current is None and not again.store.model.exists()


def test_digest_from_a_record_cannot_leave_the_folder(disk):
    models = disk.start()
    run(models, put(models, 1, b"first"))
    disk.kill()
    record = json.loads((disk.folder / "record.json").read_text())
    record["current"]["digest"] = "../../.."
    (disk.folder / "record.json").write_text(json.dumps(record))
    assert disk.start().current is None


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
    models.end_trial("it crashed")
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

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("corallite.device.channel.record.write", fail)
    assert disk.start().current is not None
