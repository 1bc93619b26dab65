"""The Edge TPU stage of a run: its compiled int8 file."""

import dataclasses
import importlib.metadata
from typing import Any

from corallite.convert.edgetpu.compile.compiler import Options
from corallite.convert.edgetpu.compile.result import Compilation
from corallite.train.runs.kinds import KINDS
from corallite.train.runs.run import Run
from corallite.train.runs.stage import Stage

KIND = KINDS["edgetpu"]


def find_parent(run: Run) -> Stage:
    """Returns the stage whose file is compiled."""
    return run.latest(*KIND.parents)


def read_finished(run: Run, options: Options) -> dict[str, Any] | None:
    """Returns the record of `finish` if its inputs were the same; else None."""
    stage = run.stage(KIND.name)
    record = stage.metrics()
    if not stage.is_complete() or record["inputs"] != _describe_inputs(run, options):
        return None
    return {**record, "compiled": list(map(str, stage.list_files()))}


def finish(run: Run, made: Compilation, options: Options) -> None:
    """Records the inputs and the result of the stage."""
    versions = {
        "corallite": importlib.metadata.version("corallite"),
        "edgetpu_compiler": made.edgetpu.compiler,
    }
    metrics = {**made.to_json(), "versions": versions}
    inputs = _describe_inputs(run, options)
    run.stage(KIND.name).finish(inputs, metrics, find_parent(run))


def _describe_inputs(run: Run, options: Options) -> dict[str, Any]:
    return {**dataclasses.asdict(options), "parent": find_parent(run).sha256()}
