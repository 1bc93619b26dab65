"""The compiler in the PATH, in a container, or not installed."""

import os

import pytest

from corallite.convert.edgetpu.compile import compiler_program
from corallite.convert.edgetpu.compile.compile_file import compile_file
from corallite.convert.edgetpu.compile.compiler import Options
from corallite.convert.edgetpu.compile.compiler_program import Program, find_program
from corallite.convert.edgetpu.compile.installation import explain_installation
from corallite.device.system.errors import RequestError


def in_image(name) -> Program:
    found = find_program(image=name)
    assert found is not None
    return found


def test_a_container_has_no_network_and_one_folder(network, docker):
    log = docker()
    made = compile_file(network, network.parent / "out", in_image("coral"))
    assert made.edgetpu.mapped == tuple(range(8))
    commands = log.read_text().splitlines()
    assert all("--network=none" in command for command in commands)
    assert all(command.count("--volume=") == 1 for command in commands)
    assert f"--user={os.getuid()}:{os.getgid()}" in commands[0]


def test_a_container_that_hangs_is_killed_by_its_name(network, docker):
    """The docker client is killed, but the container is not our child process."""
    log, program = docker(hangs=True), in_image("coral")
    # However slowly it starts here.
    for timeout_s in (0.5, 2.0, 8.0, 32.0):
        options = Options(timeout_s=timeout_s)
        compile_file(network, network.parent / "out", program, options, bisect=False)
        if (network.parent / "compiler" / "hanging").exists():
            break
    *_, started, killed = log.read_text().splitlines()
    name = started.partition("--name=")[2].split()[0]
    assert killed == f"kill {name}"


def test_a_missing_image_is_refused(network, docker):
    docker()
    with pytest.raises(RequestError, match="docker cannot run edgetpu_compiler in it"):
        compile_file(network, network.parent, in_image("other"))


def test_a_requested_compiler_must_exist(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_program() is None
    with pytest.raises(RequestError, match="program not found"):
        find_program("edgetpu_compiler_16")
    with pytest.raises(RequestError, match="neither docker nor podman"):
        find_program(image="coral")
    with pytest.raises(RequestError, match="not both"):
        find_program("edgetpu_compiler", "coral")


@pytest.mark.parametrize(
    ("machine", "word"), [("x86_64", "apt-get"), ("aarch64", "docker build")]
)
def test_the_installation_is_for_this_machine(monkeypatch, machine, word):
    monkeypatch.setattr(compiler_program.platform, "machine", lambda: machine)
    assert word in explain_installation()
