"""A real MQTT broker for tests."""

import contextlib
import os
import shutil
import socket
import subprocess
import time

import pytest

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
