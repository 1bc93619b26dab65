"""The stage of a run that Vela has compiled for an Ethos-U: `exports/ethos_u`."""

import dataclasses
from typing import Any

from corallite.convert.ethos_u.compile_file import Compiled
from corallite.convert.ethos_u.result import format_compilation
from corallite.convert.ethos_u.vela_program import Options
from corallite.device.system import files
from corallite.train.runs.kinds import ETHOS_U, KINDS, find_kind
from corallite.train.runs.run import Run
from corallite.train.runs.stage import Stage

KIND = find_kind(ETHOS_U)
# The inputs of the stage that are options of Vela, with their defaults.
SETTINGS = {
    field.name: field.default
    for field in dataclasses.fields(Options)
    if field.name in KIND.settings
}


def find_parent(run: Run) -> Stage:
    """Returns the stage whose file is compiled."""
    return run.stage(KINDS["int8"].name)


def read_finished(run: Run, options: Options) -> dict[str, Any] | None:
    """Returns the result of the stage if its inputs were the same; else None."""
    stage = run.stage(KIND.name)
    record = stage.metrics()
    if not stage.is_complete() or record["inputs"] != _describe_inputs(run, options):
        return None
    return {**record["result"], "compiled": list(map(str, stage.list_files()))}


def write(run: Run, made: Compiled, options: Options) -> Stage:
    """Writes the compiled file, and finishes the stage."""
    stage = run.stage(KIND.name)
    stage.reopen()
    files.write_bytes(stage.path / made.name, made.content)
    record = {"files": [made.name], "runner": KIND.runner, **describe(made)}
    stage.finish(_describe_inputs(run, options), record, find_parent(run))
    return stage


def describe(made: Compiled) -> dict[str, Any]:
    """Returns what the record of the stage has of a result."""
    result = made.result.to_json()
    del result["compiled"]  # The run may be moved.
    return {"result": result, "notes": format_compilation(made.result).splitlines()}


def _describe_inputs(run: Run, options: Options) -> dict[str, Any]:
    """Returns the same inputs as those of `convert --to=ethos_u`."""
    parent = find_parent(run)
    return {
        "source": parent.name,
        **{name: getattr(options, name) for name in SETTINGS},
        "parent": parent.sha256(),
        "data": parent.metrics()["inputs"].get("data"),
    }
