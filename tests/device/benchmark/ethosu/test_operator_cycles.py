"""Cycles of operators: their sum is that of the network they are in."""

import pytest
from fixtures.operators import SAMPLES

from corallite.device.benchmark.ethosu import vela
from corallite.device.benchmark.ethosu.operator_cycles import (
    estimate_operator,
    estimate_operators,
)
from corallite.device.benchmark.layers.operator import Operator
from corallite.device.benchmark.layers.operator_file import write_operators
from corallite.device.system.errors import RequestError

pytest.importorskip("ethosu.vela")

# An inverted residual, twice, with what is around it.
NETWORK = [
    Operator("uint8_to_int8", 32, 32, (3,), 3),
    Operator("conv", 32, 32, (3,), 16, (3, 3), (2, 2), activation="relu6"),
    *2
    * [
        Operator("conv", 16, 16, (16,), 48, activation="relu6"),
        Operator("depthwise", 16, 16, (48,), 48, (3, 3), activation="relu6"),
        Operator("conv", 16, 16, (48,), 16),
        Operator("add", 16, 16, (16, 16), 16),
    ],
    Operator("pool", 16, 16, (16,), 16),
    Operator("dense", 1, 1, (16,), 10),
    Operator("softmax", 1, 1, (10,), 10),
]


# A U85 merges more, such as an addition into the convolution before it.
@pytest.mark.parametrize(
    ("accelerator", "share"), [("ethos-u55-128", 0.05), ("ethos-u85-256", 0.1)]
)
def test_sum_is_close_to_the_network(accelerator, share):
    table = estimate_operators(NETWORK, accelerator)
    whole = vela.estimate(write_operators(NETWORK), accelerator)
    assert table.predict(NETWORK) == pytest.approx(whole.milliseconds, rel=share)
    assert table.machine == f"{accelerator} (Vela {vela.version()})"


def test_every_kind_has_a_time():
    table = estimate_operators(SAMPLES)
    assert table.missing(SAMPLES) == []
    free = [key for key, ms in table.milliseconds.items() if ms <= 0]
    # Convolutions write where the concatenation lies; a vector lies as its map does.
    assert [key.partition(" ")[0] for key in free] == ["concat", "reshape"]


def test_operator_that_is_not_compiled_is_named(monkeypatch):
    def fail(content, accelerator):
        raise RequestError("Vela does not compile the file: x.")

    monkeypatch.setattr(vela, "estimate", fail)
    with pytest.raises(RequestError, match="^dense 1x1x16>10: Vela does not compile"):
        estimate_operator(NETWORK[-2], "ethos-u55-128")


def test_operator_on_the_cpu_is_refused(monkeypatch):
    layer = vela.Layer("operator_1", "LSTM", is_on_npu=False, cycles=0)
    found = vela.Estimate(9, 5e8, 9, 0, 0, 9, "", "", (layer,))
    monkeypatch.setattr(vela, "estimate", lambda *arguments: found)
    with pytest.raises(RequestError, match="16>10: runs on the CPU beside ethos-u55"):
        estimate_operator(NETWORK[-2], "ethos-u55-128")
