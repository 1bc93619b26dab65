"""Prepares a search, once per folder: images, latencies, and a check of both."""

import contextlib
import dataclasses
import fcntl
from collections.abc import Iterator
from pathlib import Path

from absl import logging

from corallite.convert.search import check
from corallite.convert.search.check import Check
from corallite.convert.search.in_process import do_in_process
from corallite.convert.search.plan import Plan
from corallite.convert.search.space.candidates import Space
from corallite.convert.search.space.interpolate import list_measured
from corallite.convert.search.space.prices import Prices
from corallite.device.benchmark.layers.operator import Operator
from corallite.device.system import files
from corallite.optimize.slim.latencies import find_latencies, open_table
from corallite.train.data.load import ImageData, prepare_data

# Random shapes whose operators are measured, at all sizes.
_DRAWN = 300
_CHECK_FILE, _LOCK_FILE = "check.json", "prepare.lock"


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What all trials of a search share.

    Attributes:
        space: The networks.
        prices: The limits and the prices.
        check: How good the predictions are.
        fingerprint: Of the images.
        machine: Whose latencies are used; "" if they are not limited.
    """

    space: Space
    prices: Prices
    check: Check
    fingerprint: str
    machine: str


def prepare(plan: Plan) -> Prepared:
    """Prepares a search, or finds what was prepared.

    Several processes may call it at once; the others wait for the first.

    Args:
        plan: The search.

    Raises:
        RequestError: The images cannot be used, the board's latencies are missing, or
            no network is within the limits.
    """
    plan.require_limit()
    open_table(plan.budget.board)  # Before the images are decoded.
    with _alone(plan.run_dir):
        plan.require_same()
        return do_in_process(lambda: _prepare(plan))


def _prepare(plan: Plan) -> Prepared:
    data = [_load(plan, side) for side in plan.sides][0]
    space = Space(plan.families, plan.sides, len(data.class_names))
    prices = _find_prices(plan, space)
    path = plan.run_dir / _CHECK_FILE
    if not path.exists():
        images = data.splits["train"].images_rgb_u8
        folder = plan.run_dir / "check"
        folder.mkdir(exist_ok=True)
        found = check.check_predictions(space, prices, images, folder)
        files.write_json(path, dataclasses.asdict(found))
        plan.record()
    found = files.read_record(path, Check.from_json)
    prices = dataclasses.replace(prices, latency_factor=found.latency_factor)
    machine = prices.table.machine if prices.table else ""
    return Prepared(space, prices, found, data.fingerprint, machine)


def _load(plan: Plan, side: int) -> ImageData:
    run = plan.images(side)
    with run.lock("search"):
        return prepare_data(plan.data_dir, run, plan.preprocessing(side), plan.group_by)


def _find_prices(plan: Plan, space: Space) -> Prices:
    """Returns the prices, after the operators of the space were measured."""
    unpriced = Prices(plan.budget)
    next(space.draw(unpriced))  # Refuses limits that are too low at once.
    if plan.budget.max_latency_ms is None:
        return unpriced
    operators: list[Operator] = []
    if not (plan.run_dir / _CHECK_FILE).exists():
        every = [*space.draw_sizes(unpriced, _DRAWN), *space.list_hand_made(unpriced)]
        operators = list_measured(x for found in every for x in found.operators)
    table = find_latencies(operators, plan.budget.board, plan.run_dir)
    prices = Prices(plan.budget, table)
    next(space.draw(prices))
    return prices


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits until no other process prepares the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK_FILE).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logging.info("Waiting for another process that prepares %s.", folder)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
