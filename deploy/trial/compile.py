"""Writes the tests' stand-in of a compiled model: compile.py MODEL COMPILED."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "device"))
import conftest  # noqa: E402

from corallite.device.model.manifest import read_manifest  # noqa: E402

source, target = map(Path, sys.argv[1:])
standin = conftest.EdgeTpu(target.parent, conftest._edgetpu_model)
compiled = standin.compile(source.read_bytes(), read_manifest(str(source)))
target.write_bytes(compiled)
