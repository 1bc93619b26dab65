import os

import numpy as np
import pytest

from corallite.device.image.preprocess import fit_image, read_image
from corallite.device.learn import embed
from corallite.device.learn.embed import embed_photos
from corallite.device.learn.features_file import FeaturesFile
from corallite.device.system import log


@pytest.fixture
def features(features_path):
    return FeaturesFile.open(features_path)


@pytest.fixture
def paths(make_photos):
    return sorted(make_photos(red=6, blue=6).rglob("*.png"))


@pytest.fixture
def measured(monkeypatch):
    """The names of the photos that features are computed for."""
    names, measure = [], embed._Embedder.measure

    def noting(self, data, sha256, path):
        names.append(path.name)
        return measure(self, data, sha256, path)

    monkeypatch.setattr(embed._Embedder, "measure", noting)
    return names


def test_features_are_those_of_the_network(paths, features):
    found = embed_photos(paths, features)
    pixels = [
        fit_image(read_image(path), features.manifest.preprocessing) for path in paths
    ]
    expected = 4 * np.array(pixels).mean((1, 2)) / 255
    # The int8 steps of the input and of the features.
    assert np.abs(found.features - expected).max() < 0.05
    assert found.features.dtype == np.float32 and found.rows.tolist() == list(range(12))
    assert found.thumbnails.shape == (12, 16, 16, 3)


def test_known_photos_are_not_computed_again(paths, features, measured):
    first = embed_photos(paths[:8], features)
    assert len(measured) == 8
    moved = paths[0].rename(paths[0].with_name("moved.png"))
    again = embed_photos([moved, *paths[1:]], features)
    assert sorted(measured[8:]) == sorted(path.name for path in paths[8:])
    for before, after in zip(first, again, strict=True):
        assert np.array_equal(before, after[:8])


def test_another_features_file_computes_its_own(
    paths, features, features_path, make_features, measured
):
    embed_photos(paths, features)
    other = features_path.with_name("other.tflite")
    other.write_bytes(make_features(classes=2))
    found = embed_photos(paths, FeaturesFile.open(other))
    assert len(measured) == 24 and found.features.shape == (12, 2)


@pytest.mark.parametrize(
    "damage",
    [b"", b"x" * 100, b"PK\3\4" + bytes(100)]
    + [lambda x: x[:-1], lambda x: x[:-1] + bytes([x[-1] ^ 1])],
)
def test_a_damaged_cache_is_made_again(paths, features, cache_folder, damage):
    expected = embed_photos(paths, features)
    (path,) = cache_folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole) if callable(damage) else damage)
    found = embed_photos(paths, features)
    assert np.array_equal(found.features, expected.features)


def test_what_was_computed_before_an_end_is_kept(
    paths, features, measured, monkeypatch
):
    """As the power may fail at any time."""
    monkeypatch.setattr(embed, "_SAVE_EVERY_S", 0)
    monkeypatch.setattr(embed._Cache, "save", _stop_after(embed._Cache.save, 5))
    with pytest.raises(KeyboardInterrupt):
        embed_photos(paths, features)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(paths[0].parents[2] / "cache"))
    cache = embed._Cache(features)
    assert len(cache._records) == 5


def _stop_after(save, count):
    calls = []

    def save_and_stop(self):
        save(self)
        calls.append(1)
        if len(calls) == count:
            raise KeyboardInterrupt

    return save_and_stop


def test_the_cache_forgets_what_was_not_used_for_longest(
    paths, features, measured, monkeypatch
):
    monkeypatch.setattr(embed, "MOST_CACHED", 8)
    embed_photos(paths, features)
    measured.clear()
    embed_photos(paths[4:], features)
    assert measured == []
    embed_photos(paths[:4], features)
    assert len(measured) == 4


def test_unreadable_photos_are_left_out(paths, features, monkeypatch):
    warnings = []
    monkeypatch.setattr(
        log, "warning", lambda *x: warnings.append(x[0] % x[1:]), raising=False
    )
    paths[2].write_bytes(paths[2].read_bytes()[:200])
    paths[3].write_bytes(b"")
    paths[5].unlink()
    os.mkfifo(paths[5])
    found = embed_photos(paths, features)
    assert found.rows.tolist() == [0, 1, 4, 6, 7, 8, 9, 10, 11]
    assert len(found.features) == 9
    assert len(warnings) == 3 and all(x.startswith("Left out: /") for x in warnings)
