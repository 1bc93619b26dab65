"""The state that is published every minute."""

import json

import pytest

from corallite.device.engine.classifier import Prediction
from corallite.device.image.preprocess import Preprocessing
from corallite.device.loop.classify_frames import Result
from corallite.device.model.manifest import Manifest
from corallite.device.model.refusal import Refusal
from corallite.device.outputs.state import StateFeed
from corallite.device.system.version import version_line

REFUSAL = Refusal(threshold=0.5, background="none", scores=(0,) * 9 + (200,))
MANIFEST = Manifest.of_classifier(
    "shufflenet_v2 1.0x", "42", ("cat", "dog", "none"), Preprocessing((32, 32))
).with_classes(refusal=REFUSAL)


class Clock:
    """A clock that a test sets."""

    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def engine(make_engine):
    return make_engine(MANIFEST)


@pytest.fixture
def feed(engine, clock, tmp_path):
    return StateFeed("home/door", engine, clock=clock, root=tmp_path)


def see(feed, clock, label, probability, top_label=None, seconds=10.0, **fields):
    clock.now_s += seconds
    top = [Prediction(top_label or label, probability)]
    feed.put(Result(0, 0.0, "x", top, label, 1.0, **fields))


def take(feed):
    ((topic, text),) = feed.take().items()
    assert topic == "home/door/state"
    return json.loads(text)


def test_state_is_published_at_the_start_then_after_10_s_then_every_minute(feed, clock):
    published = []
    for _ in range(3600):
        published += [clock.now_s - 1000] * bool(feed.take())
        clock.now_s += 1
    assert published[:4] == [0, 10, 70, 130]
    assert len(published) == 61


def test_state_says_what_runs(feed, clock):
    take(feed)
    for _ in range(100):
        see(feed, clock, "cat", 0.9, seconds=0.1, device="edgetpu")
    state = take(feed)
    assert state["corallite"] == version_line().split()[1]
    assert (state["model"], state["model_version"]) == ("shufflenet_v2 1.0x", "42")
    assert (state["frames"], state["fps"], state["device"]) == (100, 10.0, "edgetpu")
    assert state["temperature_c"] is None


def test_change_of_the_channel_is_published_at_once(feed, clock, engine, monkeypatch):
    see(feed, clock, "cat", 0.9)
    assert "channel_state" not in take(feed)
    status = engine.status()._replace(channel_version="6", channel_state="trying")
    monkeypatch.setattr(engine, "status", lambda: status)
    see(feed, clock, "cat", 0.9, seconds=0.1)
    assert take(feed)["channel_state"] == "trying"
    see(feed, clock, "cat", 0.9, seconds=0.1)
    assert feed.take() == {}
    status = status._replace(channel_version="7", channel_state="current")
    see(feed, clock, "cat", 0.9, seconds=0.1)
    state = take(feed)
    # In 0.3 s there were too few frames to measure a rate.
    assert state["fps"] is None
    assert (state["channel_version"], state["channel_state"]) == ("7", "current")
    assert state["channel_latest"] == state["channel_reason"] == ""


def test_one_score_in_ten_seconds_is_counted(feed, clock):
    for _ in range(1000):
        see(feed, clock, "cat", 0.9, seconds=0.1)
    assert sum(take(feed)["scores"]) == 10


def test_repeated_predictions_are_not_counted(feed, clock):
    see(feed, clock, "cat", 0.9)
    see(feed, clock, "cat", 0.9, repeated=True)
    assert sum(take(feed)["scores"]) == 1


def test_an_empty_place_is_not_unknown(feed, clock):
    see(feed, clock, "cat", 0.9)
    see(feed, clock, "unknown", 0.9, top_label="none")
    see(feed, clock, "unknown", 0.4, top_label="cat")
    see(feed, clock, "dog", 0.9)
    assert take(feed)["unknown"] == 0.25


def test_drift_is_known_after_500_scores(feed, clock):
    for _ in range(499):
        see(feed, clock, "cat", 0.99)
    assert take(feed)["drift"] is None
    for _ in range(31):
        see(feed, clock, "cat", 0.99)
    assert take(feed)["drift"] < 0.01
    for _ in range(600):
        see(feed, clock, "unknown", 0.35)
    assert take(feed)["drift"] > 1


def test_another_model_starts_again_and_is_published_at_once(feed, clock, engine):
    see(feed, clock, "cat", 0.9)
    take(feed)
    engine.replace(MANIFEST._replace(version="43"))
    see(feed, clock, "unknown", 0.1, seconds=1)
    state = take(feed)
    assert (state["model_version"], state["unknown"]) == ("43", 1.0)
    assert state["scores"] == [1] + [0] * 9


def test_frame_rate_is_not_that_of_a_single_frame_after_a_change(feed, clock, engine):
    take(feed)
    for _ in range(200):
        see(feed, clock, "cat", 0.9, seconds=0.1)
    assert take(feed)["fps"] == pytest.approx(10, abs=0.01)
    engine.replace(MANIFEST._replace(version="43"))
    see(feed, clock, "cat", 0.9, seconds=0.001)
    assert take(feed)["fps"] == pytest.approx(10, abs=0.01)


def test_longest_state_is_a_few_hundred_bytes(make_engine, clock, tmp_path):
    manifest = MANIFEST._replace(model="m" * 1024, version="v" * 1024)
    facts = [lambda: {"uncertain": 200, "source": "reopening"}]
    feed = StateFeed("t", make_engine(manifest), facts, clock, tmp_path)
    for _ in range(9000):
        see(feed, clock, "cat", 0.9)
    (text,) = feed.take().values()
    assert json.loads(text)["uncertain"] == 200
    # With 2 x 64 characters of the model; nothing else in it grows.
    assert len(text) < 700


def test_last_state_counts_all_results(feed, clock):
    take(feed)
    for _ in range(30):
        see(feed, clock, "cat", 0.9, seconds=0.1)
    assert feed.take() == {}
    feed.close()
    assert take(feed)["frames"] == 30
    assert feed.take() == {}
