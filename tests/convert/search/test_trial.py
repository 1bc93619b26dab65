"""A trial begins with a network within the limits, however few there are."""

import optuna
import pytest

from corallite.convert.search import study as studies
from corallite.convert.search import trial as trials
from corallite.convert.search.check import Check
from corallite.convert.search.prepare import Prepared
from corallite.convert.search.space.candidates import Space
from corallite.convert.search.space.prices import Prices
from corallite.device.system.errors import RequestError
from corallite.optimize.slim.budget import Budget
from corallite.train.models.network import parse_network

# The largest depths of the family: too large for the limit below, at any width.
LARGEST = {f"residual.depth{x}": depth for x, depth in enumerate((2, 4, 4, 3), 1)}


def prepare(max_macs):
    space = Space(("residual",), (32,), 10)
    return Prepared(space, Prices(Budget(max_macs=max_macs)), Check({}), "", "")


class LargestShapes(optuna.samplers.RandomSampler):
    """Never suggests another depth."""

    def sample_independent(self, study, trial, param_name, param_distribution):
        if param_name in LARGEST:
            return LARGEST[param_name]
        return super().sample_independent(study, trial, param_name, param_distribution)


@pytest.fixture
def study():
    """One whose sampler has only large shapes to offer."""
    return optuna.create_study(direction="maximize", sampler=LargestShapes(seed=0))


def test_a_shape_is_drawn_if_those_of_the_sampler_are_too_large(study):
    prepared = prepare(400_000)
    trial = trials._begin(study, prepared)
    network = parse_network(trial.user_attrs[studies.NETWORK])
    assert sum(map(len, network.config.stages)) < sum(LARGEST.values())
    assert 0 < trial.user_attrs[studies.COSTS]["macs"] <= 400_000
    # The sampler can learn from the choices.
    assert trial.params["residual.depth2"] == len(network.config.stages[1])


def test_limits_below_every_network_are_refused(study):
    with pytest.raises(RequestError, match="No network of the space is within"):
        trials._begin(study, prepare(1000))
