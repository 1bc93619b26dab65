"""A stand-in for the Edge TPU compiler, which is not to be had for tests."""

import json
import shlex
import sys
from pathlib import Path

import pytest

from corallite.convert.edgetpu.compiler_program import Program

STAND_IN = Path(__file__).with_name("compiler_stand_in.py")


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


@pytest.fixture
def stand_in(tmp_path):
    """A function that makes a stand-in: settings are those of its `main`."""
    return lambda **settings: StandIn(tmp_path / "compiler", settings)


@pytest.fixture
def network(writer, write_file):
    """Eight operators; the sixth is one that the stand-in can be told to leave."""
    x = writer.input((1, 8, 8, 4))
    for _ in range(5):
        x = writer.conv(x)
    x = writer.operator("HARD_SWISH", [x], None)
    x = writer.conv(writer.conv(x))
    return write_file(writer.content(), "net.tflite")
