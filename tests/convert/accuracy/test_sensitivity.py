"""What each layer loses alone is found, and the network stays as it was."""

import json

import numpy as np
import pytest
from fixtures.small_run import build_small

from corallite.convert.accuracy.sensitivity import measure_sensitivity
from corallite.convert.accuracy.sensitivity_record import (
    SENSITIVITY_FILE,
    Change,
    LayerSensitivity,
    Sensitivity,
    read_sensitivity,
)
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.data.load import Split
from corallite.train.runs.run import Run


@pytest.fixture(scope="module")
def split():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 20)
    images = rng.integers(0, 256, (60, 32, 32, 3), np.uint8)
    return Split(images, labels, tuple(map(str, range(60))))


def measure(model, split):
    loss, _, layers = measure_sensitivity(model, split, split)
    assert loss > 0
    return {x.layer: x for x in layers}


def set_weights(model, name, change):
    kernel, *others = model.get_layer(name).get_weights()
    change(kernel, *others)
    model.get_layer(name).set_weights([kernel, *others])


@pytest.mark.slow
def test_each_layer_is_changed_alone_and_restored(split):
    model = build_small()
    before = model.get_weights()
    found = measure(model, split)
    assert list(found) == ["stem", "left", "right", "depthwise", "middle", "logits"]
    assert all(x.quantized is not None for x in found.values())
    # A depthwise layer has the channels of those before it, and the output stays.
    unpruned = [name for name, x in found.items() if x.pruned is None]
    assert unpruned == ["depthwise", "logits"]
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_kernel_that_int8_cannot_hold_and_channels_that_count_are_found(split):
    model = build_small()

    def silence(kernel, bias):
        kernel[:, :, 0], bias[0] = 0, -1

    def weigh(kernel, bias):
        kernel[..., 0, :] = 1000  # Of a channel that is always zero.

    def ignore(kernel, bias):
        kernel[..., :3, :] = 0  # A quarter of the channels of `middle`.

    set_weights(model, "depthwise", silence)
    set_weights(model, "middle", weigh)
    set_weights(model, "logits", ignore)
    found = measure(model, split)
    assert found["middle"].pruned == Change(0.0, 0.0)
    losses = {name: abs(x.quantized.loss) for name, x in found.items()}
    assert max(losses, key=lambda name: losses[name]) == "middle"
    assert losses["middle"] > 10 * losses["stem"]


def make_record(sha256):
    layers = [
        LayerSensitivity("stem", Change(0.002, -0.001), None),
        LayerSensitivity("middle", Change(-0.001, 0.0), Change(0.25, -0.125)),
    ]
    return Sensitivity("float", sha256, 512, 0.5, 0.875, layers)


def test_a_record_holds_for_its_network_alone(tmp_path):
    run = Run.open(tmp_path)
    assert read_sensitivity(run) is None
    stage = run.first()
    files.write_text(stage.model_path, "weights")
    stage.finish({}, {})
    record = make_record(stage.sha256())
    files.write_json(tmp_path / SENSITIVITY_FILE, record.to_json())
    assert read_sensitivity(run) == record
    assert record.describe().splitlines() == [
        "float on 512 validation images: loss 0.5000, top-1 87.50; a layer alone adds "
        "to the loss:",
        "quantized: stem +0.0020, middle -0.0010",
        "pruned: middle +0.2500",
    ]
    files.write_text(stage.model_path, "other weights")
    assert read_sensitivity(run) is None


def test_a_damaged_record_names_the_command(tmp_path):
    files.write_json(tmp_path / SENSITIVITY_FILE, {"layers": [{}]})
    with pytest.raises(RequestError, match=r"sensitivity\.json.*evaluate --sensitiv"):
        read_sensitivity(Run.open(tmp_path))


@pytest.mark.slow
def test_the_verb_records_it_and_the_report_shows_it(programs, small_copy):
    flags = ("evaluate", "--sensitivity", f"--run_dir={small_copy}")
    done = programs.run(*flags)
    assert done.returncode == 0, done.stderr
    record = json.loads((small_copy / SENSITIVITY_FILE).read_text())
    # The last network before int8.
    assert record["stage"] == "pruned"
    assert done.stdout.startswith(f"pruned on {record['images']} validation images")
    made = programs.run("report", f"--run_dir={small_copy}")
    assert made.returncode == 0, made.stderr
    page = (small_copy / "report.html").read_text("utf-8")
    assert "Sensitivity, layer by layer" in page

    refused = programs.run(*flags, "other.tflite")
    assert refused.returncode == 2
    assert "--sensitivity measures the run, not other.tflite" in refused.stderr
