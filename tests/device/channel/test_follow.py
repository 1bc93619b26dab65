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


@pytest.mark.parametrize("is_service", [True, False])
def test_service_without_a_model_asks_again_before_it_exits(
    channel, run, monkeypatch, is_service
):
    channel.publish("1")
    if is_service:
        monkeypatch.setenv("NOTIFY_SOCKET", "/missing")
    pauses = "corallite.device.channel.follower._FIRST_PAUSES_S"
    monkeypatch.setattr(pauses, (0.01, 0.01))

    def fail_once(handler):
        channel.answers.clear()
        handler.send_error(503)

    channel.answers["/channel.json"] = fail_once
    if is_service:
        assert run().model == ("1", "1")
    else:
        with pytest.raises(RequestError, match="the server answers 503"):
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


def test_state_before_the_first_poll_is_its_own(channel, run):
    channel.publish("1")
    run().close()
    loop = run()
    assert loop.model == ("1", "1") and loop.state == "starting"


def test_polls_go_on_without_images_and_replace_a_withdrawn_release(
    channel, run, folder, wait_until
):
    """As with a dead camera."""
    channel.publish("1")
    loop = run()
    loop.ended.set()
    loop.thread.join()

    def is_offered(version):
        successor = loop.engine._models.other
        return successor is not None and successor.manifest.version == version

    for version in ("2", "3"):
        channel.publish(version)
        loop.ask_to_poll()
        wait_until(lambda number=version: is_offered(number))
        # One that was killed now would not count the trial.
        (path,) = folder.glob("*/record.json")
        wait_until(lambda path=path: not json.loads(path.read_text())["trials"])
        status = loop.engine.status()
        assert (status.channel_state, status.channel_latest) == ("trying", version)
        assert loop.model == ("1", "1")
    channel.publish("1")
    loop.ask_to_poll()
    wait_until(lambda: loop.state == "current")
    wait_until(lambda: not loop.engine.has_successor)
    assert loop.model == ("1", "4") and loop.engine.status().swaps == 0


def test_model_that_does_not_fit_the_flags_is_tried_after_a_restart(
    channel, run, wait_until, make_model
):
    channel.publish("1")
    loop = run()
    other = MANIFEST.with_classes(values="multilabel")
    change.publish(make_model("2", other), channel.folder, channel.keys)
    loop.ask_to_poll()
    wait_until(lambda: loop.state == "refused")
    reason = loop.engine.status().channel_reason
    assert "multi-label" in reason and "tried again after a restart" in reason
    channel.requests.clear()
    loop.ask_to_poll()
    wait_until(lambda: "/metadata/timestamp.json" in channel.requests)
    loop.close()
    loop = run()
    loop.ask_to_poll()
    wait_until(lambda: loop.state == "refused")


def test_model_that_crashes_is_tried_three_times(
    channel, run, wait_until, tmp_path, monkeypatch, caplog, make_model
):
    channel.publish("1")
    loop = run()
    package = tmp_path / "ai_edge_litert"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "interpreter.py").write_text("import ctypes; ctypes.string_at(0)")
    # `publish` would run it, and remember that it does not crash.
    contents = [make_model("crash of a channel").read_bytes()]
    with monkeypatch.context() as patched:
        patched.setattr(change, "_read_files", lambda model: contents)
        channel.publish("2")
        patched.setenv("PYTHONPATH", str(tmp_path))
        for state in ("rolled_back", "rolled_back", "refused"):
            caplog.clear()
            loop.ask_to_poll()
            wait_until(lambda: any("crashed" in x for x in caplog.messages))
            wait_until(lambda state=state: loop.state == state)
            (line,) = (x for x in caplog.messages if "crashed" in x)
            assert "crashed with SIGSEGV" in line
    assert loop.model == ("1", "1")


def test_second_process_names_the_release_of_the_first(channel, run, wait_until):
    channel.publish("1")
    loop, second = run(), run()
    channel.publish("2")
    loop.ask_to_poll()
    wait_until(lambda: loop.model == ("2", "2") and loop.state == "current")
    wait_until(lambda: second.engine.manifest.version == "2")
    second.ask_to_poll()
    wait_until(lambda: second.model == ("2", "2"))
    assert second.state == "shared"


def test_given_root_replaces_that_of_the_first_contact(
    channel, run, tmp_path, folder, make_model
):
    """The first contact led to somebody else."""
    mine = tmp_path / "mine"
    change.publish(make_model("1"), mine, tmp_path / "my keys")
    root = str(mine / "channel.json")
    channel.publish("2")
    run().close()
    with pytest.raises(RequestError, match="no model for this device .*were signed"):
        run(root=root)
    channel.clear()
    shutil.copytree(mine, channel.folder, dirs_exist_ok=True)
    loop = run(root=root)
    assert loop.model == ("1", "1") and loop.state == "current"
    loop.close()
    # It stays trusted without the flag.
    channel.clear()
    channel.publish("2")
    loop = run()
    loop.ask_to_poll()
    while loop.state == "starting":
        loop.ended.wait(0.05)
    assert loop.model == ("1", "1") and loop.state == "untrusted"


def test_other_root_than_that_of_a_running_program_is_refused(
    channel, run, tmp_path, make_model
):
    channel.publish("1")
    run()
    mine = tmp_path / "mine"
    change.publish(make_model("1"), mine, tmp_path / "my keys")
    with pytest.raises(RequestError, match="--channel_root: is not the root .*another"):
        run(root=str(mine / "channel.json"))
