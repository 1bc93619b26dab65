"""Runs network.rpk on the Pi AI Camera (IMX500), by picamera2.

The sensor classifies only what it sees: the images of cases.npz cannot be given to it,
and no labels are compared. "pass" says that the file loads and gives numbers.
"""

import time

from verify import BoardError

_TIMEOUT_S = 120.0


class Board:
    is_live = True

    def __init__(self, folder):
        from picamera2 import Picamera2
        from picamera2.devices import IMX500

        self.model = folder / "network.rpk"
        if not self.model.exists():
            raise BoardError("network.rpk is missing; make it as README.md says")
        self.imx500 = IMX500(str(self.model))
        self.camera = Picamera2(self.imx500.camera_num)
        self.camera.start(self.camera.create_preview_configuration())

    def run(self, image):
        """Returns the probabilities of what the camera sees; `image` is not used."""
        deadline = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < deadline:
            metadata = self.camera.capture_metadata()
            outputs = self.imx500.get_outputs(metadata)
            if outputs is not None:
                return outputs[0]
        raise BoardError(f"no output of the network in {_TIMEOUT_S:.0f} s")

    def versions(self):
        return {"input_wh": list(self.imx500.get_input_size())}
