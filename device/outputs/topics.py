"""The topics beside that of the results, and what identifies a device."""

import hashlib
import re

# Below the topic of the results.
STATUS, STATE, PICTURE = "status", "state", "picture"
ONLINE, OFFLINE = "online", "offline"

# The default of Home Assistant's setting.
_DISCOVERY = "homeassistant"


def name_device(topic: str) -> str:
    """Returns the identifier of a device, which the topic of its results determines."""
    readable = re.sub("[^a-zA-Z0-9]+", "_", topic)[-40:].strip("_")
    # Different topics may become the same text.
    return f"corallite_{readable}_{hashlib.sha256(topic.encode()).hexdigest()[:8]}"


def discovery_topic(topic: str) -> str:
    """Returns the topic of the message to Home Assistant about a device.

    An empty retained message there removes the device.
    """
    return f"{_DISCOVERY}/device/{name_device(topic)}/config"


def name_retained(topic: str) -> list[str]:
    """Returns the topics of all messages that a device leaves on the broker."""
    below = [f"{topic}/{part}" for part in (STATE, STATUS, PICTURE)]
    return [discovery_topic(topic), topic, *below]
