"""Derives the commands that reproduce a run from its records."""

from pathlib import Path
from typing import Any

from corallite.convert.accuracy.comparison import MAX_DROP
from corallite.convert.report.facts import Facts, StageRecord
from corallite.train.runs.commands import (
    find_first_verb,
    format_command,
    list_flags,
    list_run_flags,
)

# Flags of an adopted model whose values are paths.
_PATHS = ("model", "labels")


def list_commands(facts: Facts) -> list[str]:
    """Returns a command for each stage, and the one that reports.

    They have only settings that are not the default. Paths are shortened to names.
    """
    run_dir = {"run_dir": facts.run_dir}
    commands = [
        format_command(
            _name_verb(stage, facts), {**run_dir, **_list_flags(stage, facts)}
        )
        for stage in facts.finished
    ]
    split = {} if facts.split == "test" else {"part": facts.split}
    return [*commands, format_command("report", {**run_dir, **split})]


def _name_verb(stage: StageRecord, facts: Facts) -> str:
    if stage.kind.parents:
        return stage.kind.verb
    return find_first_verb({"network": facts.network})


def _list_flags(stage: StageRecord, facts: Facts) -> dict[str, Any]:
    if not stage.kind.parents:
        settings = {"data_dir": facts.data_name, "weights": facts.weights_name}
        network = dict(facts.network)
        if "file" in network:
            network["file"] = Path(network["file"]).name
        made = list_run_flags({"network": network, **settings})
        paths = {x: Path(made[x]).name for x in _PATHS if x in made}
        return {**made, **paths}
    flags = list_flags(stage.kind, stage.metrics["inputs"])
    limit = facts.accuracy
    if limit and "method" in flags and limit.max_drop != MAX_DROP.get(limit.method):
        flags["max_drop"] = limit.max_drop
    return flags
