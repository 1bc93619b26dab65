"""Shards of an address are copied into the cache, once.

`ram` is TensorFlow's file system in memory.
"""

import pytest

from corallite.device.system.errors import RequestError
from corallite.train.data.datasets import locate
from corallite.train.data.load import count_images
from corallite.train.data.shards import fetch
from corallite.train.data.shards.fetch import fetch_shards
from corallite.train.data.shards.pack import pack
from corallite.train.framework.keras import tf

ADDRESS = "ram://bucket/fetched"


@pytest.fixture
def packed(tmp_path, write_images, decoded_dir):
    """Photos, which are packed at an address too."""
    write_images(tmp_path / "photos", {"cat": 20, "dog": 20})
    pack(tmp_path / "photos", ADDRESS, most_bytes=2000)
    yield tmp_path / "photos"
    tf.io.gfile.rmtree(ADDRESS)


def times(folder):
    return {x.name: x.stat().st_mtime_ns for x in folder.glob("*.tfrecord")}


def test_shards_of_an_address_are_used_like_a_folder(packed):
    folder = locate(f"{ADDRESS}/", None)
    assert count_images(folder) == count_images(packed)
    assert count_images(folder).images == 40
    copied = times(folder)
    assert len(copied) > 2
    assert fetch_shards(ADDRESS) == folder
    assert times(folder) == copied


def test_an_interrupted_copy_is_resumed(packed):
    folder = fetch_shards(ADDRESS)
    (folder / "shards.json").unlink()
    removed, *others = sorted(times(folder))
    (folder / removed).unlink()
    before = times(folder)
    fetch_shards(ADDRESS)
    after = times(folder)
    assert count_images(folder).images == 40
    assert {x: after[x] for x in others} == before


def test_a_copy_that_has_just_begun_is_not_complete(packed, monkeypatch):
    def stop(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fetch, "read_shard_names", stop)
        with pytest.raises(KeyboardInterrupt):
            fetch_shards(ADDRESS)
    folder = fetch_shards(ADDRESS)
    assert count_images(folder).images == 40
    assert not list(folder.glob("*.new"))


def test_other_photos_at_the_address_are_copied(packed, write_images):
    fetch_shards(ADDRESS)
    write_images(packed, {"bird": 20})
    tf.io.gfile.rmtree(ADDRESS)
    pack(packed, ADDRESS, most_bytes=2000)
    assert count_images(fetch_shards(ADDRESS)).images == 60


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("ram://bucket/nothing", "cannot be read .*; check the address"),
        ("s4://bucket/shards", "cannot be read .*s4.*; check the address"),
    ],
)
def test_an_address_without_shards_is_refused(decoded_dir, address, sentence):
    with pytest.raises(RequestError, match=sentence):
        fetch_shards(address)
