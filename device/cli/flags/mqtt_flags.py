"""Flags of what is published to an MQTT broker, and the sink that they describe."""

from collections.abc import Callable, Mapping, Sequence

from absl import flags

from corallite.device.camera.frame import FrameStream
from corallite.device.engine.base import Engine
from corallite.device.outputs.lines import Sink
from corallite.device.system.errors import RequestError

# Returns fields of TOPIC/state, from any thread, at once.
Fact = Callable[[], Mapping[str, object]]

_MQTT = flags.DEFINE_string(
    "mqtt",
    None,
    "mqtt://USER:PASSWORD@HOST:PORT/TOPIC, or mqtts with TLS: publishes the result "
    "when the active labels change (without --threshold: the label, or unknown), and "
    "every minute the state to TOPIC/state, for `corallite fleet`.",
)
_EVERY_FRAME = flags.DEFINE_boolean(
    "mqtt_every_frame", False, "Publish the result of every frame."
)
_PICTURE = flags.DEFINE_boolean(
    "mqtt_picture",
    False,
    "Also publish a small JPEG to TOPIC/picture when the label changes, at most one in "
    "ten seconds. Everyone who can read the topic can see it.",
)
_HOME_ASSISTANT = flags.DEFINE_boolean(
    "home_assistant",
    False,
    "Announce the camera to Home Assistant on the broker of --mqtt, with sensors of "
    "label, score and state. It stays until `corallite fleet --forget` removes it.",
)


def values() -> dict[str, object]:
    """Returns the values of the flags, by name."""
    return {
        "mqtt": _MQTT.value,
        "mqtt_every_frame": _EVERY_FRAME.value,
        "mqtt_picture": _PICTURE.value,
        "home_assistant": _HOME_ASSISTANT.value,
    }


def require_broker() -> None:
    """Raises `RequestError` if a flag needs --mqtt, which is missing."""
    for name, value in values().items():
        if value and _MQTT.value is None:
            raise RequestError(
                f"--{name}: needs a broker; give --mqtt=mqtt://HOST/TOPIC, or leave it "
                "out."
            )


def make_sink(
    engine: Engine, frames: FrameStream, facts: Sequence[Fact]
) -> Sink | None:
    """Opens the sink; None without --mqtt.

    Args:
        engine: Makes the results.
        frames: Where their frames are from.
        facts: More fields of the state; read again for each.

    Raises:
        RequestError: The URL is invalid, or paho-mqtt is missing.
    """
    if _MQTT.value is None:
        return None
    # Imported late: they would slow down each start.
    from corallite.device.outputs import broker, mqtt, state

    address = broker.parse_address(_MQTT.value)
    topic = address.topic
    facts = [*facts, lambda: {"source": frames.state.value}]
    feeds: list[mqtt.Feed] = [state.StateFeed(topic, engine, facts)]
    if _PICTURE.value:
        from corallite.device.outputs.picture import PictureFeed

        feeds.append(PictureFeed(topic, frames))
    if _HOME_ASSISTANT.value:
        from corallite.device.outputs.home_assistant import Announcement

        # Before all messages that it describes.
        feeds.insert(0, Announcement(topic, engine, _PICTURE.value))
    return mqtt.Mqtt(address, _EVERY_FRAME.value, feeds)
