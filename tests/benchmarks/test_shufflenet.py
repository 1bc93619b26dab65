import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures.programs import FEW_UNITS

from corallite.convert.edgetpu.predict.prediction import predict
from corallite.convert.tflite.reader import read_model

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "shufflenet.py"
RUN = PROGRAM.parent / "arm64" / "run_network.py"
OPTIONAL = {"ONNX Runtime": ("onnx", "onnxruntime"), "OpenVINO": ("openvino", "nncf")}


@pytest.mark.slow
def test_shufflenet_benchmark_compares_the_installed_runtimes(tmp_path, programs):
    flags = "--width=0.5 --image_size=32 --rounds=2 --threads=1 "
    flags += f"--files_dir={tmp_path}"
    done = programs.run(PROGRAM, *flags.split(), before=FEW_UNITS)
    assert done.returncode == 0, done.stderr
    forms = [(form, "LiteRT") for form in ("ours", "published", "bound")]
    for title, packages in OPTIONAL.items():
        is_installed = all(map(importlib.util.find_spec, ("onnx", *packages)))
        assert (f"{title} is skipped" in done.stderr) == (not is_installed)
        forms += [("published", title)] if is_installed else []
    expected = [
        f"{form}, {runtime} {kind}"
        for form, runtime in forms
        for kind in ("int8", "float")
    ]
    rows = json.loads(done.stdout.splitlines()[-1])
    assert [row["name"] for row in rows] == expected
    assert rows[0]["ours_to_it"] == [1, 1, 1]
    for row in rows:
        assert row["median_ms"] > 0
        assert row["ours_to_it"] == sorted(row["ours_to_it"])
        assert row["name"] in done.stdout.split("[")[0]
    assert_cut_by_the_shuffle(tmp_path / "published_int8.tflite")
    # The program that instructions.py runs under emulation also runs here.
    for name in ("ours_int8", "published_float"):
        subprocess.run(
            [sys.executable, RUN, tmp_path / f"{name}.tflite", "1"], check=True
        )


def assert_cut_by_the_shuffle(path):
    """Checks that only operators before the first shuffle are mapped."""
    model = read_model(path)
    prediction = predict(model)
    assert prediction.first_cut is not None
    assert prediction.mapped == tuple(range(prediction.first_cut))
    (put_out,) = model.main.operators[prediction.first_cut].outputs
    assert put_out is not None
    assert len(put_out.shape) == 5
    assert "channel shuffle" in (prediction.suggestion or "")
