"""Environments of tools, from a local index of tiny wheels instead of the network."""

import platform
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from corallite.convert.export import environment
from corallite.convert.export.environment_list import ENVIRONMENTS, Environment
from corallite.device.system import files
from corallite.device.system.errors import RequestError

TOOL = Environment("tool", ("tiny-tool==1.0",), 1)
# A package in two versions; its module says which, and does what it is asked for.
CODE = """import sys, time
VERSION = "{version}"
if __name__ == "__main__":
    print("starting", file=sys.stderr)
    if sys.argv[1:] == ["hang"]:
        time.sleep(600)
    if sys.argv[1:] == ["fail"]:
        sys.exit("The model has no outputs.")
    print(VERSION, *sys.argv[1:])
"""


def write_wheel(folder: Path, version: str) -> None:
    info = f"tiny_tool-{version}.dist-info"
    with zipfile.ZipFile(
        folder / f"tiny_tool-{version}-py3-none-any.whl", "w"
    ) as wheel:
        wheel.writestr("tiny_tool.py", CODE.format(version=version))
        wheel.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: tiny-tool\nVersion: {version}\n",
        )
        wheel.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
            "Tag: py3-none-any\n",
        )
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture(autouse=True)
def index(tmp_path, monkeypatch):
    """The folder of wheels that pip takes packages from; the cache folder is empty."""
    folder = tmp_path / "index"
    folder.mkdir()
    for version in ("1.0", "2.0"):
        write_wheel(folder, version)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setitem(ENVIRONMENTS, "tool", TOOL)
    return folder


def call(*arguments, timeout_s=600.0):
    return environment.run("tool", ("-m", "tiny_tool", *arguments), timeout_s=timeout_s)


def made():
    return sorted((files.cache_folder() / "environments").glob("[!.]*/"))


@pytest.mark.slow
def test_an_environment_is_made_once_and_has_the_pinned_version(index):
    assert call("a", "b c") == "1.0 a b c\n"
    (folder,) = made()
    assert list(folder.parent.glob(".*")) == []  # Nothing half-made is left.
    shutil.rmtree(index)  # It is not installed again.
    assert call() == "1.0\n"
    assert made() == [folder]


@pytest.mark.slow
def test_packages_of_this_process_are_not_seen(tmp_path, monkeypatch):
    (tmp_path / "tiny_tool.py").write_text("VERSION = 'ours'")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code = "import tiny_tool, importlib.util as u; print(tiny_tool.VERSION, "
    code += "u.find_spec('numpy'))"
    assert environment.run("tool", ("-c", code), timeout_s=600) == "1.0 None\n"


@pytest.mark.slow
def test_another_version_gets_another_environment(monkeypatch):
    assert call() == "1.0\n"
    newer = Environment("tool", ("tiny-tool==2.0",), 1)
    monkeypatch.setitem(ENVIRONMENTS, "tool", newer)
    assert call() == "2.0\n"
    assert len(made()) == 2


@pytest.mark.slow
def test_a_failing_and_a_hanging_tool_are_reported():
    with pytest.raises(RequestError) as failed:
        call("fail")
    expected = (
        rf"tool failed with status 1 \(The model has no outputs\); if .*{made()[0]}"
    )
    assert re.match(expected, str(failed.value))
    with pytest.raises(RequestError, match="tool was ended after 1 s; run"):
        call("hang", timeout_s=1)


@pytest.mark.slow
def test_a_failed_installation_leaves_nothing(index):
    (wheel,) = index.glob("*1.0*")
    wheel.unlink()
    with pytest.raises(
        RequestError,
        match=r"tiny-tool==1\.0 cannot be installed \(No matching distribution found "
        r"for tiny-tool==1\.0\); check the network",
    ):
        call()
    assert made() == []
    write_wheel(index, "1.0")
    assert call() == "1.0\n"


@pytest.mark.slow
def test_what_a_killed_installation_left_is_removed():
    folder = environment._locate(TOOL, sys.executable)
    half = folder.parent / f".{folder.name}.0123456789ab.part"
    (half / "bin").mkdir(parents=True)
    assert call() == "1.0\n"
    assert not half.exists()


@pytest.mark.slow
def test_an_environment_whose_python_is_gone_is_made_again():
    call()
    python = made()[0] / "bin" / "python"
    python.unlink()
    python.symlink_to("/usr/bin/python-that-was-removed")
    assert call() == "1.0\n"


IN_ANOTHER_PROCESS = """
from corallite.convert.export import environment as e
e.ENVIRONMENTS["tool"] = e.Environment("tool", ("tiny-tool==1.0",), 1)
print(e.run("tool", ("-m", "tiny_tool"), timeout_s=600), end="")
"""


@pytest.mark.slow
def test_of_two_processes_one_makes_it_and_both_use_it():
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", IN_ANOTHER_PROCESS],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    assert [x.communicate()[0] for x in processes] == ["1.0\n", "1.0\n"]
    assert len(made()) == 1


def test_a_full_disk_is_reported_before_anything_is_written(monkeypatch):
    huge = Environment("tool", ("tiny-tool==1.0",), 1 << 40)
    monkeypatch.setitem(ENVIRONMENTS, "tool", huge)
    with pytest.raises(
        RequestError, match=r"it takes \d+ MiB, of which \d+ are free\); make room"
    ):
        call()
    assert made() == []


def test_a_cache_folder_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(RequestError, match=r"\(Not a directory\); .* XDG_CACHE_HOME"):
        call()


def test_a_missing_python_is_named(monkeypatch):
    old = Environment("tool", ("tiny-tool==1.0",), 1, ("2.6", "2.5"))
    monkeypatch.setitem(ENVIRONMENTS, "tool", old)
    with pytest.raises(RequestError, match=r"needs Python 2\.6 or 2\.5, and this is 3"):
        call()


def test_a_machine_without_wheels_is_refused(monkeypatch):
    other = Environment("tool", TOOL.requirements, 1, machines=("pdp11",))
    monkeypatch.setitem(ENVIRONMENTS, "tool", other)
    own = platform.machine()
    expected = f"tool has packages for pdp11 only, and this machine is {own}; copy"
    with pytest.raises(RequestError, match=expected):
        call()
    assert made() == []
    own_kind = Environment("tool", TOOL.requirements, 1, machines=("pdp11", own))
    environment._require_machine(own_kind)


def test_a_python_that_cannot_create_environments_is_reported(tmp_path, monkeypatch):
    python = tmp_path / "python2.6"
    python.write_text("#!/bin/sh\necho 'No module named venv' >&2; exit 1\n")
    python.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    old = Environment("tool", ("tiny-tool==1.0",), 1, ("2.6",))
    monkeypatch.setitem(ENVIRONMENTS, "tool", old)
    with pytest.raises(
        RequestError, match=r"cannot create .* \(No module named venv\); install"
    ):
        call()
    assert made() == []


def test_every_version_is_exact():
    for listed in ENVIRONMENTS.values():
        assert all("==" in x for x in listed.requirements)
