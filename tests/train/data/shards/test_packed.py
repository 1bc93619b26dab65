"""A training from shards sees what one from the folder sees."""

import json
import shutil

import numpy as np
import pytest

from corallite.device.image.preprocess import Preprocessing
from corallite.device.system.errors import RequestError
from corallite.train.data.decoded import cache
from corallite.train.data.load import count_images, load_data, prepare_data
from corallite.train.data.shards.pack import pack
from corallite.train.data.shards.packed import open_packed
from corallite.train.runs.run import Run

HOW = Preprocessing((8, 8))


@pytest.fixture(scope="module")
def made(tmp_path_factory, write_images):
    """A folder with photos and their shards."""
    folder = tmp_path_factory.mktemp("made")
    write_images(folder / "photos", {"cat": 30, "dog": 20})
    (folder / "photos" / "cat" / "003.png").write_text("no image")
    pack(folder / "photos", str(folder / "shards"), most_bytes=2000)
    return folder


@pytest.fixture
def data_dir(made, decoded_dir):
    return made / "photos"


@pytest.fixture
def shards(made, decoded_dir, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(made / "shards", tmp_path / "shards")


@pytest.fixture
def run(tmp_path):
    return Run.open(tmp_path / "run")


def test_images_are_read_as_they_were(data_dir, shards):
    packed = open_packed(shards)
    for members in packed.assignment.splits.values():
        for file in members:
            if file.path == "cat/003.png":
                with pytest.raises(RequestError, match="is not an image"):
                    packed.read(file.path)
            else:
                expected = (data_dir / file.path).read_bytes()
                assert packed.read(file.path) == expected
    assert count_images(shards) == count_images(data_dir)
    assert count_images(shards).images == 50


@pytest.mark.parametrize("cache_gb", [0, None])
def test_a_run_has_the_same_data_from_shards(
    data_dir, shards, run, tmp_path, monkeypatch, cache_gb
):
    expected = prepare_data(data_dir, Run.open(tmp_path / "other"), HOW)
    # The arrays of the other run have the same content; nothing is known of them then.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new"))
    with monkeypatch.context() as patch:
        if cache_gb == 0:
            # The shards say which images are unreadable.
            patch.setattr(cache, "read_decoded", None)
        prepared = prepare_data(shards, run, HOW, cache_gb=cache_gb)
    for data in (prepared, load_data(run)):
        assert data.fingerprint == expected.fingerprint
        assert data.unreadable == expected.unreadable == 1
        for name, split in data.splits.items():
            other = expected.splits[name]
            assert split.paths == other.paths
            assert split.groups == other.groups
            np.testing.assert_array_equal(split.labels, other.labels)
            images = np.asarray(split.images_rgb_u8)
            np.testing.assert_array_equal(images, other.images_rgb_u8)
            assert split.stored is not None
            assert sorted(split.stored) == list(range(len(split.paths)))


def test_a_run_of_the_folder_goes_on_with_its_shards(data_dir, shards, run):
    before = prepare_data(data_dir, run, HOW)
    after = prepare_data(shards, run, HOW)
    assert after.splits["train"].paths == before.splits["train"].paths


def test_a_run_of_other_images_is_refused(make_classes, shards, run):
    prepare_data(make_classes({"cat": 10, "dog": 10}, "others"), run, HOW)
    with pytest.raises(RequestError, match="has others, or other splits; choose a new"):
        prepare_data(shards, run, HOW)


def test_groups_that_the_shards_do_not_have_are_refused(shards, run):
    with pytest.raises(RequestError, match="--group_by=x"):
        prepare_data(shards, run, HOW, group_by="x")


def remove_list(shards):
    (shards / "shards.json").unlink()


def truncate_shard(shards):
    path = next(shards.glob("train-*.tfrecord"))
    path.write_bytes(path.read_bytes()[:-1])


def remove_shard(shards):
    next(shards.glob("train-*.tfrecord")).unlink()


def remove_index(shards):
    next(shards.glob("train-*.json")).unlink()


def exchange_indexes(shards):
    one, other, *_ = sorted(shards.glob("train-*.json"))
    content = json.loads(one.read_text())
    content["size"] = json.loads(other.read_text())["size"]
    other.write_text(json.dumps(content))


def damage_index(shards):
    next(shards.glob("train-*.json")).write_text('{"format": 1}')


def change_split(shards):
    path = shards / "split.json"
    path.write_text(path.read_text().replace("cat/001.png", "cat/101.png"))


def damage_list(shards):
    (shards / "shards.json").write_text("{}")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (remove_list, "images are not all packed; run the corallite pack command"),
        (truncate_shard, r"tfrecord: has [\d,]+ bytes in place of .* copy it again"),
        (remove_shard, "tfrecord: cannot be read .*; copy it again"),
        (remove_index, "json: cannot be read .*; copy it again"),
        (exchange_indexes, "json: is not the index of this shard; copy it again"),
        (damage_index, "json is damaged .*; remove it and run corallite pack again"),
        (change_split, "split.json: is not the split of these shards; copy it again"),
        (damage_list, "shards.json is damaged .*run corallite pack again"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(shards, run, damage, sentence):
    damage(shards)
    with pytest.raises(RequestError, match=sentence):
        prepare_data(shards, run, HOW)
