"""The program `doctor` on this machine, and on one with broken packages."""

import json
import os
import subprocess
import sys

import pytest

from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest

MANIFEST = Manifest.of_classifier(
    "tiny", "1", ("red", "green", "blue"), Preprocessing((32, 32))
)


@pytest.fixture(scope="module")
def model(tiny_models, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.tflite"
    path.write_bytes(attach_manifest(tiny_models["uint8"].read_bytes(), MANIFEST))
    return path


@pytest.fixture
def diagnose(tmp_path):
    """A function that runs the program with modules of these names replaced."""

    def diagnose(*flags, **modules):
        for name, code in modules.items():
            folder = tmp_path / "modules" / name
            folder.mkdir(parents=True)
            (folder / "__init__.py").write_text(code)
            (folder / "interpreter.py").write_text(code)
        command = [sys.executable, "-m", "corallite.device.cli.doctor_main", *flags]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path / "modules")}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=200
        )

    return diagnose


def test_json_describes_this_machine_and_the_model(diagnose, model):
    done = diagnose(f"--model={model}", "--json")
    content = json.loads(done.stdout)
    levels = {row["check"]: row["level"] for row in content["findings"]}
    # Of cameras, memory and clock, nothing is known here.
    packages = ("python", "wheels", "numpy", "runtime", "opencv")
    assert {levels[name] for name in packages} == {"ok"}
    assert (levels["run"], levels["manifest"]) == ("ok", "ok")
    assert content["machine"]["model"]["labels"] == 3
    assert content["machine"]["model"]["min_runtime"]
    assert done.returncode == (0 if content["works"] else 1)


def test_broken_numpy_is_one_finding(diagnose):
    done = diagnose(numpy="raise ImportError('built for another machine')")
    assert done.returncode == 1 and done.stderr == ""
    assert "FAIL  numpy" in done.stdout
    assert "(ImportError: built for another machine); pip install --for" in done.stdout
    lines = done.stdout.splitlines()
    assert all(line[:6] in ("ok    ", "warn  ", "FAIL  ") for line in lines)
