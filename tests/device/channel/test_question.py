"""The process that polls, as the one that follows a channel starts it."""

import os
import threading

from corallite.device.channel.question import Question, ask
from corallite.device.channel.store import Store


def question_of(device, **changes):
    return Question(**{**device.asks, "parent": os.getpid(), **changes})


def test_another_process_brings_the_model(channel, device, make_model):
    channel.publish("1")
    reply = ask(question_of(device))
    assert reply[:4] == ("current", "", 1, 1)
    model = Store(device.folder).folder_of(reply.digest) / "model.tflite"
    assert model.read_bytes() == make_model("1").read_bytes()
    # Nothing of the download is left beside it.
    assert not [x for x in device.folder.rglob("*") if x.name.startswith((".", "tmp"))]


def test_process_that_takes_too_long_is_killed(channel, device):
    is_over = threading.Event()

    def trickle(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        while not is_over.wait(0.05):
            handler.wfile.write(b" ")

    channel.publish("1")
    channel.answers["/channel.json"] = trickle
    try:
        reply = ask(question_of(device), limit_s=2.0)
    finally:
        is_over.set()
    assert reply.state == "unreachable" and "no result in 2 s" in reply.reason


def test_folder_that_cannot_be_written_is_named(channel, device, tmp_path):
    (tmp_path / "file").touch()
    reply = ask(question_of(device, folder=str(tmp_path / "file" / "folder")))
    assert reply.state == "failed" and "Not a directory" in reply.reason
