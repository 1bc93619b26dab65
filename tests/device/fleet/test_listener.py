"""Listening to a real broker."""

import re
import socket
import threading

import pytest
from mosquitto import Broker, needs_broker

from corallite.device.engine.untaught import Untaught
from corallite.device.fleet import devices
from corallite.device.fleet import listener as module
from corallite.device.fleet.listener import Listener
from corallite.device.outputs.broker import Address
from corallite.device.outputs.mqtt import Mqtt
from corallite.device.outputs.state import StateFeed
from corallite.device.system.errors import RequestError

mqtt_publish = pytest.importorskip("paho.mqtt.publish")


@pytest.fixture
def listen():
    """A function that returns a listener to home/+."""
    listeners = []

    def listen(port, **fields):
        listeners.append(Listener(Address("127.0.0.1", port, "home", **fields)))
        return listeners[-1]

    yield listen
    for listener in listeners:
        listener.close()


def publish(port, name):
    topic = f"home/{name}"
    feeds = [StateFeed(topic, Untaught())]
    return Mqtt(Address("127.0.0.1", port, topic), feeds=feeds)


def conditions(listener):
    return {device.name: device.condition.value for device in listener.list()}


@needs_broker
def test_devices_come_and_go(broker, listen, wait_until):
    before = listen(broker.port)
    assert before.list() == []
    sinks = [publish(broker.port, name) for name in ("door", "gate")]
    wait_until(lambda: conditions(before) == {"door": "online", "gate": "online"})
    after = listen(broker.port)
    assert conditions(after) == conditions(before)
    sinks[0].close()
    wait_until(lambda: conditions(before)["door"] == "lost")
    wait_until(lambda: conditions(after)["door"] == "lost")
    sinks[1].close()


@needs_broker
def test_removal_that_the_broker_denies_is_an_error(tmp_path, listen, monkeypatch):
    rules = tmp_path / "rules"
    rules.write_text(
        "topic read home/#\ntopic readwrite home/+/status\n"
        "user camera\ntopic readwrite home/#\n"
    )
    broker = Broker(tmp_path, f"allow_anonymous true\nacl_file {rules}")
    broker.start()
    publish_state(broker.port, "door", auth={"username": "camera"})
    listener = listen(broker.port)
    monkeypatch.setattr(module, "_TIMEOUT_S", 1.0)
    with pytest.raises(RequestError, match="did not remove the device; check that"):
        listener.remove(listener.list()[0])
    broker.kill()


def publish_state(port, name, **more):
    topic, payload = f"home/{name}/state", '{"corallite": "1"}'
    mqtt_publish.single(topic, payload, retain=True, port=port, **more)


@needs_broker
def test_devices_that_are_left_out_are_counted(broker, listen, monkeypatch):
    monkeypatch.setattr(devices, "MOST_DEVICES", 2)
    for name in "abc":
        publish_state(broker.port, name)
    listener = listen(broker.port)
    assert listener.notes == ["1 more left out; give --mqtt a longer topic."]
    assert not listener.is_complete


@needs_broker
def test_removed_messages_are_not_retained(broker, listen, wait_until):
    listener, sink = listen(broker.port), publish(broker.port, "door")
    wait_until(lambda: listener.list())
    sink.close()
    wait_until(lambda: conditions(listener)["door"] == "lost")
    listener.remove(listener.list()[0])
    assert listen(broker.port).list() == []
    assert listener.list() == []


@needs_broker
def test_listener_survives_a_restart_of_the_broker(broker, listen, wait_until, caplog):
    listener, sink = listen(broker.port), publish(broker.port, "door")
    wait_until(lambda: listener.list())
    broker.kill()
    wait_until(lambda: "the connection is lost (the broker closed it)" in caplog.text)
    wait_until(lambda: listener.notes)
    (note,) = listener.notes
    assert re.match(r"Not connected since \d\d:\d\d:\d\d; devices may", note)
    broker.start()
    other = publish(broker.port, "gate")
    wait_until(lambda: len(listener.list()) == 2)
    assert listener.notes == []
    for each in (sink, other):
        each.close()


@needs_broker
def test_wrong_password_is_refused(tmp_path, listen):
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    broker = Broker(tmp_path, f"allow_anonymous false\npassword_file {passwords}")
    broker.start()
    with pytest.raises(RequestError, match="refuses the connection .Not authorized"):
        listen(broker.port, user="me", password="secret")
    broker.kill()


@needs_broker
def test_refusal_of_a_new_connection_ends_the_list(broker, listen, wait_until):
    listener = listen(broker.port)
    broker.kill()
    wait_until(lambda: listener.notes)
    broker.config.write_text(
        broker.config.read_text().replace("anonymous true", "anonymous false")
    )
    broker.start()

    def is_refused():
        try:
            return listener.list() is None
        except RequestError as error:
            return "refuses the connection (Not authorized)" in str(error)

    wait_until(is_refused)


def test_missing_broker_is_named(tmp_path, listen):
    port = Broker(tmp_path).port
    expected = (
        f"--mqtt: mqtt://127.0.0.1:{port}: cannot be reached (Connection refused)"
    )
    with pytest.raises(RequestError, match=re.escape(expected)):
        listen(port)


def test_server_that_says_nothing_is_named(listen, monkeypatch):
    monkeypatch.setattr(module, "_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(RequestError, match="does not answer; check the port"):
            listen(server.getsockname()[1])
    assert "paho" not in " ".join(x.name for x in threading.enumerate())
