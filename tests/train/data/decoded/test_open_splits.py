"""Through `prepare_data` and `load_data`, as all steps of a run open their images."""

import numpy as np
import pytest

from corallite.device.image.preprocess import Preprocessing
from corallite.device.system.errors import RequestError
from corallite.train.data.decoded import cache
from corallite.train.data.decoded.streamed import StreamedImages
from corallite.train.data.load import load_data, prepare_data
from corallite.train.runs.run import Run

HOW = Preprocessing((8, 8))
# Room for the validation and the test split, of 4 images each, and not for 32 more.
LITTLE = 0.000005


@pytest.fixture
def open_run(tmp_path, decoded_dir):
    """A function that opens the run of a name."""
    return lambda name: Run.open(tmp_path / name)


@pytest.fixture
def data_dir(make_classes):
    data_dir = make_classes({"cat": 20, "dog": 20})
    (data_dir / "cat" / "003.png").write_text("no image")
    return data_dir


def is_streamed(data):
    return {
        name: isinstance(split.images_rgb_u8, StreamedImages)
        for name, split in data.splits.items()
    }


def assert_same(data, other):
    assert data.class_names == other.class_names
    assert data.fingerprint == other.fingerprint
    assert data.unreadable == other.unreadable
    for name, split in data.splits.items():
        assert split.paths == other.splits[name].paths
        assert split.faults == other.splits[name].faults
        np.testing.assert_array_equal(split.labels, other.splits[name].labels)
        images = np.asarray(other.splits[name].images_rgb_u8)
        np.testing.assert_array_equal(np.asarray(split.images_rgb_u8), images)


def test_images_without_room_are_streamed_with_the_same_pixels(
    data_dir, open_run, caplog
):
    caplog.set_level("INFO", logger="absl")
    streamed = prepare_data(data_dir, open_run("streamed"), HOW, cache_gb=LITTLE)
    assert is_streamed(streamed) == {"train": True, "val": False, "test": False}
    assert "no room for the 32 images of the train split" in caplog.text
    again = load_data(open_run("streamed"))
    assert is_streamed(again) == is_streamed(streamed)
    cached = prepare_data(data_dir, open_run("cached"), HOW)
    assert not any(is_streamed(cached).values())
    assert cached.unreadable == 1
    assert_same(streamed, cached)
    assert_same(again, cached)


def test_images_are_checked_once_before_they_are_streamed(
    data_dir, open_run, monkeypatch
):
    first = prepare_data(data_dir, open_run("first"), HOW, cache_gb=0)
    monkeypatch.setattr(cache, "read_decoded", None)
    assert_same(prepare_data(data_dir, open_run("second"), HOW, cache_gb=0), first)


def test_runs_of_the_same_images_share_their_arrays(
    data_dir, open_run, monkeypatch, decoded_dir
):
    first = prepare_data(data_dir, open_run("first"), HOW)
    moved = data_dir.rename(data_dir.with_name("moved"))
    monkeypatch.setattr(cache, "write_split", None)
    assert_same(prepare_data(moved, open_run("second"), HOW), first)
    assert len(list(decoded_dir.glob("*/*.npy"))) == 3


def test_images_that_changed_before_they_are_decoded_again_are_named(
    data_dir, open_run, decoded_dir
):
    run = open_run("run")
    prepare_data(data_dir, run, HOW)
    for path in decoded_dir.glob("*/*.npy"):
        path.unlink()
    other = (data_dir / "dog" / "004.png").read_bytes()
    (data_dir / "dog" / "005.png").write_bytes(other)
    with pytest.raises(
        RequestError, match="dog/005.png: has changed since .*--run_dir"
    ):
        load_data(run)
