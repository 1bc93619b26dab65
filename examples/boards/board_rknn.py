"""Runs model_CHIP.rknn on an NPU of Rockchip, by rknn-toolkit-lite2 (on the board)."""

from pathlib import Path

from verify import BoardError


class Board:
    def __init__(self, folder):
        from rknnlite.api import RKNNLite

        names = Path("/proc/device-tree/compatible").read_bytes().decode()
        found = [x for x in folder.glob("model_*.rknn") if x.stem[6:] in names]
        if not found:
            raise BoardError("there is no .rknn file for this chip; see README.md")
        self.model = found[0]
        self.lite = RKNNLite()
        if self.lite.load_rknn(str(self.model)) != 0 or self.lite.init_runtime() != 0:
            raise BoardError(
                f"{self.model.name} does not load; update librknnrt.so to the version "
                "of the toolkit in README.md"
            )

    def run(self, image):
        outputs = self.lite.inference(inputs=[image[None]])
        if outputs is None:
            raise BoardError("the NPU did not run the model; see its messages above")
        return outputs[0]

    def versions(self):
        return {"sdk": str(self.lite.get_sdk_version())}
