"""A run whose network is so small that each conversion takes seconds."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

# Reads requests as lines of JSON and runs each in a fork of itself, as the command
# would, but for TensorFlow, which is loaded once.
_SERVER = """
import json, os, sys
import corallite.convert.pipeline, corallite.convert.report.report
from corallite.device import command
assert len(os.listdir("/proc/self/task")) == 1, "threads do not survive a fork"
for line in sys.stdin:
    request = json.loads(line)
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, path in ((1, request["stdout"]), (2, request["stderr"])):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
        os.chdir(request["cwd"])
        sys.argv = ["corallite", *request["arguments"]]
        sys.exit(command.main())
    status = os.waitpid(child, 0)[1]
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


class Programs:
    """Runs verbs, each in a process of its own that need not load TensorFlow."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0
        self.server = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # NumPy's and OpenCV's threads would begin with their import.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )

    def run(self, *arguments, cwd=None):
        """Runs `corallite` with arguments; returns what `subprocess.run` would."""
        self.count += 1
        stdout, stderr = (self.folder / f"{self.count}.{x}" for x in ("out", "err"))
        request = {
            "arguments": list(map(str, arguments)),
            "stdout": str(stdout),
            "stderr": str(stderr),
            "cwd": str(cwd or self.folder),
        }
        assert self.server.stdin and self.server.stdout
        print(json.dumps(request), file=self.server.stdin, flush=True)
        status = int(self.server.stdout.readline())
        return subprocess.CompletedProcess(
            arguments, status, stdout.read_text(), stderr.read_text()
        )


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """A `Programs`."""
    programs = Programs(tmp_path_factory.mktemp("programs"))
    yield programs
    programs.server.communicate()


def build_small():
    """A convolution, a depthwise one, a 1x1 one and a dense layer."""
    from corallite.train.keras import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input((32, 32, 3))
    x = layers.Conv2D(12, 3, 2, use_bias=False, name="stem")(image)
    x = layers.BatchNormalization(name="stem_norm")(x)
    x = layers.ReLU(6.0, name="stem_relu")(x)
    x = layers.DepthwiseConv2D(3, 2, padding="same", name="depthwise")(x)
    x = layers.ReLU(6.0, name="depthwise_relu")(x)
    x = layers.Conv2D(12, 1, name="middle")(x)
    x = layers.ReLU(6.0, name="middle_relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(3, name="logits")(x)
    return keras.Model(image, layers.Softmax(name="probabilities")(x))


@pytest.fixture(scope="session")
def small_run(squares_dir, tmp_path_factory):
    """A run folder with all stages of a small network. See `small_copy`.

    Made of the parts that the verbs are made of: no verb trains a network this small.
    """
    from corallite.convert.int8_stage import convert
    from corallite.device import files
    from corallite.device.preprocess import Preprocessing
    from corallite.train.data import prepare_data
    from corallite.train.train import Network

    run_dir = tmp_path_factory.mktemp("small") / "run"
    data = prepare_data(squares_dir, run_dir, Preprocessing((32, 32)))
    network = Network("shufflenet_v2", 0.25, (32, 32))
    record = {"network": network.to_json(), "data_dir": str(squares_dir)}
    files.write_json(run_dir / "run.json", record)
    _fill_stages(run_dir, data)
    convert(run_dir)
    return run_dir


def _fill_stages(run_dir, data):
    from corallite.optimize import graph
    from corallite.optimize.calibration import choose_images
    from corallite.optimize.quantize import quantize

    model = build_small()
    _train(model, data.parts["train"])
    _finish(run_dir, "float", model, data)
    pruned = graph.rebuild(model, _zero_smallest)
    _finish(run_dir, "pruned", pruned, data, {"sparsity": 0.2})
    images = choose_images(data.parts["train"], 50)
    qat = quantize(pruned, images)
    _finish(run_dir, "qat", qat, data, {"granularity": "channel"})


def _train(model, part):
    from corallite.train.keras import keras

    images = part.images_rgb_u8.astype(np.float32) / np.float32(255)
    model.compile(keras.optimizers.Adam(0.01), "categorical_crossentropy")
    labels = np.eye(3)[part.labels]
    model.fit(images, labels, batch_size=24, epochs=60, verbose=0)


def _zero_smallest(layer):
    """Returns a copy whose kernel, if it is a 1x1 convolution's, is a fifth zeros."""
    from corallite.optimize import graph

    copy = graph.copy_layer(layer)
    if layer.name == "middle":
        kernel, bias = copy.get_weights()
        small = np.abs(kernel) < np.quantile(np.abs(kernel), 0.2)
        copy.set_weights([np.where(small, 0, kernel), bias])
    return copy


def _finish(run_dir, name, model, data, inputs=None):
    from corallite.optimize.sparsity import measure_sparsity
    from corallite.train.model_file import save_model
    from corallite.train.recipe import Recipe
    from corallite.train.run_folder import Stage, hash_file
    from corallite.train.train import cost_metrics

    before = {"pruned": "float", "qat": "pruned"}
    inputs = {"recipe": dataclasses.asdict(Recipe(epochs=1)), **(inputs or {})}
    inputs |= {"data": data.fingerprint}
    sparsity = dataclasses.asdict(measure_sparsity(model))
    metrics: dict[str, object] = {"sparsity": sparsity}
    if name in before:
        parent = Stage(run_dir, before[name])
        inputs["parent"] = hash_file(parent.model_path)
        metrics["from"] = parent.name
    if name != "qat":
        metrics |= cost_metrics(model)
    epoch = {"loss": 0.1, "accuracy": 1.0, "val_loss": 0.1, "val_accuracy": 1.0}
    stage = Stage(run_dir, name)
    stage.path.mkdir()
    save_model(model, stage.model_path)
    stage.finish(inputs, {**metrics, "history": [epoch], "best_epoch": 0})


@pytest.fixture
def small_copy(small_run, tmp_path):
    """A copy of `small_run` for a test to change."""
    return Path(shutil.copytree(small_run, tmp_path / "run"))
