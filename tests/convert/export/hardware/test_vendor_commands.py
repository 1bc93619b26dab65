"""The folders for boards, and their check with this machine's runtimes as the board."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from fixtures.small_run import open_run

from corallite.convert.accuracy.record import read_comparison
from corallite.convert.export.convert import convert
from corallite.device.model.manifest import Manifest

pytestmark = pytest.mark.slow
# They run the model of the folder as a board would; CHANGE is what the board does.
ONNX_BOARD = """
import onnxruntime
from pathlib import Path
class Board:
    def __init__(self, folder):
        (self.model,) = folder.glob("*.onnx")
        self.session = onnxruntime.InferenceSession(self.model)
    def run(self, image):
        pixels = (image.transpose(2, 0, 1)[None] / 255).astype("float32")
        (scores,) = self.session.run(None, {self.session.get_inputs()[0].name: pixels})
        return CHANGE(scores)
    def versions(self):
        return {"onnxruntime": onnxruntime.__version__}
"""
TFLITE_BOARD = """
from ai_edge_litert.interpreter import Interpreter
class Board:
    def __init__(self, folder):
        self.model = folder / "model_int8.tflite"
        self.runner = Interpreter(str(self.model))
        self.runner.allocate_tensors()
    def run(self, image):
        self.runner.set_tensor(self.runner.get_input_details()[0]["index"], image[None])
        self.runner.invoke()
        output = self.runner.get_output_details()[0]["index"]
        return CHANGE(self.runner.get_tensor(output).astype("float32") / 256)
    def versions(self):
        return {}
"""
BOARDS = {"tensorrt": ONNX_BOARD, "ascend": ONNX_BOARD, "hailo": ONNX_BOARD}


@pytest.fixture(scope="module")
def run_dir(small_run, tmp_path_factory):
    return shutil.copytree(small_run, tmp_path_factory.mktemp("kits") / "run")


@pytest.fixture
def export(run_dir, tmp_path):
    """A function that exports to a target, once; returns the stage, a folder, images.

    The folder is a copy for the test to change.
    """

    def make(name):
        run, data = open_run(run_dir)
        stage = convert(run, data, target=name)
        return stage, shutil.copytree(stage.path, tmp_path / name), data

    return make


def verify(folder, board=None, change="", command=("verify.py",)):
    if board is not None:
        (folder / "board.py").write_text(board.replace("CHANGE", change))
    command = [sys.executable, *command]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done, json.loads((folder / "verify.json").read_text())


@pytest.mark.parametrize("name", ["tensorrt", "ascend", "hailo", "torq"])
def test_the_folder_says_how_and_its_check_passes(export, name):
    stage, folder, data = export(name)
    guide = (folder / "README.md").read_text()
    assert "@" not in guide and "not" in guide and "verified on a" in guide
    assert (folder / "labels.txt").read_text().split() == list(data.class_names)
    manifest = Manifest.from_json(json.loads((folder / "corallite.json").read_text()))
    assert manifest.accuracy[f"exports/{name}"] == stage.metrics()["val_accuracy"]
    done, report = verify(folder, BOARDS.get(name, TFLITE_BOARD))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("pass: ") and report["result"] == "pass"
    assert report["labels_equal"] == report["images"] == len(data.judging.labels[:20])
    assert report["target"] == name and len(report["sha256"]) == 64


def test_the_script_for_a_jetson_runs_the_check_of_a_folder(export):
    _, folder, _ = export("tensorrt")
    script = str(Path(__file__).parents[4] / "examples" / "jetson" / "verify.py")
    done, report = verify(folder, ONNX_BOARD, command=(script, str(folder)))
    assert done.returncode == 0 and report["result"] == "pass"
    assert "attach it to an issue" in done.stdout
    done, _ = verify(folder, command=(script,))
    assert done.returncode == 2 and "verify: name the folder" in done.stderr


def test_the_files_of_a_model_that_was_run_here_are_compared(export):
    stage, _, _ = export("tensorrt")
    compared = read_comparison(stage)
    assert compared is not None and compared.passed
    assert compared.steps[-1].to_name == "exports/tensorrt"
    model = onnx.load(stage.model_path)
    zeros = {x.input[2] for x in model.graph.node if x.op_type == "QuantizeLinear"}
    constants = {x.name: onnx.numpy_helper.to_array(x) for x in model.graph.initializer}
    # TensorRT has no other zero points.
    assert zeros and not any(constants[name].any() for name in zeros)
    assert all(constants[name].dtype == np.int8 for name in zeros)


def test_calibration_is_in_the_form_of_each_compiler(export):
    _, hailo, _ = export("hailo")
    pixels = np.load(hailo / "calibration.npy")
    assert pixels.shape[1:] == (32, 32, 3) and pixels.dtype == np.uint8
    _, ascend, _ = export("ascend")
    files = sorted((ascend / "calibration").iterdir())
    values = np.fromfile(files[0], np.float32).reshape(3, 32, 32)
    assert f"--batch_num {len(files)}" in (ascend / "README.md").read_text()
    # Raw inputs of the same first image.
    np.testing.assert_allclose(values, pixels[0].transpose(2, 0, 1) / 255, atol=1e-6)


def test_a_board_that_differs_is_told_with_the_first_image(export):
    _, folder, _ = export("torq")
    done, report = verify(folder, TFLITE_BOARD, "(lambda x: x[:, ::-1])")
    assert done.returncode == 1
    assert done.stdout.startswith("fail: image ") and "expected" in done.stdout
    assert report["result"] == "fail" and report["wrong_where_sure"] > 0
    done, report = verify(folder, TFLITE_BOARD, "(lambda x: x * float('nan'))")
    assert done.returncode == 1 and report["result"] == "fail"
    done, _ = verify(folder, TFLITE_BOARD, "(lambda x: x[:, :2])")
    assert done.returncode == 1 and "of shape" in done.stdout
    live = TFLITE_BOARD.replace("class Board:", "class Board:\n    is_live = True")
    done, _ = verify(folder, live, "(lambda x: x[:, :2])")
    assert done.returncode == 1 and "of shape" in done.stdout


def test_an_error_of_a_vendor_is_one_sentence(export):
    _, folder, _ = export("torq")
    done, report = verify(folder, TFLITE_BOARD, "(lambda x: x.none())")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert report["reason"].startswith("AttributeError: ")


MISSING = {
    "torq": "model_int8.vmfb is missing; make it as README.md says",
    "hailo": "model.hef is missing",
    "ascend": "model.om is missing; make it with atc",
    "tensorrt": "the Python package tensorrt is missing; on a Jetson: sudo apt",
}


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_on_the_board_is_one_sentence(export, name):
    _, folder, _ = export(name)
    done, report = verify(folder)
    assert done.returncode == 2 and report["result"] == "not run"
    assert MISSING[name] in done.stderr and "Traceback" not in done.stderr


def test_an_old_tensorrt_is_refused(export):
    _, folder, _ = export("tensorrt")
    (folder / "tensorrt.py").write_text("__version__ = '8.6.1'")
    done, _ = verify(folder)
    assert done.returncode == 2
    assert "TensorRT 8.6.1 is too old; install 10 or 11" in done.stderr
