"""Announces a camera to Home Assistant: its MQTT device discovery, from 2024.11 on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corallite.device.board.sensors import read_board_name, read_temperature_c
from corallite.device.camera.connection_state import State
from corallite.device.engine.base import Engine
from corallite.device.loop.classify_frames import Result
from corallite.device.model.manifest import Manifest
from corallite.device.model.refusal import UNKNOWN
from corallite.device.outputs.topics import (
    OFFLINE,
    ONLINE,
    PICTURE,
    STATE,
    STATUS,
    discovery_topic,
    name_device,
)
from corallite.device.system.version import version_line

# With more labels, the sensor has no list of options: the message would be too large.
_MOST_OPTIONS = 200
_LONGEST_SUMMARY = 255  # The longest that an update entity shows.

_CLASS_SCORE = "value_json.top[0].probability"
_BOX_SCORE = "value_json.boxes[0].score"
# The numbers of the channel if the device follows one, else the model's version.
_INSTALLED = "value_json.get('channel_version') or value_json.model_version"
_LATEST = f"value_json.get('channel_latest') or {_INSTALLED}"
_REASON = f"(value_json.get('channel_reason') or '')[:{_LONGEST_SUMMARY}]"
_VERSIONS = (
    f"{{{{ {{'installed_version': ({_INSTALLED}) or '-', 'latest_version': "
    f"({_LATEST}) or '-', 'release_summary': {_REASON}}} | tojson }}}}"
)


class Announcement:
    """A `Feed` of one message to Home Assistant, again when the model changes."""

    def __init__(
        self, topic: str, engine: Engine, has_picture: bool, root: Path = Path("/")
    ) -> None:
        """Reads the board's name and whether it has a sensor.

        Args:
            topic: That of the results.
            engine: Makes the results.
            has_picture: Whether there is a `PictureFeed`.
            root: /, or a copy of some of its files.
        """
        self._topic = topic
        self._engine = engine
        self._has_picture = has_picture
        self._board = read_board_name(root)
        self._has_temperature = read_temperature_c(root) is not None
        self._published: Manifest | None = None
        self._current = engine.manifest

    def put(self, result: Result) -> None:
        """Notes which model is in use."""
        self._current = self._engine.manifest

    def take(self) -> Mapping[str, str | bytes]:
        """Returns the message if the model is new."""
        manifest = self._current
        if manifest is self._published:
            return {}
        self._published = manifest
        message = self._describe(manifest)
        return {discovery_topic(self._topic): json.dumps(message)}

    def close(self) -> None:
        """Has no last message."""

    def _describe(self, manifest: Manifest) -> dict[str, Any]:
        topic, identifier = self._topic, name_device(self._topic)
        software = version_line().split()[-1]
        components = describe_components(topic, manifest)
        if not self._has_temperature:
            del components["temperature"]
        if not self._has_picture:
            del components["picture"]
        for key, component in components.items():
            component["unique_id"] = f"{identifier}_{key}"
        device = {
            "identifiers": [identifier],
            "name": topic.rpartition("/")[2],
            "manufacturer": "Corallite",
            "model": self._board or "camera",
            "sw_version": software,
        }
        return {
            "device": device,
            "origin": {"name": "Corallite", "sw_version": software},
            "availability_topic": f"{topic}/{STATUS}",
            "payload_available": ONLINE,
            "payload_not_available": OFFLINE,
            "components": components,
        }


def describe_components(topic: str, manifest: Manifest) -> dict[str, dict[str, Any]]:
    """Returns all entities of a device by key, without their `unique_id`.

    Args:
        topic: That of the results.
        manifest: The model's.
    """
    state = f"{topic}/{STATE}"
    return {
        "label": _describe_label(topic, manifest),
        "score": _percentage("Score", topic, _find_score(manifest)),
        "source": {
            "platform": "sensor",
            "name": "State",
            "state_topic": state,
            "value_template": "{{ value_json.source }}",
            "device_class": "enum",
            "options": [source.value for source in State],
            "entity_category": "diagnostic",
        },
        "fps": {
            **_number("Frame rate", state, "value_json.fps"),
            "unit_of_measurement": "fps",
            "entity_category": "diagnostic",
        },
        "unknown": {
            **_percentage("Unknown", state, "value_json.unknown"),
            "entity_category": "diagnostic",
        },
        "temperature": {
            **_number("Temperature", state, "value_json.temperature_c"),
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "entity_category": "diagnostic",
        },
        "picture": {
            "platform": "image",
            "name": "Picture",
            "image_topic": f"{topic}/{PICTURE}",
            "content_type": "image/jpeg",
        },
        "model": {
            "platform": "update",
            "name": "Model",
            "title": manifest.model[:_LONGEST_SUMMARY] or "model",
            "state_topic": state,
            "value_template": _VERSIONS,
            "entity_category": "diagnostic",
        },
    }


def _describe_label(topic: str, manifest: Manifest) -> dict[str, Any]:
    label: dict[str, Any] = {
        "platform": "sensor",
        "name": "Label",
        "state_topic": topic,
        "value_template": "{{ value_json.label }}",
    }
    options = list(dict.fromkeys((*manifest.all_labels, UNKNOWN)))
    if 1 < len(options) <= _MOST_OPTIONS:
        label |= {"device_class": "enum", "options": options}
    return label


def _find_score(manifest: Manifest) -> str:
    if manifest.boxes is None or manifest.classes.labels:
        return f"{_CLASS_SCORE} if value_json.top else none"
    return f"{_BOX_SCORE} if value_json.boxes else none"


def _number(name: str, topic: str, value: str) -> dict[str, Any]:
    return {
        "platform": "sensor",
        "name": name,
        "state_topic": topic,
        "value_template": f"{{{{ {value} }}}}",
        "state_class": "measurement",
    }


def _percentage(name: str, topic: str, share: str) -> dict[str, Any]:
    percent = f"(({share}) * 100) | round(1) if ({share}) is not none else none"
    return {
        **_number(name, topic, percent),
        "unit_of_measurement": "%",
        "suggested_display_precision": 0,
    }
