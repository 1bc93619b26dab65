"""Runs model.hef on a Hailo by HailoRT's Python package, hailo_platform."""

import contextlib
import importlib.metadata

import numpy as np
from verify import BoardError


class Board:
    def __init__(self, folder):
        self.model = folder / "model.hef"
        if not self.model.exists():
            raise BoardError("model.hef is missing; make it as README.md says")
        import hailo_platform as hailo

        self.open = contextlib.ExitStack()  # Until the program ends.
        hef = hailo.HEF(str(self.model))
        device = self.open.enter_context(hailo.VDevice())
        interface = hailo.HailoStreamInterface.PCIe
        settings = hailo.ConfigureParams.create_from_hef(hef, interface=interface)
        (group,) = device.configure(hef, settings)
        taken = hailo.InputVStreamParams.make(group, format_type=hailo.FormatType.UINT8)
        given = hailo.OutputVStreamParams.make(
            group, format_type=hailo.FormatType.FLOAT32
        )
        streams = hailo.InferVStreams(group, taken, given)
        self.streams = self.open.enter_context(streams)
        self.open.enter_context(group.activate(group.create_params()))
        self.input = hef.get_input_vstream_infos()[0].name
        self.output = hef.get_output_vstream_infos()[0].name

    def run(self, image):
        """Returns the probabilities of an image, uint8 [height, width, 3], RGB."""
        pixels = np.ascontiguousarray(image[None])
        return self.streams.infer({self.input: pixels})[self.output]

    def versions(self):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return {"hailort": importlib.metadata.version("hailort")}
        return {}
