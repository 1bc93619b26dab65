"""A model that serves, in this process or in its own."""

import contextlib
import subprocess
import sys
import threading
import time

import httpx
import pytest
from fastapi.testclient import TestClient

from corallite.device.classifier import Classifier
from corallite.device.manifest import Manifest, attach_manifest
from corallite.device.preprocess import Preprocessing
from corallite.device.serve.access import Access
from corallite.device.serve.app import create_app
from corallite.device.serve.metrics import Metrics
from corallite.device.serve.refusal import Limits
from corallite.device.serve.service import Service
from corallite.device.serve.sharing import FairLock, Share

MANIFEST = Manifest("tiny", "1", ("red", "green", "blue"), Preprocessing((32, 32)))
LIMIT_S = 60


@pytest.fixture(scope="session")
def model(tiny_models, tmp_path_factory):
    """A model file that says which of red, green and blue an image has most of."""
    path = tmp_path_factory.mktemp("serve") / "model.tflite"
    path.write_bytes(attach_manifest(tiny_models["uint8"].read_bytes(), MANIFEST))
    return path


@pytest.fixture
def make_client(model):
    """A function that returns a client of an application: (limits, access)."""
    with contextlib.ExitStack() as stack:

        def make(limits=None, access=None, camera=None, engine=None, pace=None):
            share = Share(engine or Classifier(model), FairLock())
            stop = threading.Event()
            service = Service(share, camera, limits or Limits(), stop, pace)
            stack.callback(service.close)
            stack.callback(stop.set)
            app = create_app(service, access or Access(), Metrics())
            client = TestClient(app, raise_server_exceptions=False)
            return stack.enter_context(client)

        yield make


class Served:
    """A `corallite serve` of its own; `log` has what it wrote so far."""

    def __init__(self, process, log_path):
        self.process = process
        self.log_path = log_path
        deadline_s = time.monotonic() + LIMIT_S
        while "Listening on " not in self.log:
            assert process.poll() is None and time.monotonic() < deadline_s, self.log
            time.sleep(0.02)
        self.url = self.log.split("Listening on ")[1].split("/\n")[0]

    @property
    def log(self):
        return self.log_path.read_text()

    def state(self):
        return httpx.get(f"{self.url}/v1/state").json()


@pytest.fixture
def serve(model, tmp_path):
    """A function that starts the program; what still runs in the end is killed."""
    with contextlib.ExitStack() as stack:

        def start(*flags):
            log_path = tmp_path / "log"
            log = stack.enter_context(log_path.open("w"))
            command = [sys.executable, "-m", "corallite.device.serve_main"]
            process = subprocess.Popen(
                [*command, f"--model={model}", "--port=0", *flags], stderr=log
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return Served(process, log_path)

        yield start
