"""Messages through a real broker, which is killed and restarted."""

import json
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from mosquitto import Broker, needs_broker

from corallite.device.engine.classifier import Prediction
from corallite.device.loop.classify_frames import Result
from corallite.device.outputs.broker import Address, parse_address
from corallite.device.outputs.mqtt import Mqtt

pytest.importorskip("paho.mqtt.client")


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
def test_restarted_broker_gets_the_last_label_although_it_did_not_change(
    broker, subscribe
):
    sink = Mqtt(Address("127.0.0.1", broker.port, "home/cam"))
    see(sink, "cat", 7)
    assert frame_numbers(subscribe(broker.port), 1) == [7]
    broker.kill()
    see(sink, "cat", 8)
    broker.start()
    assert frame_numbers(subscribe(broker.port), 1) == [7]
    sink.close()


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
