"""What a training costs."""

import pytest

from corallite.train.models import cost, registry


@pytest.mark.parametrize(
    ("name", "batch_size", "measured_mib"),
    # As docs/results.md: a training of two steps.
    [("shufflenet_v2", 32, 1417), ("efficientnet_lite0", 8, 1261)],
)
def test_the_memory_of_a_training_is_estimated(name, batch_size, measured_mib):
    model = registry.build(name, (224, 224, 3), 6, width=1.0)
    estimated = cost.estimate_training_bytes(model, batch_size)
    # 30 %: what is asked of the estimate; the batch decides whether a training fits.
    assert estimated / (measured_mib << 20) == pytest.approx(1, abs=0.3)
