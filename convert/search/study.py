"""The trials of a search, in a storage that several processes can share."""

import contextlib
import dataclasses
import hashlib
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from corallite.convert.search.plan import Plan
from corallite.convert.search.prepare import Prepared
from corallite.device.system.errors import RequestError
from corallite.train.models.network import Network, describe_network, parse_network

# What a trial has in its user attributes.
NETWORK, COSTS, HAND_MADE = "network", "costs", "hand_made"
PLACE, ATTEMPTS = "place", "attempts"
_STUDY_FILE = "study.journal"
_MACHINE = "machine"
# Of opening the storage, and seconds between.
_REPEATS, _WAIT_S = 3, 1.0
# Trials that are drawn at random, before some are worth imitating.
_RANDOM_TRIALS = 10
# Epochs before the first trials end. Of seven networks on CIFAR-10, the accuracies
# after one epoch had a rank correlation of 0.54 with those after nine, and those after
# three had 0.71.
_FIRST_RUNG, _REDUCTION = 3, 3
# Trials that were begun and were not refused.
_TRAINED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """What is known of a trial that was trained.

    Attributes:
        number: Of the trial.
        network: What was trained.
        costs: By name, see `Prices.add_up`.
        accuracy: On the validation split, the best of all epochs, 0 to 1.
        epochs: How many were trained.
        is_whole: Whether these were all; otherwise it was worse than others by then.
        is_hand_made: Whether the network is a published one.
    """

    number: int
    network: Network
    costs: dict[str, float]
    accuracy: float
    epochs: int
    is_whole: bool
    is_hand_made: bool


def open_study(plan: Plan, prepared: Prepared) -> optuna.Study:
    """Opens the study of a search; begins it if there is none.

    Its name is a hash of the settings and the images, so processes with the same
    command share a study, and one storage may have several.

    Raises:
        RequestError: The storage cannot be opened, or its study has the latencies of
            another machine.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    settings = {**plan.to_json(), "images": prepared.fingerprint}
    # Where the file is says nothing; its content is hashed too.
    settings["board"] = plan.budget.to_json().get("latencies", plan.budget.board)
    text = json.dumps(settings, sort_keys=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=_RANDOM_TRIALS, multivariate=True, group=True
        )
    study = _reporting(
        plan,
        lambda: optuna.create_study(
            storage=_open_storage(plan),
            study_name=f"corallite-{hashlib.sha256(text.encode()).hexdigest()[:12]}",
            direction="maximize",
            load_if_exists=True,
            sampler=sampler,
            pruner=optuna.pruners.SuccessiveHalvingPruner(
                min_resource=_FIRST_RUNG, reduction_factor=_REDUCTION
            ),
        ),
    )
    _require_machine(study, prepared.machine)
    if not study.get_trials(deepcopy=False):
        for candidate in prepared.space.list_hand_made(prepared.prices):
            attributes = describe(candidate.network, candidate.costs)
            study.enqueue_trial({}, user_attrs={**attributes, HAND_MADE: True})
    return study


def describe(network: Network, costs: dict[str, float]) -> dict[str, Any]:
    """Returns the attributes of a trial."""
    return {NETWORK: describe_network(network), COSTS: costs}


def list_results(study: optuna.Study) -> list[TrialResult]:
    """Returns the trials that were trained, in the order in which they were begun."""
    trials = study.get_trials(deepcopy=False, states=_TRAINED)
    return [_read(trial) for trial in trials if trial.intermediate_values]


def find_best(results: list[TrialResult], count: int) -> list[TrialResult]:
    """Returns the most accurate networks of whole trials, each once."""
    found: dict[str, TrialResult] = {}
    for result in sorted(results, key=lambda x: (-x.accuracy, x.number)):
        if result.is_whole:
            found.setdefault(json.dumps(describe_network(result.network)), result)
    return list(found.values())[:count]


def _read(trial: FrozenTrial) -> TrialResult:
    attributes = trial.user_attrs
    return TrialResult(
        number=trial.number,
        network=parse_network(attributes[NETWORK]),
        costs=attributes[COSTS],
        accuracy=max(trial.intermediate_values.values()),
        epochs=max(trial.intermediate_values),
        is_whole=trial.state is TrialState.COMPLETE,
        is_hand_made=bool(attributes.get(HAND_MADE)),
    )


def _open_storage(plan: Plan) -> optuna.storages.BaseStorage:
    storage = plan.storage
    if storage is not None and "://" in storage:
        return optuna.storages.RDBStorage(storage)
    path = Path(storage) if storage else plan.run_dir / _STUDY_FILE
    return optuna.storages.JournalStorage(JournalFileBackend(str(path)))


def _reporting(plan: Plan, work: Callable[[], optuna.Study]) -> optuna.Study:
    """Returns what `work` returns; makes errors of the storage one sentence.

    Which ones a database raises depends on its driver. It is tried again: two processes
    that begin at once may both create the tables, and one fails.
    """
    for _ in range(_REPEATS):
        with contextlib.suppress(Exception):
            return work()
        time.sleep(_WAIT_S)
    try:
        return work()
    except Exception as error:
        raise _unusable(plan, error) from error


def _unusable(plan: Plan, error: Exception) -> RequestError:
    reason = str(error).strip().splitlines()[0] if str(error) else repr(error)
    return RequestError(
        f"--storage={plan.storage or plan.run_dir / _STUDY_FILE} cannot be used "
        f"({reason}); check the address, that the server runs, and that its driver is "
        "installed (for PostgreSQL: pip install 'psycopg[binary]')."
    )


def _require_machine(study: optuna.Study, machine: str) -> None:
    known = study.user_attrs.get(_MACHINE)
    if known is None:
        study.set_user_attr(_MACHINE, machine)
    elif known != machine:
        raise RequestError(
            f"The trials of this storage have the latencies of {known}, and this is "
            f"{machine}; give the same --board=FILE on all machines."
        )


def describe_result(result: TrialResult) -> str:
    """Returns the network of a trial and its costs, as part of a sentence."""
    network, side = result.network, result.network.size_hw[0]
    name = f"published {network.model}" if result.is_hand_made else network.model
    return f"{name}, {side} pixels, {format_costs(result.costs)}"


def format_costs(costs: dict[str, float]) -> str:
    """Returns costs as part of a sentence."""
    shown = [f"{costs['macs'] / 1e6:.2f} M MACs", f"{costs['bytes']:,.0f} bytes"]
    if "latency_ms" in costs:
        shown.append(f"{costs['latency_ms']:.3f} ms")
    return ", ".join(shown)
