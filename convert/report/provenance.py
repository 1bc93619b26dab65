"""Derives the commands that reproduce a run from its records."""

from pathlib import Path
from typing import Any

from corallite.convert.accuracy.gate import MAX_DROP
from corallite.convert.report.facts import Facts, StageRecord
from corallite.train.runs.commands import format_command, list_flags, list_run_flags


def list_commands(facts: Facts) -> list[str]:
    """Returns a command for each stage, and the one that reports.

    They have only settings that are not the default. Paths are shortened to names.
    """
    run_dir = {"run_dir": facts.run_dir}
    commands = [
        format_command(stage.kind.verb, {**run_dir, **_list_flags(stage, facts)})
        for stage in facts.finished
    ]
    split = {} if facts.split == "test" else {"part": facts.split}
    return [*commands, format_command("report", {**run_dir, **split})]


def _list_flags(stage: StageRecord, facts: Facts) -> dict[str, Any]:
    if not stage.kind.parents:
        settings = {"data_dir": facts.data_name, "weights": facts.weights_name}
        network = dict(facts.network)
        if "file" in network:
            network["file"] = Path(network["file"]).name
        return list_run_flags({"network": network, **settings})
    flags = list_flags(stage.kind, stage.metrics["inputs"])
    limit = facts.accuracy
    if limit and "method" in flags and limit.max_drop != MAX_DROP.get(limit.method):
        flags["max_drop"] = limit.max_drop
    return flags
