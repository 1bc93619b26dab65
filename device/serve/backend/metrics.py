"""Metrics for Prometheus: counters, histograms, and the current state."""

import math
from collections import Counter as Counts
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from corallite.device.loop.classify_frames import Result
from corallite.device.loop.count.counter import INSIDE
from corallite.device.loop.policy import MODELS
from corallite.device.serve.backend import schemas

CONTENT_TYPE = CONTENT_TYPE_LATEST
# From a small network on a PC to a large one on a busy board.
_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_SOURCE_STATES = (
    *("opening", "live", "stale", "reopening", "given up", "ended", "failed"),
)


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        """Starts with empty counters."""
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._latency = self._histogram("latency", "Preprocessing and inference.")
        self._age = self._histogram("frame_age", "Time from capture to result.")
        self._repeated = Counter(
            "corallite_frames_repeated",
            "Frames without inference, because nothing has moved.",
            registry=self._registry,
        )
        self._requests = Counter(
            "corallite_requests",
            "Responses by method, route and status.",
            ("method", "path", "code"),
            registry=self._registry,
        )
        self._request_seconds = Histogram(
            "corallite_request_seconds",
            "Time to classify an image, including waits.",
            buckets=_BUCKETS_S,
            registry=self._registry,
        )

    def put(self, result: Result) -> None:
        """Counts a frame's result; may be called from any thread."""
        if result.repeated:
            self._repeated.inc()
        else:
            self._latency.observe(result.latency_ms / 1000)
        self._age.observe(result.age_ms / 1000)

    def close(self) -> None:
        """Does nothing: the counts remain readable."""

    def count_request(
        self, method: str, path: str, status: int, seconds: float
    ) -> None:
        """Counts a response; may be called from any thread."""
        self._requests.labels(method, path, status).inc()
        if path == "/v1/classify" and status == 200:
            self._request_seconds.observe(seconds)

    def watch(
        self,
        read_state: Callable[[], schemas.StateBody],
        read_queue: Callable[[], dict[str, int]],
        read_box_labels: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """Adds metrics that are computed when the metrics are read.

        Args:
            read_state: Returns the current state.
            read_queue: Returns the numbers of requests and clients, by name.
            read_box_labels: Returns the labels of the model's boxes.
        """
        self._registry.register(_CurrentState(read_state, read_queue, read_box_labels))

    def to_text(self) -> bytes:
        """Returns all metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def _histogram(self, name: str, does: str) -> Histogram:
        full_name = f"corallite_{name}_seconds"
        return Histogram(full_name, does, buckets=_BUCKETS_S, registry=self._registry)


@dataclass(frozen=True)
class _CurrentState(Collector):
    read_state: Callable[[], schemas.StateBody]
    read_queue: Callable[[], dict[str, int]]
    read_box_labels: Callable[[], Sequence[str]]

    def collect(self) -> Iterator[Metric]:
        """Yields the current state; called by prometheus_client."""
        state = self.read_state()
        yield from _model_metrics(state.model)
        if state.source is not None:
            yield from _source_metrics(state.source)
        if state.result is not None:
            yield from _result_metrics(state.result, self.read_box_labels())
        if state.board is not None:
            yield from _board_metrics(state.board)
        for name, count in self.read_queue().items():
            yield _gauge(name, "Current number.", count)


def _model_metrics(model: schemas.StatusBody) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "corallite_model_info", "The model.", labels=("model", "version", "device")
    )
    info.add_metric((model.model, model.version, model.device), 1)
    yield info
    lost = int(model.state == "lost")
    yield _gauge("accelerator_lost", "1 while the CPU replaces the accelerator.", lost)
    yield _counter("accelerator_losses", "Losses of the accelerator.", model.losses)
    yield _counter("model_swaps", "Replacements of the model.", model.swaps)
    if model.channel_state:
        channel = GaugeMetricFamily(
            "corallite_channel_info",
            "The release in use, the newest one, and why it is another.",
            labels=("version", "latest", "state"),
        )
        fields = model.channel_version, model.channel_latest, model.channel_state
        channel.add_metric(fields, 1)
        yield channel
    if model.asked is not None and model.answered is not None:
        does = "Images that each of two models has classified."
        yield _by_model("images_asked", does, model.asked)
        does = "Images for which the prediction of each of two models counts."
        yield _by_model("images_answered", does, model.answered)


def _source_metrics(source: schemas.SourceBody) -> Iterator[Metric]:
    state = GaugeMetricFamily(
        "corallite_source_state", "1 for the current state.", labels=("state",)
    )
    for name in _SOURCE_STATES:
        state.add_metric((name,), int(name == source.state))
    yield state
    yield _counter("frames", "Frames classified.", source.frames)
    yield _counter("frames_dropped", "Frames dropped for newer ones.", source.dropped)
    yield _counter("frames_skipped", "Frames not readable.", source.skipped)
    yield _counter("frames_failed", "Frames not classified.", source.failures)
    failures = source.connection_failures
    yield _counter("source_failures", "Openings that failed or ended.", failures)
    yield _counter("source_opened", "Attempts to open the source.", source.opened)


def _result_metrics(
    result: schemas.ResultBody, box_labels: Sequence[str]
) -> Iterator[Metric]:
    if result.boxes is not None:
        objects = GaugeMetricFamily(
            "corallite_objects", "Boxes in the newest frame.", labels=("label",)
        )
        # A series that ends at its last number, not at 0, raises false alarms.
        counts = Counts(box.label for box in result.boxes)
        for label, count in {**dict.fromkeys(box_labels, 0), **counts}.items():
            objects.add_metric((label,), count)
        yield objects
    if result.counts is None:
        return
    inside = GaugeMetricFamily(
        "corallite_counted", "Boxes in the zone of --zone.", labels=("label",)
    )
    crossed = CounterMetricFamily(
        "corallite_crossings",
        "Boxes that have passed --line.",
        labels=("label", "direction"),
    )
    for label, numbers in result.counts.items():
        for kind, number in numbers.items():
            if kind == INSIDE:
                inside.add_metric((label,), number)
            else:
                crossed.add_metric((label, kind), number)
    yield from (inside, crossed)


def _board_metrics(board: schemas.BoardBody) -> Iterator[Metric]:
    if board.temperature_c is not None:
        degrees = board.temperature_c
        yield _gauge("temperature_celsius", "Temperature of the processor.", degrees)
    if board.throttled is not None:
        bits = board.throttled
        yield _gauge("throttled", "The firmware's throttling bits; 0 is good.", bits)
    if board.frequency_mhz is not None:
        hertz = board.frequency_mhz * 1e6
        yield _gauge("cpu_frequency_hertz", "Clock of the first core.", hertz)
    if board.load is not None:
        does = "Runnable processes per core, averaged over a minute."
        yield _gauge("cpu_load_ratio", does, board.load)
    limit_fps = math.inf if board.limit_fps is None else board.limit_fps
    does = "Frame rate that temperature allows, or that the policy chose."
    yield _gauge("frame_limit_fps", does, limit_fps)
    if board.policy is not None:
        chosen = GaugeMetricFamily(
            "corallite_policy", "1 for the models that it chose.", labels=("model",)
        )
        for name in MODELS:
            chosen.add_metric((name,), int(name == board.policy))
        yield chosen


def _gauge(name: str, does: str, value: float) -> Metric:
    return GaugeMetricFamily(f"corallite_{name}", does, value=value)


def _counter(name: str, does: str, value: float) -> Metric:
    return CounterMetricFamily(f"corallite_{name}", does, value=value)


def _by_model(name: str, does: str, counts: dict[str, int]) -> Metric:
    counter = CounterMetricFamily(f"corallite_{name}", does, labels=("model",))
    for model, count in counts.items():
        counter.add_metric((model,), count)
    return counter
