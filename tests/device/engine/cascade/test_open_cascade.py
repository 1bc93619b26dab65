"""Files of a cascade that are replaced while it runs."""

import pytest
from fixtures.cascade import (
    FIRST,
    FITTED,
    FITTED_FIRST,
    SECOND,
    WEAK_GREEN,
    draw,
    pair,
    write_pair,
)

from corallite.device.engine.cascade.open_cascade import open_cascade
from corallite.device.engine.open_model import ModelRequest
from corallite.device.system.errors import RequestError

__all__ = ["pair"]
OTHER_LABELS = SECOND.with_classes(labels=("a", "b", "c"))


def opened(pair):
    return open_cascade(*(ModelRequest(str(path), "cpu") for path in pair))


def replace(pair, tmp_path, only=("first", "second"), **manifests):
    """Writes new files of both models, and uses those that are in `only`."""
    (tmp_path / "new").mkdir(exist_ok=True)
    write_pair(tmp_path / "new", **manifests)
    for path, name in zip(pair, ("first", "second"), strict=True):
        if name in only:
            (tmp_path / "new" / path.name).rename(path)


def swaps(cascade):
    # The thread that classifies switches to the new models.
    cascade.classify(draw(WEAK_GREEN))
    return cascade.status().swaps


def test_first_model_with_another_threshold_takes_over(pair, tmp_path, wait_until):
    with opened(pair) as cascade:
        assert cascade.classify(draw(WEAK_GREEN)).argmax() == 1
        changed = FIRST._replace(version="2", cascade=FITTED._replace(threshold=0.1))
        replace(pair, tmp_path, ["first"], first=changed)
        # The first model is now always sure, and takes weak green for blue.
        wait_until(lambda: cascade.classify(draw(WEAK_GREEN)).argmax() == 2)
        wait_until(lambda: swaps(cascade) == 1)
        assert cascade.manifest.version == "2"


def test_both_files_are_replaced_at_once(pair, tmp_path, wait_until):
    new = {"second": SECOND._replace(version="2")}
    new["first"] = FIRST._replace(cascade=FITTED._replace(second="large 2"))
    with opened(pair) as cascade:
        cascade.use.mode = "second"
        replace(pair, tmp_path, ["second"], **new)
        # Until the first file is there, the former pair continues.
        wait_until(lambda: "a threshold for large 1" in cascade.status().last_error)
        assert cascade.classify(draw(WEAK_GREEN)).argmax() == 1
        replace(pair, tmp_path, ["first"], **new)
        wait_until(lambda: swaps(cascade) == 1)
        assert cascade.manifest.version == "2"
        # What the policy chose, and the counts, are kept.
        assert cascade.use.mode == "second" and cascade.use.asked == cascade.use.images
        assert cascade.status().last_error == ""


@pytest.mark.parametrize(
    ("only", "manifests", "why"),
    [
        (["first"], {"first": FIRST._replace(version="2")}, "has no threshold"),
        (
            ["second"],
            {"second": SECOND._replace(data_fingerprint="new")},
            "a threshold for another file of large 1",
        ),
        (["second"], {"second": OTHER_LABELS}, "the same labels"),
        (["first", "second"], {"second": OTHER_LABELS}, "the same labels"),
    ],
)
def test_models_that_make_no_cascade_are_not_used(
    pair, tmp_path, wait_until, only, manifests, why
):
    with opened(pair) as cascade:
        replace(pair, tmp_path, only, **{"first": FITTED_FIRST, **manifests})
        wait_until(lambda: why in cascade.status().last_error)
        error = cascade.status().last_error
        assert error.startswith(f"{pair[0]} with {pair[1]}: the new model is not used")
        assert "the former one continues" in error
        assert cascade.classify(draw(WEAK_GREEN)).argmax() == 1


@pytest.mark.parametrize(
    ("manifests", "why"),
    [
        ({"first": FIRST}, "corallite evaluate --cascade"),
        ({"first": FITTED_FIRST, "second": OTHER_LABELS}, "the same labels"),
    ],
)
def test_models_that_are_no_cascade_are_refused_at_the_start(tmp_path, manifests, why):
    pair = write_pair(tmp_path, **manifests)
    with pytest.raises(RequestError, match=why):
        with opened(pair):
            pass
