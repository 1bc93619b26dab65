"""The message to Home Assistant, which its own MQTT component reads."""

import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from fixtures import home_assistant_keys
from mosquitto import needs_broker

from corallite.device.camera.frame import Frame, FrameStream
from corallite.device.engine.classifier import Prediction
from corallite.device.image.preprocess import Preprocessing
from corallite.device.loop.classify_frames import Result
from corallite.device.model.manifest import BoxesOutput, Manifest
from corallite.device.outputs.broker import Address
from corallite.device.outputs.home_assistant import (
    Announcement,
    describe_components,
)
from corallite.device.outputs.mqtt import Feed, Mqtt
from corallite.device.outputs.picture import PictureFeed
from corallite.device.outputs.state import StateFeed
from corallite.device.outputs.topics import discovery_topic

pytest.importorskip("paho.mqtt.client")
# The interpreter of an environment with homeassistant: see docs/fleet.md.
HOME_ASSISTANT = os.environ.get("HOME_ASSISTANT_PYTHON")
CORE = Path(__file__).parents[2] / "home_assistant_core.py"
MANIFEST = Manifest.of_classifier(
    "shufflenet_v2 1.0x", "42", ("cat", "dog"), Preprocessing((32, 32))
)


@pytest.fixture
def board(tmp_path):
    """A root folder with a sensor and a name."""
    zone = tmp_path / "root/sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("51250\n")
    name = tmp_path / "root/proc/device-tree/model"
    name.parent.mkdir(parents=True)
    name.write_text("Raspberry Pi 5\0")
    return tmp_path / "root"


def see(label, probability=0.9, frame=0):
    return Result(frame, 0.0, "x", [Prediction(label, probability)], label, 1.0)


def read(feed):
    ((topic, text),) = feed.take().items()
    return topic, json.loads(text)


def test_device_is_announced_once_and_again_with_another_model(board, make_engine):
    engine = make_engine(MANIFEST)
    feed = Announcement("home/door", engine, has_picture=True, root=board)
    topic, message = read(feed)
    assert re.fullmatch("homeassistant/device/[a-zA-Z0-9_-]+/config", topic)
    assert message["device"]["model"] == "Raspberry Pi 5"
    assert message["device"]["name"] == "door"
    assert message["components"]["label"]["options"] == ["cat", "dog", "unknown"]
    assert {"temperature", "picture", "model"} <= set(message["components"])
    feed.put(see("cat"))
    assert feed.take() == {}
    others = MANIFEST.with_classes(labels=("hen", "fox"))
    engine.replace(others)
    feed.put(see("hen"))
    again, message = read(feed)
    assert again == topic
    assert message["components"]["label"]["options"] == ["hen", "fox", "unknown"]


def test_only_what_the_board_has_is_announced(tmp_path, make_engine):
    feed = Announcement("home/door", make_engine(MANIFEST), False, root=tmp_path)
    components = read(feed)[1]["components"]
    assert not {"temperature", "picture"} & set(components)
    assert len({c["unique_id"] for c in components.values()}) == len(components)


def test_many_labels_are_no_options():
    labels = tuple(f"class {n}" for n in range(1000))
    components = describe_components("a", MANIFEST.with_classes(labels=labels))
    assert "options" not in components["label"]


def test_score_of_a_detector_is_that_of_its_best_box():
    manifest = Manifest.of_detector(
        "d", "1", BoxesOutput(("cat",)), Preprocessing((32, 32))
    )
    score = describe_components("a", manifest)["score"]
    assert "boxes[0].score" in score["value_template"]


def test_message_has_only_keys_that_home_assistant_knows(board, make_engine):
    feed = Announcement("home/door", make_engine(MANIFEST), True, root=board)
    message = read(feed)[1]
    assert set(message) <= home_assistant_keys.MESSAGE
    assert set(message["device"]) <= home_assistant_keys.DEVICE
    assert set(message["origin"]) <= home_assistant_keys.ORIGIN
    for component in message["components"].values():
        allowed = home_assistant_keys.COMPONENTS[component["platform"]]
        assert set(component) <= allowed


@needs_broker
@pytest.mark.skipif(not HOME_ASSISTANT, reason="needs HOME_ASSISTANT_PYTHON")
def test_home_assistant_shows_the_camera(broker, board, tmp_path, make_engine):
    """Its own core finds the device, and shows what was published."""
    image = np.full((48, 64, 3), 255, np.uint8)
    frames = FrameStream()
    frames.frames = iter([Frame(0, 0.0, image, "x", 0.0)])
    status = {
        "source": "live",
        "channel_version": "7",
        "channel_latest": "8",
        "channel_reason": "not for this device yet",
    }
    engine = make_engine(MANIFEST)
    feeds: list[Feed] = [
        Announcement("home/door", engine, True, board),
        StateFeed("home/door", engine, [lambda: status], root=board),
        PictureFeed("home/door", frames),
    ]
    message = Announcement("home/door", engine, True, board).take()
    next(frames)
    for feed in feeds:
        feed.put(see("dog", 0.873))
    sink = Mqtt(Address("127.0.0.1", broker.port, "home/door"), feeds=feeds)
    sink.put(see("dog", 0.873))
    folder = tmp_path / "hass"
    folder.mkdir()
    done = subprocess.run(
        [HOME_ASSISTANT, CORE, str(broker.port), folder, "5"],
        input=message[discovery_topic("home/door")],
        capture_output=True,
        text=True,
        timeout=300,
    )
    sink.close()
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["refused"] == {}
    assert found["log"] == []
    states = found["states"]
    shown = {name: state["state"] for name, state in states.items()}
    assert shown.pop("image.door_picture") not in ("unavailable", "unknown")
    # Known from the second state on, which comes after 10 s.
    assert shown.pop("sensor.door_frame_rate") != "unavailable"
    assert shown == {
        "sensor.door_label": "dog",
        "sensor.door_score": "87.3",
        "sensor.door_state": "live",
        "sensor.door_unknown": "0.0",
        "sensor.door_temperature": "51.25",
        "update.door_model": "on",
    }
    update = states["update.door_model"]
    assert (update["installed_version"], update["latest_version"]) == ("7", "8")
    assert update["release_summary"] == "not for this device yet"
