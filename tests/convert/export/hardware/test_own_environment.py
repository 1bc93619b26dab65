"""RKNN and IMX500: their toolkits are installed only for `make test-runtimes`."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from fixtures.small_run import open_run

from corallite.convert.accuracy.gate import AccuracyLostError
from corallite.convert.accuracy.record import read_comparison
from corallite.convert.export import environment
from corallite.convert.export.convert import convert
from corallite.convert.export.hardware import imx500
from corallite.device.system.errors import RequestError
from corallite.optimize.keras_graph.load import load_model

pytestmark = pytest.mark.slow
RUNTIMES = os.environ.get("CORALLITE_TEST_RUNTIMES")
CHIPS = ("rk3588", "rk3576", "rk3568", "rk3566", "rk3562")


@pytest.fixture
def stand_in(small_copy, monkeypatch):
    """A function that sets what the toolkits give: (change of our probabilities)."""
    run, _ = open_run(small_copy)
    model = load_model(run.stage("pruned").model_path)

    def answer(change, made=("packerOut.zip",)):
        def act(name, arguments, *, timeout_s):
            assert timeout_s > 0
            if "imx500_converter" in arguments[1]:
                folder = Path(arguments[-1])
                folder.mkdir()
                for file in made:
                    (folder / file).write_bytes(b"compiled")
                return ""
            folder = Path(arguments[3])
            calibration = np.load(folder / "calibration.npy")
            assert calibration.dtype == np.uint8 and len(calibration) > 0
            pixels = np.load(folder / "images.npy")
            scores = model.predict(pixels.astype(np.float32) / 255, verbose=0)
            np.save(folder / "scores.npy", change(scores))
            for chip in arguments[4:]:
                (folder / f"model_{chip}.rknn").write_bytes(chip.encode())
            return ""

        monkeypatch.setattr(environment, "run", act)

    return answer


@pytest.fixture
def java(tmp_path, monkeypatch):
    path = tmp_path / "bin" / "java"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(path.parent), prepend=":")
    return path


@pytest.mark.parametrize(
    ("name", "files"),
    [("rknn", [f"model_{x}.rknn" for x in CHIPS]), ("imx500", ["packerOut.zip"])],
)
def test_files_and_a_check_are_written_and_compared(
    small_copy, stand_in, java, name, files
):
    stand_in(lambda scores: scores)
    run, data = open_run(small_copy)
    stage = convert(run, data, target=name)
    written = [x.name for x in stage.list_files()]
    assert written[: len(files)] == files
    assert {"verify.py", "board.py", "cases.npz", "README.md"} <= set(written)
    compared = read_comparison(stage)
    assert compared is not None and compared.passed
    manifest = json.loads((stage.path / "corallite.json").read_text())
    accuracy = manifest["accuracy"][f"exports/{name}"]
    # Four digits are recorded.
    assert accuracy == pytest.approx(compared.steps[-1].top1_to, abs=1e-4)
    assert convert(run, data, target=name).metrics() == stage.metrics()


def test_a_model_that_lost_its_accuracy_is_rejected(small_copy, stand_in):
    stand_in(lambda scores: np.roll(scores, 1, axis=1))
    run, data = open_run(small_copy)
    with pytest.raises(AccuracyLostError):
        convert(run, data, target="rknn")
    assert not run.stage("exports/rknn").is_complete()


def test_a_missing_java_is_named_before_anything_is_installed(
    small_copy, stand_in, monkeypatch
):
    monkeypatch.setenv("PATH", "/nowhere")
    run, data = open_run(small_copy)
    with pytest.raises(RequestError, match=r"needs Java 17 .* sudo apt install defau"):
        convert(run, data, target="imx500")


def test_an_old_java_is_refused(small_copy, stand_in, java):
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019' >&2\n")
    run, data = open_run(small_copy)
    with pytest.raises(RequestError, match="Java 11 is too old. .* needs Java 17"):
        convert(run, data, target="imx500")


def test_a_converter_that_writes_nothing_is_reported(small_copy, stand_in, java):
    stand_in(lambda scores: scores, made=())
    run, data = open_run(small_copy)
    with pytest.raises(RequestError, match="made no file that fits .*smaller network"):
        convert(run, data, target="imx500")


def test_layers_of_this_package_are_refused(tmp_path):
    from corallite.train.framework.keras import keras
    from corallite.train.models.channel_slice import ChannelSlice

    image = keras.Input((8, 8, 4))
    path = tmp_path / "model.h5"
    keras.Model(image, ChannelSlice(0, 2)(image)).save(path)
    with pytest.raises(RequestError, match="has layers that the tools of the IMX500"):
        imx500._require_plain_layers(path)


@pytest.mark.skipif(not RUNTIMES, reason="runs in make test-runtimes")
@pytest.mark.parametrize("name", ["rknn", "imx500"])
def test_the_toolkit_takes_the_model(small_copy, monkeypatch, name):
    if name == "imx500" and not shutil.which("java"):
        pytest.skip("needs Java")
    monkeypatch.setenv("XDG_CACHE_HOME", RUNTIMES)
    run, data = open_run(small_copy)
    stage = convert(run, data, target=name)
    assert all(path.stat().st_size > 0 for path in stage.list_files())
    compared = read_comparison(stage)
    assert compared is not None and compared.passed
