"""What Prometheus finds of a camera, an accelerator and their times."""

import pytest

from corallite.device.classifier import Prediction
from corallite.device.loop import Result
from corallite.device.serve.bodies import SourceBody, StateBody, StatusBody
from corallite.device.serve.metrics import Metrics

MODEL = StatusBody(
    model="shufflenet_v2",
    version="3",
    device="cpu",
    state="lost",
    losses=2,
    swaps=4,
    last_error="",
)
SOURCE = SourceBody(
    name="camera 0",
    state="stale",
    frames=70,
    dropped=5,
    skipped=6,
    opened=1,
    failures=7,
    last_error="",
)


@pytest.fixture
def lines():
    metrics = Metrics()
    state = StateBody(model=MODEL, source=SOURCE, result=None, board=None)
    metrics.watch(lambda: state, lambda: {"requests_waiting": 3})
    top = [Prediction("cat", 0.9)]
    metrics.put(Result(0, 0.0, "camera 0", top, latency_ms=30.0, age_ms=60.0))
    return metrics.to_text().decode().splitlines()


@pytest.mark.parametrize(
    "line",
    [
        "corallite_frames_total 70.0",
        "corallite_frames_dropped_total 5.0",
        "corallite_frames_skipped_total 6.0",
        "corallite_frames_failed_total 7.0",
        'corallite_source_state{state="stale"} 1.0',
        'corallite_source_state{state="live"} 0.0',
        "corallite_accelerator_lost 1.0",
        "corallite_accelerator_losses_total 2.0",
        "corallite_model_swaps_total 4.0",
        "corallite_requests_waiting 3.0",
        'corallite_latency_seconds_bucket{le="0.02"} 0.0',
        'corallite_latency_seconds_bucket{le="0.05"} 1.0',
        'corallite_frame_age_seconds_bucket{le="0.05"} 0.0',
        'corallite_frame_age_seconds_bucket{le="0.1"} 1.0',
    ],
)
def test_what_is_known_has_its_line(lines, line):
    assert line in lines
