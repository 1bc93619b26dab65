"""A stand-in for the Edge TPU compiler, which is not to be had for tests."""

import json
import os
import shlex
import sys
from pathlib import Path

import pytest

from corallite.convert.edgetpu.compiler_program import Program

STAND_IN = Path(__file__).with_name("compiler_stand_in.py")
# Looks into the folder as docker does, and runs the stand-in there.
DOCKER = """\
#!/bin/sh
echo "$@" >> {log}
[ "$1" = kill ] && exit 0
for argument; do
  shift
  case $argument in
    --volume=*) folder=${{argument#--volume=}}; cd "${{folder%%:*}}" ;;
    {image}) exec {compiler} "$@" ;;
  esac
done
echo "Unable to find image locally"; exit 125
"""


class StandIn:
    """A program that behaves as it is told to.

    Attributes:
        path: Of the program.
        program: It, for the library.
        hanging: Written as soon as it hangs: its process number and its child's.
    """

    def __init__(self, folder, settings):
        folder.mkdir(exist_ok=True)
        self._calls = folder / "calls"
        self.path = folder / "edgetpu_compiler"
        self.hanging = folder / "hanging"
        told = json.dumps({"calls": str(self._calls), **settings})
        command = shlex.join([sys.executable, str(STAND_IN), told])
        self.path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        self.path.chmod(0o755)
        self.program = Program(str(self.path))

    def calls(self):
        """Returns the arguments of each call but those that ask for the version."""
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        calls = [json.loads(line) for line in lines]
        return [call for call in calls if call != ["--version"]]

    def running(self):
        """Returns which processes run of those that it wrote into `hanging`."""
        return [n for n in self.hanging.read_text().split() if _is_running(n)]


def _is_running(number):
    """A killed process that nobody has asked for yet does not run."""
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def stand_in(tmp_path):
    """A function that makes a stand-in: settings are those of its `main`."""
    return lambda **settings: StandIn(tmp_path / "compiler", settings)


@pytest.fixture
def docker(tmp_path, stand_in, monkeypatch):
    """A function that puts a docker on the path with a stand-in in image `coral`.

    It returns the file that has a line for each call of docker.
    """

    def make(**settings):
        folder = tmp_path / "bin"
        folder.mkdir()
        log = tmp_path / "docker.log"
        made = stand_in(**settings)
        text = DOCKER.format(log=log, image="coral", compiler=made.path)
        (folder / "docker").write_text(text)
        (folder / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return log

    return make


@pytest.fixture
def network(writer, write_file):
    """Eight operators; the sixth is one that the stand-in can be told to leave."""
    x = writer.input((1, 8, 8, 4))
    for _ in range(5):
        x = writer.conv(x)
    x = writer.operator("HARD_SWISH", [x], None)
    x = writer.conv(writer.conv(x))
    return write_file(writer.content(), "net.tflite")
