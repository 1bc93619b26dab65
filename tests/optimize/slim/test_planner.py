"""Which widths are tried, and that a limit counts all that a file has."""

import numpy as np
import pytest

from corallite.device.system.errors import RequestError
from corallite.optimize.slim.budget import Budget
from corallite.optimize.slim.layer_operators import list_layer_operators
from corallite.optimize.slim.operator_costs import (
    count_bytes,
    count_manifest_bytes,
    count_shared_bytes,
)
from corallite.optimize.slim.planner import Planner, _list_widths
from corallite.optimize.slim.remove_channels import remove_channels
from corallite.optimize.slim.trace_channels import trace_channels
from corallite.train.models import registry


@pytest.mark.parametrize("size", [1, 2, 7, 8, 16, 24, 47, 48, 96, 320, 1280])
def test_widths_are_few_multiples_from_a_quarter_to_all(size):
    widths = _list_widths(size)
    assert widths[-1] == size
    assert 1 <= len(widths) <= 8
    assert widths[0] >= size / 4
    assert (np.diff(widths) > 0).all()
    step = 8 if size >= 48 else 4 if size >= 16 else 2 if size >= 8 else 1
    assert (widths[:-1] % step == 0).all()


@pytest.fixture
def network():
    return registry.build("mobilenet_v2", (32, 32, 3), 10, width=0.2)


def count_file_bytes(model):
    layers = list_layer_operators(model, trace_channels(model))
    operators = [layer.at_full_width for layer in layers]
    shared = count_shared_bytes(operators) + count_manifest_bytes(10)
    return shared + sum(map(count_bytes, operators))


@pytest.mark.parametrize("share", [0.6, 0.8])
def test_bytes_that_operators_share_count(network, tmp_path, share):
    most = share * count_file_bytes(network)
    planner = Planner(network, Budget(max_bytes=most), tmp_path)
    channels = trace_channels(network)
    importance = np.random.default_rng(0).random(channels.size)
    narrow = remove_channels(
        network, channels, planner.choose(channels, importance, 1.0)
    )

    size = count_file_bytes(narrow)
    # The solver counts 1e-6 above a limit as within. Widths have steps of some percent.
    assert 0.95 * most <= size <= most * (1 + 1e-6)
    assert planner.predict(narrow)["bytes"] == pytest.approx(size)
    assert planner.predict(network)["bytes"] == pytest.approx(most / share)


def test_a_limit_below_what_operators_share_is_refused(network, tmp_path):
    with pytest.raises(RequestError, match="within 5,000 bytes; .* it has [0-9,]+ by"):
        Planner(network, Budget(max_bytes=5000), tmp_path)
