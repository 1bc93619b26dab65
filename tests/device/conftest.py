"""Fakes of cameras and Edge TPUs, and a function that waits for a condition."""

import contextlib
import http.server
import io
import queue
import socket
import threading
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from mosquitto import MOSQUITTO, Broker

from corallite.device.model.write import attach_manifest

# Long enough for any machine: only a failing test waits this long.
LIMIT_S = 60


def wait_until(condition):
    deadline_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline_s, "the condition did not become true"
        time.sleep(0.005)


@pytest.fixture(name="wait_until")
def wait_until_fixture():
    """A function that returns as soon as a condition is true."""
    return wait_until


@pytest.fixture(scope="session")
def jpeg():
    """A function that encodes an image of one colour: jpeg((255, 0, 0), (48, 64))."""

    def encode(colour_rgb=(255, 0, 0), size_hw=(48, 64)):
        image_bgr = np.full((*size_hw, 3), colour_rgb[::-1], np.uint8)
        return cv2.imencode(".jpg", image_bgr)[1].tobytes()

    return encode


class CameraServer:
    """Sends `part` repeatedly, as a network camera does, always on the same port.

    Attributes:
        part: The bytes between two boundaries; None: it sends nothing.
        requests: The headers of each request so far.
    """

    content_type = "multipart/x-mixed-replace; boundary=frame"
    status = 200

    def __init__(self, part):
        self.part = part
        self.requests = []
        self.clients = []
        self.server = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/stream.mjpg"

    def start(self):
        camera = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802 - the name that http.server calls.
                camera.serve(self)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,)).start()

    def serve(self, handler):
        self.requests.append(dict(handler.headers))
        self.clients.append(handler.connection)
        handler.send_response(self.status)
        handler.send_header("Content-Type", self.content_type)
        handler.end_headers()
        head = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"
        with contextlib.suppress(OSError):
            while self.server:
                if self.part is not None:
                    handler.wfile.write(head + self.part + b"\r\n")
                time.sleep(0.01)

    def once(self, handler, body, content_type="image/jpeg", **headers):
        """Answers a request with one body, as the URL of a snapshot does."""
        self.requests.append(dict(handler.headers))
        handler.send_response(200)
        handler.send_header("Content-Type", content_type)
        headers.setdefault("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def kill(self):
        """Stops listening and closes all connections."""
        server, self.server = self.server, None
        if server is None:
            return
        server.shutdown()
        server.server_close()
        for client in self.clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        self.clients.clear()


@pytest.fixture
def camera_server(jpeg):
    """A network camera that shows red."""
    camera = CameraServer(jpeg())
    camera.start()
    yield camera
    camera.kill()


@pytest.fixture
def silent_server():
    """A listening socket that never sends anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture(scope="session")
def edgetpu_model():
    """A function that creates a file like one compiled for the Edge TPU.

    edgetpu_model(13, 14) has two compiled operators, which need these runtime versions,
    and one operator for the CPU.
    """
    return _edgetpu_model


def _edgetpu_package(runtime):
    """Returns the fields of a compiled operator that this package reads."""
    flatbuffers = pytest.importorskip("flatbuffers")
    builder = flatbuffers.Builder()
    builder.StartObject(8)
    builder.PrependInt32Slot(0, runtime, 0)
    builder.Finish(builder.EndObject(), file_identifier=b"DWN1")
    # The package is in a flexbuffer, after a key and its length.
    return b"4\0" + bytes(14) + bytes(builder.Output()) + bytes(9)


def _edgetpu_model(*runtimes):
    flatbuffers = pytest.importorskip("flatbuffers")
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    model = schema.ModelT()
    custom = schema.OperatorCodeT()
    custom.customCode = "edgetpu-custom-op"
    custom.builtinCode = schema.BuiltinOperator.CUSTOM
    model.operatorCodes = [schema.OperatorCodeT(), custom]
    graph = schema.SubGraphT()
    graph.operators = [schema.OperatorT()]
    for runtime in runtimes:
        operator = schema.OperatorT()
        operator.opcodeIndex = 1
        operator.customOptions = np.frombuffer(_edgetpu_package(runtime), np.uint8)
        graph.operators.append(operator)
    model.subgraphs = [graph]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


class EdgeTpu:
    """A fake Edge TPU, for the process that uses it."""

    def __init__(self, folder, make_model):
        self.folder = folder
        self.make_model = make_model
        (folder / "users").touch()
        self.mode = "works"

    @property
    def mode(self):
        """How the device behaves: see `edgetpu_standin/sitecustomize.py`."""
        return (self.folder / "mode").read_text()

    @mode.setter
    def mode(self, mode):
        partial = self.folder / "mode.partial"
        partial.write_text(mode)
        partial.rename(self.folder / "mode")

    @property
    def users(self):
        """The ids of the processes that have tried to open it, in order."""
        lines = (self.folder / "users").read_text().splitlines()
        return [int(line.split()[0]) for line in lines]

    def compile(self, model, manifest=None):
        """Returns the fake compiled file of a model."""
        content = io.BytesIO(self.make_model(14))
        with zipfile.ZipFile(content, "a") as archive:
            archive.writestr("standin.tflite", model)
        compiled = content.getvalue()
        return attach_manifest(compiled, manifest) if manifest else compiled


@pytest.fixture
def edgetpu(tmp_path, monkeypatch, edgetpu_model):
    """A fake Edge TPU that works, in its own process like a real one."""
    folder = tmp_path / "edgetpu"
    folder.mkdir()
    monkeypatch.setenv("EDGETPU_STANDIN", str(folder))
    monkeypatch.setenv(
        "PYTHONPATH", str(Path(__file__).parents[1] / "fixtures" / "edgetpu_standin")
    )
    device = EdgeTpu(folder, edgetpu_model)
    yield device
    # After the test has closed everything, no process may be left.
    deadline_s = time.monotonic() + LIMIT_S
    while any(Path(f"/proc/{user}").exists() for user in device.users):
        assert time.monotonic() < deadline_s, "a process is left over"
        time.sleep(0.01)


@pytest.fixture
def broker(tmp_path):
    """A broker that runs."""
    if not MOSQUITTO:
        pytest.skip("needs mosquitto")
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def subscribe():
    """A function that returns a queue of (topic, text, is retained)."""
    clients = []

    def subscribe(port):
        paho = pytest.importorskip("paho.mqtt.client")
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        messages: queue.Queue = queue.Queue()
        is_subscribed = threading.Event()

        def take(client, data, message):
            text = message.payload.decode("utf-8", "replace")
            messages.put((message.topic, text, message.retain))

        client.on_message = take
        client.on_connect = lambda client, *more: client.subscribe("#", 1)
        client.on_subscribe = lambda *more: is_subscribed.set()
        client.connect("127.0.0.1", port)
        client.loop_start()
        clients.append(client)
        assert is_subscribed.wait(60)
        return messages

    yield subscribe
    for client in clients:
        client.disconnect()
        client.loop_stop()
