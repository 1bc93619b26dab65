"""One trial of a search: a brief training of one network."""

import dataclasses
import shutil
import socket
from pathlib import Path
from typing import Any

import optuna
from absl import logging
from optuna.trial import TrialState

from corallite.convert.search import study as studies
from corallite.convert.search.claim import claim
from corallite.convert.search.plan import Plan
from corallite.convert.search.prepare import Prepared
from corallite.convert.search.study import describe_result, open_study
from corallite.device.system.errors import RequestError
from corallite.train.data.load import ImageData, load_data
from corallite.train.framework.keras import keras
from corallite.train.models.network import Network, parse_network
from corallite.train.runs.commands import TRIAL
from corallite.train.runs.recipe import FROM_SCRATCH
from corallite.train.training.fit import fit
from corallite.train.training.initialization import initialize
from corallite.train.training.objectives import classify
from corallite.train.training.recipe import AUTO_WEIGHTS, settle

# Of the training split. More take hours and change the order of networks little.
_MOST_IMAGES = 50_000
# One that was killed as often, as for lack of memory, is given up.
_MOST_ATTEMPTS = 3
# Where limits are low, most shapes are too large at their least widths, and the sampler
# does not learn that. After so many in a row, one that is not is drawn at random.
_MOST_REFUSED = 30


def run_trial(plan: Plan, prepared: Prepared) -> str | None:
    """Resumes a trial of this folder that was interrupted, or trains another network.

    Returns:
        Why the training failed; "" if it did not; None if there are enough trials.

    Raises:
        RequestError: The storage or the images cannot be used.
        KeyboardInterrupt: A signal stopped it; the next call resumes.
    """
    study = open_study(plan, prepared)
    for trial in _list_interrupted(study, plan):
        with claim(_folder(plan, trial)) as is_ours:
            if is_ours and not _is_finished(trial):
                return _train(study, trial, plan, prepared)
    if len(studies.list_results(study)) >= plan.trials:
        return None
    trial = _begin(study, prepared)
    with claim(_folder(plan, trial)):
        # Only now: another process must not take it for one that was interrupted.
        trial.set_user_attr(studies.PLACE, _describe_place(plan))
        return _train(study, trial, plan, prepared)


def _list_interrupted(study: optuna.Study, plan: Plan) -> list[optuna.Trial]:
    """Returns the running trials of this folder, of other processes as well."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    place = _describe_place(plan)
    ours = [x for x in running if x.user_attrs.get(studies.PLACE) == place]
    return [optuna.Trial(study, x._trial_id) for x in ours]


def _describe_place(plan: Plan) -> str:
    return f"{socket.gethostname()}:{plan.run_dir.resolve()}"


def _folder(plan: Plan, trial: optuna.Trial) -> Path:
    return plan.run_dir / "trials" / f"{TRIAL}{trial.number}"


def _is_finished(trial: optuna.Trial) -> bool:
    return trial.storage.get_trial(trial._trial_id).state.is_finished()


def _begin(study: optuna.Study, prepared: Prepared) -> optuna.Trial:
    """Returns a new trial with a network within the limits."""
    refused = 0
    while True:
        if refused == _MOST_REFUSED:
            study.enqueue_trial(prepared.space.draw_choices(prepared.prices))
            refused = 0
        trial = study.ask()
        if studies.NETWORK in trial.user_attrs:
            return trial
        choice = prepared.space.suggest(trial)
        found = prepared.space.enlarge(*choice, prepared.prices)
        if found is not None:
            for name, value in studies.describe(found.network, found.costs).items():
                trial.set_user_attr(name, value)
            return trial
        study.tell(trial, state=TrialState.FAIL)
        refused += 1


def _train(
    study: optuna.Study, trial: optuna.Trial, plan: Plan, prepared: Prepared
) -> str:
    attempts = trial.user_attrs.get(studies.ATTEMPTS, 0)
    if attempts >= _MOST_ATTEMPTS:
        study.tell(trial, state=TrialState.FAIL)
        return f"trial {trial.number} was killed {attempts} times"
    trial.set_user_attr(studies.ATTEMPTS, attempts + 1)
    network = parse_network(trial.user_attrs[studies.NETWORK])
    data = _limit(load_data(plan.images(network.size_hw[0])))
    try:
        is_whole = _fit(network, data, trial, plan)
    except RequestError as error:
        study.tell(trial, state=TrialState.FAIL)
        # What it says to do is for a training alone.
        return str(error).partition(";")[0]
    except KeyboardInterrupt:
        trial.set_user_attr(studies.ATTEMPTS, attempts)
        raise
    known = trial.storage.get_trial(trial._trial_id).intermediate_values
    if is_whole:
        study.tell(trial, max(known.values()))
    else:
        study.tell(trial, state=TrialState.PRUNED)
    shutil.rmtree(_folder(plan, trial))
    _log(study, trial.number, plan.trials)
    return ""


def _fit(network: Network, data: ImageData, trial: optuna.Trial, plan: Plan) -> bool:
    """Trains a network; returns whether it was not worse than others before the end."""
    # The fork may not use a GPU.
    recipe = dataclasses.replace(
        plan.train, epochs=plan.trial_epochs, mixed_precision=False
    )
    recipe = settle(recipe, FROM_SCRATCH, data.splits["train"])
    keras.utils.set_random_seed(recipe.seed)
    start = initialize(network, AUTO_WEIGHTS)
    model = start.build(len(data.class_names))
    inputs = {**network.to_json(), **start.to_json()}
    inputs["recipe"] = dataclasses.asdict(recipe)
    try:
        fit(
            model,
            data,
            recipe,
            _folder(plan, trial),
            objective=classify(data, recipe),
            inputs=inputs,
            callbacks=[_Report(trial, recipe.epochs)],
            keep_best=False,
        )
    except _WorseError:
        return False
    return True


def _limit(data: ImageData) -> ImageData:
    """Returns the data with at most 50,000 training images."""
    train = data.splits["train"]
    step = -(-len(train.labels) // _MOST_IMAGES)
    if step == 1:
        return data
    return dataclasses.replace(data, splits={**data.splits, "train": train.thin(step)})


class _WorseError(Exception):
    """A network is worse than most others were after as many epochs."""


class _Report(keras.callbacks.Callback):
    """Tells the study the accuracy of each epoch, and whether that is too low."""

    def __init__(self, trial: optuna.Trial, epochs: int):
        super().__init__()
        known = trial.storage.get_trial(trial._trial_id).intermediate_values
        self._best = max(known.values(), default=0.0)
        self._trial = trial
        self._epochs = epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        self._best = max(self._best, float(logs["val_accuracy"]))
        self._trial.report(self._best, epoch + 1)
        if epoch + 1 < self._epochs and self._trial.should_prune():
            raise _WorseError


def _log(study: optuna.Study, number: int, most: int) -> None:
    results = studies.list_results(study)
    (result,) = (x for x in results if x.number == number)
    end = "" if result.is_whole else f", ended after {result.epochs} epochs"
    best = studies.find_best(results, 1)
    shown = f"; best {best[0].accuracy:.4f} (trial {best[0].number})" if best else ""
    logging.info(
        "Trial %d: %s, accuracy %.4f%s; %d of %d trials%s.",
        number,
        describe_result(result),
        result.accuracy,
        end,
        len(results),
        most,
        shown,
    )
