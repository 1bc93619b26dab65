"""Identifiers and topics of devices."""

import re

from corallite.device.outputs.topics import discovery_topic, name_device, name_retained


def test_different_topics_are_different_devices():
    topics = ["home/door", "home_door", "a/home/door", "häuschen/tür", "x" * 300]
    names = {name_device(topic) for topic in topics}
    assert len(names) == len(topics)
    assert all(re.fullmatch("[a-zA-Z0-9_-]{1,64}", name) for name in names)


def test_discovery_is_where_home_assistant_looks():
    assert discovery_topic("home/door") == (
        f"homeassistant/device/{name_device('home/door')}/config"
    )


def test_all_that_a_device_leaves_is_named():
    assert name_retained("a")[1:] == ["a", "a/state", "a/status", "a/picture"]
