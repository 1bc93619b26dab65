"""Metrics of a camera, an accelerator and their times."""

import pytest

from corallite.device.engine.classifier import Prediction
from corallite.device.loop.classify_frames import Result
from corallite.device.serve.backend.metrics import Metrics
from corallite.device.serve.backend.schemas import (
    BoardBody,
    BoxBody,
    ResultBody,
    SourceBody,
    StateBody,
    StatusBody,
)

MODEL = StatusBody(
    model="shufflenet_v2",
    version="3",
    device="cpu",
    state="lost",
    losses=2,
    swaps=4,
    last_error="",
    channel_version="6",
    channel_latest="7",
    channel_state="refused",
    asked={"first": 9, "second": 2},
    answered={"first": 7, "second": 2},
)
SOURCE = SourceBody(
    name="camera 0",
    state="stale",
    frames=70,
    dropped=5,
    skipped=6,
    opened=1,
    failures=7,
    connection_failures=3,
    last_error="",
)
BOX = BoxBody(label="a", score=0.9, box=(0.0, 0.0, 1.0, 1.0))
RESULT = ResultBody(
    frame=1,
    source="camera 0",
    top=[],
    label="a",
    size=(8, 8),
    boxes=[BOX, BOX],
    counts=None,
    active=["a"],
    latency_ms=1.0,
    age_ms=2.0,
    repeated=False,
    seconds_ago=0.0,
)
BOARD = BoardBody(
    temperature_c=None,
    throttled=0x50005,
    frequency_mhz=1500.0,
    load=1.25,
    limit_fps=None,
    limit_reason="",
    policy="both",
)


@pytest.fixture
def lines():
    metrics = Metrics()
    state = StateBody(model=MODEL, source=SOURCE, result=RESULT, board=BOARD)
    metrics.watch(lambda: state, lambda: {"requests_waiting": 3}, lambda: ["a", "b"])
    top = [Prediction("cat", 0.9)]
    result = Result(0, 0.0, "camera 0", top, "cat", latency_ms=30.0, age_ms=60.0)
    metrics.put(result)
    # Its latency is not that of an inference.
    metrics.put(result._replace(frame=1, latency_ms=0.2, repeated=True))
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
        'corallite_channel_info{latest="7",state="refused",version="6"} 1.0',
        "corallite_requests_waiting 3.0",
        "corallite_throttled 327685.0",
        "corallite_cpu_frequency_hertz 1.5e+09",
        "corallite_cpu_load_ratio 1.25",
        "corallite_frames_repeated_total 1.0",
        'corallite_images_asked_total{model="first"} 9.0',
        'corallite_images_answered_total{model="first"} 7.0',
        'corallite_images_answered_total{model="second"} 2.0',
        'corallite_policy{model="both"} 1.0',
        'corallite_policy{model="second"} 0.0',
        'corallite_objects{label="a"} 2.0',
        'corallite_objects{label="b"} 0.0',
        'corallite_latency_seconds_bucket{le="0.02"} 0.0',
        'corallite_latency_seconds_bucket{le="0.05"} 1.0',
        'corallite_frame_age_seconds_bucket{le="0.05"} 0.0',
        'corallite_frame_age_seconds_bucket{le="0.1"} 2.0',
    ],
)
def test_known_value_has_a_line(lines, line):
    assert line in lines


def test_unknown_value_has_no_line(lines):
    assert not [line for line in lines if "temperature_celsius" in line]
