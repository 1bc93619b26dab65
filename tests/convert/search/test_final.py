"""The best networks are trained once, by whichever process comes first."""

from typing import Any

import pytest

from corallite.convert.search import final
from corallite.convert.search.final import Final, train_fully
from corallite.convert.search.study import TrialResult
from corallite.train.models.network import Network

NETWORK = Network("resnet8", 1.0, (32, 32))


def result(number):
    return TrialResult(number, NETWORK, {}, 0.5, 9, is_whole=True, is_hand_made=False)


@pytest.fixture
def others_train(monkeypatch, tmp_path):
    """Makes another process train some trials until they were asked for so often."""

    def others_train(times):
        def train(plan, prepared, result):
            asked = tmp_path / f"{result.number}"
            count = len(asked.read_text()) if asked.exists() else 0
            asked.write_text("." * (count + 1))  # Each runs in a process of its own.
            if count < times.get(result.number, 0):
                return None
            return Final(result.number, "", validation=result.number / 10)

        monkeypatch.setattr(final, "_train", train)

    return others_train


def test_what_another_process_finished_meanwhile_is_a_result(others_train):
    others_train({2: 1, 3: 5})
    unused: Any = None  # The stand-in takes neither plan nor images.
    found, others = train_fully(unused, unused, [result(2), result(1), result(3)])
    assert [x.trial for x in found] == [2, 1]  # The most accurate one comes first.
    assert others == [3]
