"""`.rknn` files for Rockchip's NPUs, measured in the simulator of its toolkit.

The toolkit quantizes the float model with ranges of its own, measured on training
images. Its packages disagree with ours, so it runs in an environment of its own.
Source: Rockchip, User Guide RKNN-Toolkit2, 2.x (github.com/airockchip/rknn-toolkit2).
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from corallite.convert.export import environment
from corallite.convert.export.environment_list import ENVIRONMENTS
from corallite.convert.export.hardware.float_onnx import EXTRA, PACKAGES, build_float
from corallite.convert.export.hardware.kit import choose_pixels, make_kit
from corallite.convert.export.judge import REFUSAL_OPTIONS, judge_predictions
from corallite.convert.export.targets.target import Candidate, Target, is_float
from corallite.train.data.load import ImageData
from corallite.train.runs.stage import Stage

_NAME = "rknn"
# A file is for one kind of chip; the first is the one that is simulated.
_CHIPS = ("rk3588", "rk3576", "rk3568", "rk3566", "rk3562")
# Fewer than for int8: the toolkit computes in float, on one core, once for each chip.
_CALIBRATION_COUNT = 100
_TIMEOUT_S = 3600.0
_CODE = """
import pathlib, sys
import numpy
from rknn.api import RKNN
model, folder, *chips = sys.argv[1:]
folder = pathlib.Path(folder)
def act(action, function, *given, **named):
    try:
        status = function(*given, **named)
    except Exception as error:
        status = (str(error) or type(error).__name__).strip().splitlines()[-1]
    if status != 0:
        sys.exit(f"RKNN-Toolkit2 cannot {action} this network: {status}")
names = []
for index, image in enumerate(numpy.load(folder / "calibration.npy")):
    names.append(f"calibration_{index}.npy")
    numpy.save(folder / names[-1], image[numpy.newaxis])
(folder / "calibration.txt").write_text("\\n".join(names))
for chip in chips:
    tool = RKNN()
    # Version 2.5.0's rule for slices of pixels fails on slices of channels.
    act("configure", tool.config, target_platform=chip, mean_values=[[0, 0, 0]],
        std_values=[[255, 255, 255]], disable_rules=["fuse_focus_slice2"])
    act("load", tool.load_onnx, model=model)
    dataset = str(folder / "calibration.txt")
    act("quantize", tool.build, do_quantization=True, dataset=dataset)
    act("write", tool.export_rknn, str(folder / f"model_{chip}.rknn"))
    if chip == chips[0]:
        act("simulate", tool.init_runtime)
        images = numpy.load(folder / "images.npy")
        scores = [tool.inference(inputs=[x[numpy.newaxis]], data_format=["nhwc"])[0][0]
                  for x in images]
        numpy.save(folder / "scores.npy", numpy.array(scores, numpy.float32))
    tool.release()
"""


def export(stage: Stage, data: ImageData, settings: Mapping[str, Any]) -> Candidate:
    """Converts a Keras model for each chip; see `Target.export`.

    Raises:
        RequestError: The toolkit cannot be installed, or does not take the model.
    """
    files, scores = _compile(stage, data)
    judged = judge_predictions(scores, f"exports/{_NAME}", stage, data, settings)
    kit = make_kit(_NAME, judged.manifest, data.judging.images_rgb_u8, scores)
    record = {**judged.record, "with": ENVIRONMENTS[_NAME].requirements[0]}
    return Candidate({**files, **kit}, judged.labels, record=record)


def _compile(stage: Stage, data: ImageData) -> tuple[dict[str, bytes], np.ndarray]:
    """Returns the files, and the simulated probabilities of the judging images."""
    model = build_float(stage).SerializeToString()
    pixels = choose_pixels(data, _CALIBRATION_COUNT)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "model.onnx").write_bytes(model)
        # The toolkit wants calibration in the layout of the model, and images NHWC.
        np.save(folder / "calibration.npy", pixels.transpose(0, 3, 1, 2))
        np.save(folder / "images.npy", data.judging.images_rgb_u8)
        arguments = ("-c", _CODE, str(folder / "model.onnx"), str(folder), *_CHIPS)
        environment.run(_NAME, arguments, timeout_s=_TIMEOUT_S)
        names = [f"model_{chip}.rknn" for chip in _CHIPS]
        files = {name: (folder / name).read_bytes() for name in names}
        return files, np.load(folder / "scores.npy")


TARGETS = (
    Target(
        _NAME,
        "Rockchip's NPUs, quantized by RKNN-Toolkit2, which is installed into an "
        "environment of its own (3.9 GB, once)",
        accepts=is_float,
        export=export,
        verified="RKNN-Toolkit2 2.5.0's simulator on x86-64; no chip",
        options=REFUSAL_OPTIONS,
        extra=EXTRA,
        packages=PACKAGES,
    ),
)
