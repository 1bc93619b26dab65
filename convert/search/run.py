"""Searches: brief trainings until the budget is spent, then full ones of the best."""

import functools
import time
from pathlib import Path

from absl import logging

from corallite.convert.search.final import train_fully
from corallite.convert.search.in_process import DiedError, do_in_process
from corallite.convert.search.plan import Plan
from corallite.convert.search.prepare import Prepared, prepare
from corallite.convert.search.results import Outcome, write_page
from corallite.convert.search.study import (
    TrialResult,
    find_best,
    list_results,
    open_study,
)
from corallite.convert.search.trial import run_trial
from corallite.device.system.errors import RequestError

KEPT = 3
# In a row. A single network may diverge, or need too much memory.
_MOST_FAILURES = 3


def search(plan: Plan) -> tuple[Outcome, Path]:
    """Searches until the budget is spent; resumes what was interrupted.

    Several processes may search together, in one folder or with one storage. Each
    trial is trained in a process of its own; one that is killed is begun again.

    Args:
        plan: The search.

    Returns:
        What was found, and the path of the page about it.

    Raises:
        RequestError: The request cannot be fulfilled, or several trainings in a row
            failed.
        KeyboardInterrupt: A signal stopped it; the same call resumes.
    """
    prepared = prepare(plan)
    for line in prepared.check.list_lines():
        logging.info("Checked: %s.", line)
    _run_trials(plan, prepared)
    trials = do_in_process(functools.partial(_list_trials, plan, prepared))
    best = find_best(trials, KEPT)
    if not best:
        raise RequestError(
            "No trial was trained to its end; run the same command again with more "
            "--trials or --hours."
        )
    finals, others = train_fully(plan, prepared, best)
    outcome = Outcome(trials, finals, prepared.check, others)
    return outcome, do_in_process(functools.partial(write_page, outcome, plan))


def _run_trials(plan: Plan, prepared: Prepared) -> None:
    began_s, failures = time.monotonic(), 0
    while not _is_late(plan, time.monotonic() - began_s):
        try:
            failure = do_in_process(functools.partial(run_trial, plan, prepared))
        except DiedError as error:
            failure = str(error).partition(";")[0]
        if failure is None:
            return
        failures = failures + 1 if failure else 0
        if failure:
            logging.warning("A trial failed: %s.", failure)
        if failures == _MOST_FAILURES:
            raise RequestError(
                f"{failures} trials in a row failed (the last: {failure}); give a "
                "lower --learning_rate or a smaller --batch_size, and another "
                "--run_dir."
            )


def _is_late(plan: Plan, elapsed_s: float) -> bool:
    return plan.hours is not None and elapsed_s > plan.hours * 3600


def _list_trials(plan: Plan, prepared: Prepared) -> list[TrialResult]:
    return list_results(open_study(plan, prepared))
