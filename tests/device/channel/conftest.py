"""A channel on a server of this machine, whose answers a test can falsify."""

import functools
import http.server
import shutil
import threading

import pytest

from corallite.convert.publish import change
from corallite.device.channel.poll import poll
from corallite.device.channel.question import Question
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest

MANIFEST = Manifest.of_classifier(
    "tiny", "1", ("red", "green", "blue"), Preprocessing((32, 32))
)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.answers = {}
        self.requests = []


class Handler(http.server.SimpleHTTPRequestHandler):
    server: Server

    def log_message(self, *_):
        """Stays silent."""

    def do_GET(self):  # noqa: N802 - the name that http.server calls.
        self.server.requests.append(self.path)
        for part, answer in self.server.answers.items():
            if part in self.path:
                answer(self)
                return
        super().do_GET()


class Channel:
    """A published channel.

    Attributes:
        folder: What is uploaded.
        keys: The private keys.
        answers: Functions that answer a request with a handler of `http.server`, by a
            part of the path.
        requests: The paths that were requested.
    """

    def __init__(self, folder, make_model):
        self.folder, self.keys = folder / "public", folder / "keys"
        self.folder.mkdir()
        self.make_model = make_model
        handler = functools.partial(Handler, directory=str(self.folder))
        self.server = Server(("127.0.0.1", 0), handler)
        self.answers, self.requests = self.server.answers, self.server.requests
        threading.Thread(
            target=self.server.serve_forever, args=(0.02,), daemon=True
        ).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/channel.json"

    def publish(self, version, **options):
        """Publishes the model with this version; returns the release."""
        model = self.make_model(version)
        return change.publish(model, self.folder, self.keys, **options).release

    def clear(self):
        """Removes all of it, as who can write to the server may do."""
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Device:
    """A device that polls, without a model that runs.

    Attributes:
        folder: What it keeps of the channel.
        asks: The fields of its next question.
    """

    def __init__(self, folder, url):
        self.folder = folder
        self.asks = {
            **{"url": url, "folder": str(folder), "device": "one"},
            **{"version": "1.0", "refused": {}, "current": "", "parent": 0},
        }

    def poll(self, **changes):
        return poll(Question(**{**self.asks, **changes}))


@pytest.fixture(scope="session")
def make_model(tiny_models, tmp_path_factory):
    """A function that returns the path of a model with a version and labels."""
    folder = tmp_path_factory.mktemp("published")

    def make(version, manifest=MANIFEST):
        path = folder / f"{version}.tflite"
        content = tiny_models["uint8"].read_bytes()
        path.write_bytes(attach_manifest(content, manifest._replace(version=version)))
        return path

    return make


@pytest.fixture
def channel(tmp_path, make_model):
    channel = Channel(tmp_path, make_model)
    yield channel
    channel.close()


@pytest.fixture
def device(tmp_path, channel):
    return Device(tmp_path / "device", channel.url)
