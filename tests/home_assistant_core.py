"""Home Assistant's own core and MQTT component, connected to a broker.

Run by the Python of an environment that has the package homeassistant, and not
corallite. Reads a discovery message from stdin; prints JSON: what the strict schemas
say about each component, the entities and the log.

    PYTHON home_assistant_core.py PORT FOLDER SECONDS < message.json
"""

import asyncio
import importlib
import json
import logging
import sys
import types
from pathlib import Path

from homeassistant import bootstrap, config_entries, core, loader
from homeassistant.components.mqtt.schemas import DEVICE_DISCOVERY_SCHEMA


class Log(logging.Handler):
    """Keeps what is logged about MQTT, sensors and templates."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(f"{record.name}: {record.getMessage()}")


def check_keys(message):
    """Returns what the schemas of configuration files, which ignore no key, refuse."""
    refused = {}
    for key, component in message["components"].items():
        fields = dict(component)
        name = f"homeassistant.components.mqtt.{fields.pop('platform')}"
        try:
            importlib.import_module(name).PLATFORM_SCHEMA_MODERN(fields)
        except Exception as error:
            refused[key] = str(error)
    DEVICE_DISCOVERY_SCHEMA(message)
    return refused


async def run(port, folder, seconds, message):
    """Returns the entities by id, as JSON has them."""
    (folder / "configuration.yaml").write_text("")
    hass = core.HomeAssistant(str(folder))
    hass.config.skip_pip = True
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    loader.async_setup(hass)
    await bootstrap.async_load_base_functionality(hass)
    refused = check_keys(message)
    # Web pages are not needed here.
    hass.config.components |= {"http", "file_upload"}
    hass.http = types.SimpleNamespace(register_view=lambda view: None)
    entry = config_entries.ConfigEntry(
        data={"broker": "127.0.0.1", "port": port, "protocol": "3.1.1"},
        domain="mqtt",
        title="broker",
        version=1,
        minor_version=2,
        source="user",
        unique_id=None,
        options={},
        discovery_keys={},
    )
    await hass.config_entries.async_add(entry)
    hass.set_state(core.CoreState.running)
    await asyncio.sleep(seconds)
    states = {
        state.entity_id: {"state": state.state, **state.attributes}
        for state in hass.states.async_all()
    }
    await hass.async_stop(force=True)
    return refused, states


def main():
    """Prints what Home Assistant knows after some seconds."""
    log = Log()
    for name in ("components.mqtt", "components.sensor", "helpers.template"):
        logging.getLogger(f"homeassistant.{name}").addHandler(log)
    port, folder, seconds = int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    message = json.load(sys.stdin)
    refused, states = asyncio.run(run(port, folder, seconds, message))
    found = {"refused": refused, "states": states, "log": log.lines}
    print(json.dumps(found, default=str))


if __name__ == "__main__":
    main()
