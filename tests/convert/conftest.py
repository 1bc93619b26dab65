"""Runs the programs of this package without loading TensorFlow for each."""

import json
import os
import subprocess
import sys

import pytest
from fixtures.edgetpu_compiler import docker, network, stand_in
from fixtures.model_writer import (
    check_cut,
    content,
    make_writer,
    status_of_last,
    write_file,
    writer,
)

__all__ = [
    "check_cut",
    "content",
    "docker",
    "make_writer",
    "network",
    "stand_in",
    "status_of_last",
    "write_file",
    "writer",
]

# Reads requests as lines of JSON and runs each in a fork of itself, as the command
# would, but for TensorFlow, which is loaded once.
_SERVER = """
import json, os, sys
import corallite.convert.pipeline.run, corallite.convert.report.write
from corallite.device.cli import command
assert len(os.listdir("/proc/self/task")) == 1, "threads do not survive a fork"
for line in sys.stdin:
    request = json.loads(line)
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, path in ((1, request["stdout"]), (2, request["stderr"])):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
        os.chdir(request["cwd"])
        sys.argv = ["corallite", *request["arguments"]]
        sys.exit(command.main())
    status = os.waitpid(child, 0)[1]
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


class Programs:
    """Runs verbs, each in a process of its own that need not load TensorFlow."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0
        self.server = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # NumPy's and OpenCV's threads would begin with their import.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )

    def run(self, *arguments, cwd=None):
        """Runs `corallite` with arguments; returns what `subprocess.run` would."""
        self.count += 1
        stdout, stderr = (self.folder / f"{self.count}.{x}" for x in ("out", "err"))
        request = {
            "arguments": list(map(str, arguments)),
            "stdout": str(stdout),
            "stderr": str(stderr),
            "cwd": str(cwd or self.folder),
        }
        assert self.server.stdin and self.server.stdout
        print(json.dumps(request), file=self.server.stdin, flush=True)
        status = int(self.server.stdout.readline())
        return subprocess.CompletedProcess(
            arguments, status, stdout.read_text(), stderr.read_text()
        )


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """A `Programs`."""
    programs = Programs(tmp_path_factory.mktemp("programs"))
    yield programs
    programs.server.communicate()
