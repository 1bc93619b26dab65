"""The wheel: built, installed with its requirements only, and used."""

import json
import os
import shutil
import site
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
EXPLAIN = ROOT / "tests" / "fixtures" / "explain_programs.py"
PACKAGES = ("device", "train", "optimize", "convert")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Builds the wheel from a copy, because a stale build/ would add files."""
    source = tmp_path_factory.mktemp("source")
    for package in (*PACKAGES, "examples"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, source / package, ignore=ignored)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", "dist"]
    run([sys.executable, "-m", "pip", "wheel", *options, "."], cwd=source)
    (built,) = (source / "dist").glob("*.whl")
    return built


def make_environment(folder: Path, wheel: Path) -> Path:
    """Returns the site-packages of a new environment with only the wheel in it."""
    venv.create(folder, with_pip=False)
    python = str(folder / "bin" / "python")
    options = ["--no-deps", "--no-index", "--quiet"]
    pip = [sys.executable, "-m", "pip", "--python", python]
    run([*pip, "install", *options, str(wheel)], cwd=folder)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    return site_packages


@pytest.fixture(scope="module")
def full_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and all packages of the tests.

    A .pth file makes the packages of this environment importable without a download.
    It excludes the editable install, which is a .pth file too.
    """
    folder = tmp_path_factory.mktemp("full")
    site_packages = site.getsitepackages()[0]
    (make_environment(folder, wheel) / "tests.pth").write_text(site_packages + "\n")
    return folder


@pytest.fixture(scope="module")
def device_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and links to its requirements without extras."""
    folder = tmp_path_factory.mktemp("device")
    site_packages = make_environment(folder, wheel)
    for name in closure(["corallite"]) - {"corallite"}:
        for entry in top_level(name):
            link = site_packages / entry.name
            if not link.exists():
                link.symlink_to(entry)
    return folder


def closure(wanted: list[str]) -> set[str]:
    """Returns the names of all distributions that `wanted` needs without extras."""
    seen: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        required = map(Requirement, metadata.requires(name) or [])
        wanted += [
            requirement.name
            for requirement in required
            if not requirement.marker or requirement.marker.evaluate({"extra": ""})
        ]
    return seen


def top_level(name: str) -> set[Path]:
    """Returns the files and folders of a distribution in site-packages."""
    distribution = metadata.distribution(name)
    heads = {file.parts[0] for file in distribution.files or []}
    root = Path(str(distribution.locate_file("")))
    return {root / head for head in heads - {"..", "__pycache__"}}


def run(command: list[str], cwd: Path) -> str:
    """Runs a command that must succeed; returns its stdout."""
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONPATH"
    }
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def modules_of(wheel_environment: Path) -> list[str]:
    """Returns all but the programs for other machines, in `examples`."""
    (site_packages,) = wheel_environment.glob("lib/python*/site-packages")
    top = site_packages / "corallite"
    files = (path for name in PACKAGES for path in (top / name).rglob("*.py"))
    dotted = [
        ".".join(file.relative_to(site_packages).with_suffix("").parts)
        for file in files
    ]
    return sorted(module.removesuffix(".__init__") for module in dotted)


def test_wheel_has_every_module_and_each_imports(full_environment: Path) -> None:
    modules = modules_of(full_environment)
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(modules) == len(files)
    library = [name for name in modules if not name.endswith("_main")]
    check = "; ".join(f"import {name}" for name in library)
    where = "import corallite.device.system.errors as e; print(e.__file__)"
    python = str(full_environment / "bin" / "python")
    imported_from = run([python, "-c", f"{check}; {where}"], cwd=full_environment)
    assert imported_from.startswith(str(full_environment))


def test_wheel_has_the_sources_in_cpp(full_environment: Path) -> None:
    code = (
        "from corallite.convert.export.targets import cpp; print(*cpp.read_sources())"
    )
    python = str(full_environment / "bin" / "python")
    found = run([python, "-c", code], cwd=full_environment).split()
    folder = ROOT / "examples" / "cpp"
    assert sorted(found) == sorted(path.name for path in folder.iterdir())


def test_every_program_of_the_wheel_has_help(full_environment: Path) -> None:
    python = str(full_environment / "bin" / "python")
    programs = [name for name in modules_of(full_environment) if name.endswith("_main")]

    command = [python, str(EXPLAIN), "--help", *programs]
    texts = json.loads(run(command, cwd=full_environment))
    assert len(texts) > 10
    assert {name for name, text in texts.items() if "--" not in text} == set()


def test_console_script_lists_the_verbs(full_environment: Path) -> None:
    command = str(full_environment / "bin" / "corallite")
    usage = run([command, "--help"], cwd=full_environment)
    for verb in ("train", "prune", "quantize", "convert", "evaluate", "classify"):
        assert f"\n  {verb} " in usage


def test_device_install_classifies_without_tensorflow(device_environment: Path) -> None:
    python = str(device_environment / "bin" / "python")
    missing = "import importlib.util as u; print(u.find_spec('tensorflow'))"
    assert run([python, "-c", missing], cwd=device_environment) == "None\n"

    command = str(device_environment / "bin" / "corallite")
    text = run([command, "classify", "--help"], cwd=device_environment)
    assert "--source" in text


def test_device_install_teaches_without_tensorflow(
    device_environment: Path, squares_dir: Path, tmp_path: Path
) -> None:
    """The network is in the wheel."""
    command = [str(device_environment / "bin" / "corallite"), "teach"]
    model = tmp_path / "model.tflite"
    flags = [f"--photos={squares_dir}", f"--model={model}"]
    shown = run([*command, *flags], cwd=tmp_path)
    assert "180 photos of 3 classes" in shown and model.exists()


def test_device_modules_import_from_the_plain_install(device_environment: Path) -> None:
    modules = [
        name
        for name in modules_of(device_environment)
        if name.startswith("corallite.device")
        and not name.endswith("_main")
        # The packages of the extras `serve` and `fleet` are not installed.
        and not name.startswith("corallite.device.serve.")
        and name != "corallite.device.channel.poll"
    ]
    check = "; ".join(f"import {name}" for name in modules)
    run([str(device_environment / "bin" / "python"), "-c", check], device_environment)


def test_training_verb_of_a_device_install_names_the_extra(
    device_environment: Path,
) -> None:
    command = [str(device_environment / "bin" / "corallite"), "train", "--help"]
    done = subprocess.run(
        command, cwd=device_environment, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert ".[train]" in done.stderr
