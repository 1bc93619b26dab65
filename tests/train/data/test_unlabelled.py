"""Photos without labels behind those of a training split."""

import numpy as np
import pytest

from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Preprocessing
from corallite.device.system.errors import RequestError
from corallite.train.data.load import Split
from corallite.train.data.unlabelled import NONE, read_unlabelled

SMALL = Preprocessing((4, 4))


@pytest.fixture
def photos(tmp_path):
    """Three photos of 50, 100 and 150, one in a sub-folder, and a text."""
    folder = tmp_path / "frames"
    (folder / "night").mkdir(parents=True)
    for name, level in (("a.png", 50), ("b.png", 100), ("night/c.png", 150)):
        cv2.imwrite(str(folder / name), np.full((8, 8, 3), level, np.uint8))
    (folder / "notes.txt").write_text("seen on Monday")
    return folder


def test_photos_follow_those_with_labels(photos, tmp_path):
    read = read_unlabelled(photos, tmp_path / "cache", SMALL)
    labelled = Split(np.full((2, 4, 4, 3), 9, np.uint8), np.array([1, 0]), ("x", "y"))
    joined = read.add_to(labelled)
    assert joined.labels.tolist() == [1, 0, NONE, NONE, NONE]
    assert len(joined.paths) == 5 and joined.images_rgb_u8.shape == (5, 4, 4, 3)
    rows = np.array([0, 2, 1, 4])
    assert joined.images_rgb_u8[rows][:, 0, 0, 0].tolist() == [9, 50, 9, 150]
    assert labelled.labels.tolist() == [1, 0]


def test_photos_are_decoded_once_and_again_if_they_change(photos, tmp_path):
    first = read_unlabelled(photos, tmp_path / "cache", SMALL)
    (array,) = (tmp_path / "cache").glob("*.npy")
    before = array.stat().st_mtime_ns
    assert read_unlabelled(photos, tmp_path / "cache", SMALL).digest == first.digest
    assert array.stat().st_mtime_ns == before
    (photos / "a.png").unlink()
    second = read_unlabelled(photos, tmp_path / "cache", SMALL)
    assert (len(second.paths), second.digest != first.digest) == (2, True)


def test_a_damaged_photo_is_skipped(photos, tmp_path, caplog):
    (photos / "b.png").write_bytes((photos / "b.png").read_bytes()[:40])
    read = read_unlabelled(photos, tmp_path / "cache", SMALL)
    assert [path.rpartition("/")[2] for path in read.paths] == ["a.png", "c.png"]
    assert len(read.images_rgb_u8) == 2
    assert "b.png" in caplog.text


def test_a_folder_without_photos_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="has no readable image"):
        read_unlabelled(tmp_path / "empty", tmp_path / "cache", SMALL)
    with pytest.raises(RequestError, match="cannot be read"):
        read_unlabelled(tmp_path / "none", tmp_path / "cache", SMALL)
