"""Trains the best networks of a search fully, up to int8 and the accuracy gate."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

from absl import logging

from corallite.convert.accuracy.gate import AccuracyLostError
from corallite.convert.accuracy.record import read_comparison
from corallite.convert.pipeline.run import Recipes, run_pipeline
from corallite.convert.report.write import write_report
from corallite.convert.search.claim import claim
from corallite.convert.search.in_process import DiedError, do_in_process
from corallite.convert.search.plan import Plan
from corallite.convert.search.prepare import Prepared
from corallite.convert.search.study import TrialResult, describe_result
from corallite.device.benchmark.fill_table import measure_whole
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.optimize.slim.latencies import is_file
from corallite.train.models.network import read_network, write_network
from corallite.train.runs.run import Run
from corallite.train.runs.stage import Stage

_FINAL_FILE = "final.json"
_NETWORK_FILE = "network.json"


@dataclasses.dataclass(frozen=True)
class Final:
    """A network that was trained fully.

    Attributes:
        trial: Number of its trial.
        run_dir: Its run.
        measured: Costs of the int8 file: bytes and, if this machine can measure it,
            latency_ms.
        validation: Accuracy of the int8 file on the validation split, 0 to 1.
        top1: Its accuracy on the test split, 0 to 1.
        interval: The 95 % interval of that.
        fault: Why it is no result; "" if it is one.
    """

    trial: int
    run_dir: str
    measured: dict[str, float] = dataclasses.field(default_factory=dict)
    validation: float = 0.0
    top1: float = 0.0
    interval: tuple[float, float] = (0.0, 1.0)
    fault: str = ""

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Final":
        """Returns one from the dict of `dataclasses.asdict`."""
        low, high = content["interval"]
        return cls(**{**content, "interval": (float(low), float(high))})


def train_fully(
    plan: Plan, prepared: Prepared, best: list[TrialResult]
) -> tuple[list[Final], list[int]]:
    """Trains these networks, as far as they are not; the most accurate one comes first.

    Each is a run of its own, so it resumes if interrupted.

    Returns:
        The results; and the numbers of trials that other processes train now.

    Raises:
        RequestError: A stage cannot be made.
        KeyboardInterrupt: A signal stopped it.
    """
    found, others = _train_each(plan, prepared, best)
    # Another process may have finished or left one since.
    more, others = _train_each(plan, prepared, others)
    ranked = sorted([*found, *more], key=lambda x: (bool(x.fault), -x.validation))
    return ranked, [result.number for result in others]


def _train_each(
    plan: Plan, prepared: Prepared, best: list[TrialResult]
) -> tuple[list[Final], list[TrialResult]]:
    """Returns the results, and those that other processes train now."""
    found: list[Final] = []
    others: list[TrialResult] = []
    for result in best:
        work = functools.partial(_train, plan, prepared, result)
        try:
            final = do_in_process(work)
        except DiedError as error:
            raise RequestError(
                f"Training the network of trial {result.number} was killed, perhaps "
                "for lack of memory; give a smaller --batch_size and another --run_dir."
            ) from error
        if final is None:
            others.append(result)
        else:
            found.append(final)
    return found, others


def _train(plan: Plan, prepared: Prepared, result: TrialResult) -> Final | None:
    """Returns the result of a network; None if another process trains it."""
    # Trials of another study have the same numbers.
    known = result.network.to_json().get("config", "published")
    folder = plan.run_dir / "best" / f"trial{result.number}-{known}"
    path = folder / _FINAL_FILE
    with claim(folder.with_name(f"{folder.name}.claim")) as is_ours:
        if not is_ours:
            return None
        if not path.exists():
            logging.info(
                "Training the network of trial %d fully: %s.",
                result.number,
                describe_result(result),
            )
            final = _make(plan, prepared, result, folder)
            files.write_json(path, dataclasses.asdict(final))
        return files.read_record(path, Final.from_json)


def _make(plan: Plan, prepared: Prepared, result: TrialResult, folder: Path) -> Final:
    write_network(result.network, folder / _NETWORK_FILE)
    run = Run.open(folder)
    begun = Final(result.number, str(folder))
    try:
        results, data = run_pipeline(
            plan.data_dir,
            run,
            read_network(folder / _NETWORK_FILE),
            Recipes(train=plan.train, quantize=plan.quantize),
            sparsity=0.0,
            fit_policy=plan.fit_policy,
            group_by=plan.group_by,
        )
    except AccuracyLostError as error:
        return dataclasses.replace(begun, fault=str(error))
    write_report(run, data)
    stage = run.stage("int8")
    measured = _measure(stage, plan, prepared)
    (last,) = (x for x in results if x.stage == stage.name)
    return dataclasses.replace(
        begun,
        measured=measured,
        validation=_find_validation(stage),
        top1=last.evaluation.top1,
        interval=last.evaluation.top1_interval,
        fault=_find_fault(measured, plan),
    )


def _measure(stage: Stage, plan: Plan, prepared: Prepared) -> dict[str, float]:
    path, board = stage.model_path, plan.budget.board
    measured: dict[str, float] = {"bytes": path.stat().st_size}
    if prepared.prices.table is not None and not is_file(board):
        measured["latency_ms"] = measure_whole(path, prepared.prices.table, board)
    return measured


def _find_validation(stage: Stage) -> float:
    comparison = read_comparison(stage)
    if comparison is None:
        return 0.0
    summary = comparison.predictions[stage.name]
    return summary.right / summary.images


def _find_fault(measured: dict[str, float], plan: Plan) -> str:
    most = plan.budget.max_bytes
    if most is not None and measured["bytes"] > most:
        return f"its file has {measured['bytes']:,.0f} bytes, more than {most:,.0f}"
    return ""
