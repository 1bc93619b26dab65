"""Messages beside the results, through a real broker."""

import pytest
from mosquitto import needs_broker

from corallite.device.engine.classifier import Prediction
from corallite.device.loop.classify_frames import Result
from corallite.device.outputs.broker import Address, make_client
from corallite.device.outputs.mqtt import Mqtt

pytest.importorskip("paho.mqtt.client")


def wait_for_last(messages, expected):
    """Waits until these texts are the last of all topics, by topic.

    A message may come twice, retained and live, or after one that is outdated.
    """
    last: dict[str, str] = {}
    while last != expected:
        topic, text, _ = messages.get(timeout=60)
        last[topic] = text


def publish(port, topic, text):
    """Publishes as another program."""
    client = make_client(Address("127.0.0.1", port, topic))
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish(topic, text, 1, retain=True).wait_for_publish(60)
    client.disconnect()
    client.loop_stop()


def see(sink, label, frame=0):
    sink.put(Result(frame, 0.0, "x", [Prediction(label, 0.9)], label, 1.0))


class Notes:
    """A feed that has what a test gives it."""

    def __init__(self):
        self.new = {}
        self.last = {}
        self.results = []

    def put(self, result):
        self.results.append(result)

    def take(self):
        new, self.new = self.new, {}
        return new

    def close(self):
        self.new = self.last


@needs_broker
def test_messages_of_a_feed_are_retained_and_repeated_to_a_restarted_broker(
    broker, subscribe
):
    notes = Notes()
    notes.new = {"home/cam/a": "1", "other/b": b"2"}
    sink = Mqtt(Address("127.0.0.1", broker.port, "home/cam"), feeds=[notes])
    messages = subscribe(broker.port)
    online = {"home/cam/status": "online"}
    wait_for_last(messages, {**online, "home/cam/a": "1", "other/b": "2"})
    broker.kill()
    notes.new = {"home/cam/a": "3"}
    broker.start()
    messages = subscribe(broker.port)
    wait_for_last(messages, {**online, "home/cam/a": "3", "other/b": "2"})
    see(sink, "cat")
    assert [result.label for result in notes.results] == ["cat"]
    sink.close()


@needs_broker
def test_late_will_of_the_former_connection_is_corrected(broker, subscribe):
    notes = Notes()
    sink = Mqtt(Address("127.0.0.1", broker.port, "home/cam"), feeds=[notes])
    messages = subscribe(broker.port)
    wait_for_last(messages, {"home/cam/status": "online"})
    publish(broker.port, "home/cam/status", "offline")
    wait_for_last(messages, {"home/cam/status": "offline"})
    notes.new = {"home/cam/state": "1"}
    wait_for_last(messages, {"home/cam/status": "online", "home/cam/state": "1"})
    sink.close()


@needs_broker
def test_messages_of_feeds_come_before_what_they_describe(broker, subscribe):
    messages, notes = subscribe(broker.port), Notes()
    notes.new = {"discovery": "1"}
    sink = Mqtt(Address("127.0.0.1", broker.port, "home/cam"), feeds=[notes])
    see(sink, "cat")
    topics = [messages.get(timeout=60)[0] for _ in range(3)]
    assert topics == ["discovery", "home/cam/status", "home/cam"]
    sink.close()


class DueWithFirst(Notes):
    """A feed that has a message as soon as there is a result."""

    def put(self, result):
        if not result.frame:
            self.new = {"home/cam/state": "1"}


@needs_broker
def test_waiting_results_do_not_delay_the_messages_of_feeds(broker, subscribe):
    messages, address = subscribe(broker.port), Address("127.0.0.1", broker.port, "a")
    sink = Mqtt(address, every_frame=True, feeds=[DueWithFirst()])
    wait_for_last(messages, {"a/status": "online"})
    for frame in range(50):
        see(sink, "cat", frame)
    # One result may be on its way already.
    topics = [messages.get(timeout=60)[0] for _ in range(3)]
    assert "home/cam/state" in topics
    sink.close()


@needs_broker
def test_last_messages_of_a_feed_come_before_offline(broker, subscribe):
    messages, notes = subscribe(broker.port), Notes()
    sink = Mqtt(Address("127.0.0.1", broker.port, "home/cam"), feeds=[notes])
    wait_for_last(messages, {"home/cam/status": "online"})
    notes.last = {"home/cam/state": "30"}
    sink.close()
    wait_for_last(messages, {"home/cam/state": "30", "home/cam/status": "offline"})
