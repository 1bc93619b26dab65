"""A running engine that follows a channel: new models, bad ones, restarts."""

import contextlib
import json
import shutil
import threading

import numpy as np
import pytest

from corallite.convert.publish import change
from corallite.device.channel.follow import open_reloading
from corallite.device.engine.open_model import ModelRequest
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.system.errors import RequestError

MANIFEST = Manifest.of_classifier(
    "tiny", "1", ("red", "green", "blue"), Preprocessing((32, 32))
)
RED = np.full((48, 64, 3), (255, 0, 0), np.uint8)


class Loop:
    """A loop that classifies one image again and again, as that of a camera does."""

    def __init__(self, url, **options):
        self.images = 0
        self.stack = contextlib.ExitStack()
        opened = open_reloading(ModelRequest(url), **options)
        self.engine, self.ask_to_poll = self.stack.enter_context(opened)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        self.engine.start()

    def run(self):
        while not self.ended.wait(0.002):
            self.engine.classify(RED)
            self.images += 1

    @property
    def state(self):
        return self.engine.status().channel_state

    @property
    def model(self):
        """The version of the model in use, and the number of its release."""
        return self.engine.manifest.version, self.engine.status().channel_version

    def close(self):
        self.ended.set()
        self.thread.join()
        self.stack.close()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where the device keeps what it gets."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    return tmp_path / "state" / "corallite" / "channels"


@pytest.fixture
def run(channel):
    """A function that starts a loop."""
    loops = []

    def run(**options):
        loops.append(Loop(channel.url, **options))
        return loops[-1]

    yield run
    for loop in loops:
        loop.close()


def publish_damaged(channel, monkeypatch, make_model, version="bad"):
    """Publishes a file that no runtime can load; `publish` itself would refuse it."""
    content = bytearray(make_model(version).read_bytes())
    content[8:200] = bytes(192)
    with monkeypatch.context() as patched:
        patched.setattr(change, "_read_files", lambda model: [bytes(content)])
        return channel.publish(version)


def test_new_model_replaces_the_running_one(channel, run, wait_until):
    channel.publish("1")
    loop = run()
    assert loop.model == ("1", "1") and loop.state == "current"
    channel.publish("2")
    loop.ask_to_poll()
    wait_until(lambda: loop.model == ("2", "2"))
    wait_until(lambda: loop.state == "current")
    assert loop.engine.status().swaps == 1


def test_damaged_model_is_refused_once_and_the_former_one_continues(
    channel, run, wait_until, monkeypatch, make_model, folder
):
    channel.publish("1")
    loop = run()
    publish_damaged(channel, monkeypatch, make_model)
    loop.ask_to_poll()
    wait_until(lambda: loop.state == "refused")
    assert loop.model == ("1", "1")
    status = loop.engine.status()
    assert status.channel_latest == "2" and status.swaps == 0
    assert "release 2 is not used here: is damaged" in status.channel_reason
    channel.requests.clear()
    loop.ask_to_poll()
    wait_until(lambda: "/metadata/timestamp.json" in channel.requests)
    loop.close()
    assert not any("targets/" in path for path in channel.requests)
    (record,) = folder.glob("*/record.json")
    assert json.loads(record.read_text())["current"]["number"] == 1


def test_former_model_published_again_ends_a_bad_release(
    channel, run, wait_until, monkeypatch, make_model
):
    channel.publish("1")
    loop = run()
    publish_damaged(channel, monkeypatch, make_model)
    loop.ask_to_poll()
    wait_until(lambda: loop.state == "refused")
    channel.publish("1")
    loop.ask_to_poll()
    wait_until(lambda: loop.state == "current")
    # The same content: nothing is loaded again.
    assert loop.model == ("1", "3") and loop.engine.status().swaps == 0


def test_device_starts_without_a_network_with_the_model_it_has(channel, run):
    channel.publish("1")
    run().close()
    channel.close()
    loop = run()
    assert loop.model == ("1", "1")


def test_device_without_a_model_and_a_network_is_refused_in_one_sentence(channel, run):
    channel.close()
    with pytest.raises(RequestError, match="no model for this device .*refused.*start"):
        run()


def test_first_model_that_does_not_run_is_refused_until_another_is_published(
    channel, run, monkeypatch, make_model
):
    publish_damaged(channel, monkeypatch, make_model)
    for _ in range(2):
        with pytest.raises(RequestError, match="release 1 cannot be used .*is damaged"):
            run()
    channel.publish("2")
    assert run().model == ("2", "2")


def test_model_damaged_on_the_disk_is_downloaded_again(channel, run, folder):
    channel.publish("1")
    run().close()
    (model,) = folder.glob("*/models/*/model.tflite")
    model.write_bytes(b"torn")
    assert run().model == ("1", "1")


def test_program_that_ended_during_a_trial_starts_with_the_former_model(
    channel, run, folder, wait_until
):
    channel.publish("1")
    run().close()
    channel.publish("2")
    loop = run()
    loop.ask_to_poll()
    wait_until(lambda: loop.model == ("2", "2"))
    loop.close()
    (path,) = folder.glob("*/record.json")
    record = json.loads(path.read_text())
    # As a process leaves it that was killed.
    record["pending"], record["current"] = record["current"], record["former"]
    record["trials"] = {record["pending"]["digest"]: 1}
    path.write_text(json.dumps(record))
    loop = run()
    assert loop.model == ("1", "1") and loop.state == "rolled_back"
    loop.ask_to_poll()
    wait_until(lambda: loop.model == ("2", "2"))
    loop.close()
    # The third time, it is because of the model.
    record["trials"] = {record["pending"]["digest"]: 3}
    path.write_text(json.dumps(record))
    loop = run()
    loop.ask_to_poll()
    wait_until(lambda: loop.state == "refused")
    assert loop.model == ("1", "1")


def test_server_that_hangs_does_not_hold_the_loop(channel, run, wait_until):
    channel.publish("1")
    loop = run()
    is_over = threading.Event()
    channel.answers["timestamp.json"] = lambda handler: is_over.wait(60)
    try:
        loop.ask_to_poll()
        wait_until(lambda: "/metadata/timestamp.json" in channel.requests[-1:])
        before = loop.images
        wait_until(lambda: loop.images > before + 100)
    finally:
        is_over.set()
    assert loop.model == ("1", "1") and loop.state == "current"


def test_second_process_uses_the_model_and_does_not_poll(channel, run):
    channel.publish("1")
    run()
    channel.requests.clear()
    second = run()
    assert second.state == "shared" and second.engine.manifest.version == "1"
    assert not channel.requests


def test_model_for_the_edgetpu_comes_with_its_cpu_fallback(
    channel, run, wait_until, edgetpu, make_model, folder
):
    channel.publish("1")
    loop = run()
    fallback = make_model("2")
    compiled = fallback.with_name("2_edgetpu.tflite")
    content = edgetpu.compile(fallback.read_bytes(), MANIFEST._replace(version="2"))
    compiled.write_bytes(content)
    alone = shutil.copy(compiled, fallback.with_name("alone_edgetpu.tflite"))
    with pytest.raises(RequestError, match="is compiled for the Edge TPU; put"):
        change.publish(alone, channel.folder, channel.keys)
    change.publish(compiled, channel.folder, channel.keys)
    loop.ask_to_poll()
    wait_until(lambda: loop.model == ("2", "2") and loop.state == "current")
    (current,) = folder.glob("*/current")
    assert (current / "model.tflite").read_bytes() == content
    assert (current / "cpu.tflite").read_bytes() == fallback.read_bytes()
    # And back to a file for the CPU alone.
    channel.publish("3")
    loop.ask_to_poll()
    wait_until(lambda: loop.model == ("3", "3") and loop.state == "current")


def test_cpu_fallback_of_the_device_is_refused_with_a_channel(channel):
    request = ModelRequest(channel.url)
    with (
        pytest.raises(RequestError, match="--cpu_model: .* is a channel"),
        open_reloading(request._replace(cpu_path="cpu.tflite")),
    ):
        pass


def test_root_without_a_channel_is_refused(make_model):
    request = ModelRequest(str(make_model("1")))
    with (
        pytest.raises(RequestError, match="--channel_root: is for a channel"),
        open_reloading(request, "root.json"),
    ):
        pass
