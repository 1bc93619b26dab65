"""Messages through a real broker, which is killed and restarted."""

import contextlib
import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from corallite.device.engine.base import Status
from corallite.device.engine.classifier import Prediction
from corallite.device.loop.classify_frames import Result
from corallite.device.outputs.mqtt import Address, Mqtt, parse_address
from corallite.device.system.errors import RequestError

paho = pytest.importorskip("paho.mqtt.client")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
MOSQUITTO = shutil.which("mosquitto", path=PATH)
needs_broker = pytest.mark.skipif(not MOSQUITTO, reason="needs mosquitto")


class Broker:
    """A mosquitto on a fixed port; a restart loses its messages."""

    def __init__(self, folder, extra=""):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.config = folder / "mosquitto.conf"
        listener = f"listener {self.port} 127.0.0.1\n"
        # As root, mosquitto would switch to a user who cannot read the folder.
        settings = f"user root\n{listener}{extra or 'allow_anonymous true'}\n"
        self.config.write_text(settings)
        self.process = None

    def start(self):
        command = [str(MOSQUITTO), "-c", str(self.config)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline_s = time.monotonic() + 60
        while time.monotonic() < deadline_s:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            time.sleep(0.02)
        raise TimeoutError("mosquitto does not start")

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def broker(tmp_path):
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def subscribe():
    """A function that returns a queue of (topic, text, is retained)."""
    clients = []

    def subscribe(port):
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        messages: queue.Queue = queue.Queue()
        is_subscribed = threading.Event()

        def take(client, data, message):
            messages.put((message.topic, message.payload.decode(), message.retain))

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


def see(sink, label, frame=0, **fields):
    sink.put(Result(frame, 0.0, "x", [Prediction(label, 0.9)], label, 1.0, **fields))


def frame_numbers(messages, count):
    """Waits for so many results; returns their frame numbers."""
    found: list[int] = []
    while len(found) < count:
        topic, text, _ = messages.get(timeout=60)
        if topic == "home/cam":
            found.append(json.loads(text)["frame"])
    return found


@needs_broker
def test_changes_are_published_in_order_and_the_last_is_retained(
    broker, subscribe, wait_until
):
    messages = subscribe(broker.port)
    sink = Mqtt(Address("127.0.0.1", broker.port, "home/cam"))
    labels = ["cat", "cat", "dog", "dog", "dog", "cat"]
    for frame, label in enumerate(labels):
        see(sink, label, frame)
    assert frame_numbers(messages, 3) == [0, 2, 5]
    sink.close()
    retained = subscribe(broker.port)
    seen = {retained.get(timeout=60) for _ in range(2)}
    (state,) = [text for topic, text, _ in seen if topic == "home/cam"]
    assert json.loads(state)["top"] == [{"label": "cat", "probability": 0.9}]
    assert ("home/cam/status", "offline", True) in seen
    wait_until(lambda: "mqtt" not in [t.name for t in threading.enumerate()])


@needs_broker
def test_with_a_threshold_changes_of_active_labels_are_published(broker, subscribe):
    messages = subscribe(broker.port)
    sink = Mqtt(Address("127.0.0.1", broker.port, "home/cam"))
    for frame, active in enumerate([[], [], ["cat"], ["cat"], []]):
        see(sink, "dog", frame, active=active)
    assert frame_numbers(messages, 3) == [0, 2, 4]
    sink.close()


@needs_broker
def test_changes_of_the_channel_are_published(broker, subscribe):
    messages = subscribe(broker.port)
    status = Status("tiny", "1")
    address = Address("127.0.0.1", broker.port, "home/cam")
    sink = Mqtt(address, read_status=lambda: status)
    see(sink, "cat", 0)
    status = status._replace(channel_version="6", channel_state="trying")
    see(sink, "cat", 1)
    status = status._replace(channel_version="7", channel_state="current")
    see(sink, "cat", 2)
    see(sink, "cat", 3)
    found: list[dict] = []
    while len(found) < 3:
        topic, text, _ = messages.get(timeout=60)
        if topic == "home/cam":
            found.append(json.loads(text))
    assert [message["frame"] for message in found] == [0, 1, 2]
    sink.close()
    assert "channel_state" not in found[0]
    fields = {"channel_version": "7", "channel_latest": "", "channel_reason": ""}
    assert found[2].items() >= {**fields, "channel_state": "current"}.items()


@needs_broker
def test_changes_of_counts_are_published(broker, subscribe):
    messages = subscribe(broker.port)
    sink = Mqtt(Address("127.0.0.1", broker.port, "home/cam"))
    for frame, inside in enumerate([1, 1, 2, 2, 0]):
        counts = {"cat": {"inside": inside}}
        see(sink, "cat", frame, active=["cat"], boxes=[], counts=counts)
    assert frame_numbers(messages, 3) == [0, 2, 4]
    sink.close()


@needs_broker
def test_every_frame_is_published_on_request(broker, subscribe):
    messages = subscribe(broker.port)
    sink = Mqtt(Address("127.0.0.1", broker.port, "home/cam"), every_frame=True)
    for frame in range(20):
        see(sink, "cat", frame)
    assert frame_numbers(messages, 20) == list(range(20))
    sink.close()


@needs_broker
def test_restarted_broker_gets_the_newest_messages(broker, subscribe, caplog):
    sink = Mqtt(Address("127.0.0.1", broker.port, "home/cam"), every_frame=True)
    see(sink, "cat", 0)
    assert frame_numbers(subscribe(broker.port), 1) == [0]
    broker.kill()
    start_s = time.monotonic()
    for frame in range(1, 500):
        see(sink, "cat", frame)
    assert time.monotonic() - start_s < 60  # `put` never waits.
    broker.start()
    messages, seen = subscribe(broker.port), []
    while 499 not in seen:
        seen += frame_numbers(messages, 1)
    assert seen == sorted(seen) and sink.lost >= 390
    sink.close()
    assert "the connection is lost" in caplog.text


@needs_broker
def test_broker_publishes_offline_when_the_process_dies(broker, subscribe):
    messages = subscribe(broker.port)
    code = (
        "import sys, time; from corallite.device.outputs.mqtt import *\n"
        f"Mqtt(Address('127.0.0.1', {broker.port}, 'home/cam')); time.sleep(1000)"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    assert messages.get(timeout=60)[:2] == ("home/cam/status", "online")
    process.kill()
    process.wait()
    assert messages.get(timeout=60)[:2] == ("home/cam/status", "offline")


def test_port_without_tls_is_named(caplog, wait_until):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        sink = Mqtt(Address("127.0.0.1", port, "home/cam", is_encrypted=True))
        accepted, _ = listener.accept()
        with accepted:
            accepted.sendall(b"220 not a broker\r\n")
            wait_until(lambda: "TLS fails (" in caplog.text)
        sink.close()
    assert "check that the port is that of mqtts" in caplog.text


@needs_broker
def test_end_of_the_connection_is_named(broker, caplog, wait_until):
    caplog.set_level("INFO", "absl")
    sink = Mqtt(Address("127.0.0.1", broker.port, "home/cam"))
    wait_until(lambda: "connected." in caplog.text)
    broker.kill()
    wait_until(lambda: "the connection is lost (the broker closed it)" in caplog.text)
    sink.close()
    assert "Unspecified" not in caplog.text


@pytest.mark.parametrize("scheme", ["mqtt", "mqtts"])
def test_unreachable_broker_delays_nothing(tmp_path, caplog, wait_until, scheme):
    url = f"{scheme}://127.0.0.1:{Broker(tmp_path).port}"
    sink = Mqtt(parse_address(f"{url}/home/cam"))
    see(sink, "cat")
    reason = "cannot be reached (Connection refused); check the host, the port"
    wait_until(lambda: f"{url}: {reason}" in caplog.text)
    sink.close()
    assert "1 messages were not published." in caplog.text


@needs_broker
def test_wrong_password_is_logged_once(tmp_path, caplog, wait_until):
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    broker = Broker(tmp_path, f"allow_anonymous false\npassword_file {passwords}")
    broker.start()
    address = Address("127.0.0.1", broker.port, "home/cam", "me", "wrong")
    sink = Mqtt(address)
    # The second refusal comes after the end of the first connection.
    wait_until(lambda: "broker's settings. (2 so far)" in caplog.text)
    sink.close()
    broker.kill()
    refused = "refuses the connection (Not authorized); check the user name"
    assert caplog.text.count(refused) == 2 and "is lost" not in caplog.text
    assert "wrong" not in caplog.text and "wrong" not in repr(address)


@needs_broker
def test_encrypted_broker_needs_a_trusted_certificate(
    tmp_path, monkeypatch, subscribe, wait_until, caplog, certificate
):
    cert, key = certificate
    broker = Broker(tmp_path, f"allow_anonymous true\ncertfile {cert}")
    broker.config.write_text(f"{broker.config.read_text()}keyfile {key}\n")
    broker.start()
    address = Address("127.0.0.1", broker.port, "home/cam", is_encrypted=True)
    without_trust = Mqtt(address)
    wait_until(lambda: "its certificate is not trusted (self" in caplog.text)
    assert "signed certificate); set SSL_CERT_FILE to the file" in caplog.text
    without_trust.close()
    monkeypatch.setenv("SSL_CERT_FILE", cert)
    other_name = Mqtt(replace(address, host="localhost"))
    wait_until(lambda: "Hostname mismatch" in caplog.text)
    other_name.close()
    caplog.set_level("INFO", "absl")
    with_trust = Mqtt(address)
    wait_until(lambda: "connected." in caplog.text)
    with_trust.close()
    broker.kill()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://broker/a/b", Address("broker", 1883, "a/b")),
        ("mqtts://broker/a", Address("broker", 8883, "a", is_encrypted=True)),
        (
            "mqtt://me:p%40ss@10.0.0.2:1884/cam",
            Address("10.0.0.2", 1884, "cam", "me", "p@ss"),
        ),
    ],
)
def test_address_is_parsed(url, address):
    assert parse_address(url) == address


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        *((url, "is not a valid URL; write mqtt://USER") for url in ("broker/topic",)),
        ("http://broker/topic", "http://...: is not a valid URL; write mqtt://USER"),
        *((f"mqtt://broker{x}", "has no valid topic") for x in ("", "/", "/+", "/%23")),
        *((f"mqtt://{x}/a", "no valid host") for x in ("", "broker:0", "broker:x")),
        (f"mqtt://{'b' * 64}.local/a", "no valid host"),
        *((f"mqtt://broker/a#{x}", 'at its "#"; write "#" as %23') for x in "b "),
        *((f"mqtt://broker/a?{x}", 'with "?" as %3F') for x in ("", "u=secret")),
        ("mqtt://broker/\udcff", "cannot be printed"),
        (f"mqtt://broker/{'a' * 2**16}", "is longer than 32768 bytes"),
        ("mqtt://me:secret@broker/", "has no valid topic"),
        ("mqtt://me:secret#1@broker/a", 'write "#" as %23'),
        ("mqtt:/me:secret@broker/a", "is not a valid URL"),
        ("mqtt://me:%E9@broker/a", "is not UTF-8 text; MQTT"),
    ],
)
def test_invalid_address_is_refused(url, sentence):
    with pytest.raises(RequestError) as refused:
        parse_address(url)
    assert sentence in str(refused.value) and "secret" not in str(refused.value)
    assert str(refused.value).startswith("--mqtt")
