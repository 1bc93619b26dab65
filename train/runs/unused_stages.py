"""Warns of stages that a run has and a later stage was not made from."""

from absl import logging

from corallite.train.runs.stage import Stage


def warn_of_unused_stages(stage: Stage) -> None:
    """Warns if a later stage could be the parent of `stage` or of an ancestor."""
    run = stage.run
    for each in run.lineage(stage):
        made_from = each.parent()
        if made_from is None:
            continue
        latest = run.latest(*each.kind.parents)
        if latest != made_from and not latest.is_outdated():
            logging.warning(
                "%s was made from the %s stage, not from the later %s stage; to use "
                "that, run `corallite %s --run_dir=%s` first, or delete %s.",
                each.path,
                made_from.name,
                latest.name,
                each.kind.verb,
                run.path,
                each.path,
            )
