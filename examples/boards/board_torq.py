"""Runs model_int8.vmfb on Synaptics' Torq NPU by the package torq-runtime."""

import importlib.metadata

import numpy as np
from verify import BoardError


class Board:
    def __init__(self, folder):
        self.model = folder / "model_int8.vmfb"
        if not self.model.exists():
            raise BoardError("model_int8.vmfb is missing; make it as README.md says")
        from torq.runtime import VMFBInferenceRunner

        self.runner = VMFBInferenceRunner(str(self.model), device_uri="torq")

    def run(self, image):
        """Returns the probabilities of an image, uint8 [height, width, 3], RGB."""
        (output,) = self.runner.infer([np.ascontiguousarray(image[None])])
        # The file's own steps: a byte of 1/256.
        return np.asarray(output).view(np.uint8).astype(np.float32) / 256

    def versions(self):
        return {"torq-runtime": importlib.metadata.version("torq-runtime")}
