"""Files of a cascade that are replaced while it runs."""

import contextlib

import pytest
from fixtures.cascade import FIRST, FITTED, SECOND, WEAK_GREEN, draw, pair, write_pair

from corallite.device.engine.cascade.open_cascade import open_cascade
from corallite.device.engine.open_model import ModelRequest
from corallite.device.engine.reload.hot_reload import HotReload
from corallite.device.system.errors import RequestError

__all__ = ["pair"]


@contextlib.contextmanager
def opened(pair):
    first, second = (ModelRequest(str(path), "cpu") for path in pair)
    with contextlib.closing(HotReload(first)) as engine:
        with open_cascade(engine, second) as cascade:
            yield cascade


def replace(pair, tmp_path, **manifests):
    """Writes new files, each if its manifest is given."""
    (tmp_path / "new").mkdir()
    write_pair(tmp_path / "new", **manifests)
    for path, name in zip(pair, ("first", "second"), strict=True):
        if name in manifests:
            (tmp_path / "new" / path.name).rename(path)


def test_first_model_with_another_threshold_takes_over(pair, tmp_path, wait_until):
    with opened(pair) as cascade:
        assert cascade.classify(draw(WEAK_GREEN)).argmax() == 1
        changed = FIRST._replace(version="2", cascade=FITTED._replace(threshold=0.1))
        replace(pair, tmp_path, first=changed)
        # The first model is now always sure, and takes weak green for blue.
        wait_until(lambda: cascade.classify(draw(WEAK_GREEN)).argmax() == 2)
        wait_until(lambda: cascade.status().swaps == 1)
        assert cascade.manifest == changed


def test_second_model_of_the_same_name_takes_over(pair, tmp_path, wait_until):
    with opened(pair) as cascade:
        replace(pair, tmp_path, second=SECOND._replace(data_fingerprint="new"))
        wait_until(
            lambda: (
                len(cascade.classify(draw(WEAK_GREEN))) and cascade.status().swaps == 1
            )
        )
        assert cascade.manifest.data_fingerprint == "new"


@pytest.mark.parametrize(
    ("manifests", "why"),
    [
        ({"first": FIRST._replace(version="2")}, "has no threshold"),
        ({"second": SECOND._replace(version="2")}, "a threshold for large 1"),
        ({"second": SECOND.with_classes(labels=("a", "b", "c"))}, "the same labels"),
    ],
)
def test_model_that_makes_no_cascade_is_not_used(
    pair, tmp_path, wait_until, manifests, why
):
    with opened(pair) as cascade:
        replace(pair, tmp_path, **manifests)
        wait_until(lambda: why in cascade.status().last_error)
        assert "the former one continues" in cascade.status().last_error
        assert cascade.classify(draw(WEAK_GREEN)).argmax() == 1


def test_models_that_are_no_cascade_are_refused_at_the_start(tmp_path):
    pair = write_pair(tmp_path, first=FIRST)
    with pytest.raises(RequestError, match="corallite evaluate --cascade"):
        with opened(pair):
            pass
