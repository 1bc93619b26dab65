import numpy as np
import pytest

from corallite.device.image.preprocess import Preprocessing, fit_image, read_image
from corallite.device.system.errors import RequestError
from corallite.train.data.decoded.reader import folder_reader
from corallite.train.data.decoded.streamed import StreamedImages

HOW = Preprocessing((6, 5))


@pytest.fixture
def folder(make_classes):
    return make_classes({"cat": 9})


@pytest.fixture
def images(folder):
    paths = [f"cat/{number:03d}.png" for number in range(9)]
    return StreamedImages(folder_reader(folder), paths, HOW)


def test_they_are_indexed_as_the_array_of_their_split(folder, images):
    paths = sorted(folder.glob("cat/*"))
    array = np.array([fit_image(read_image(path), HOW) for path in paths])
    assert images.shape == array.shape and images.dtype == array.dtype
    assert len(images) == 9
    for rows in (0, -1, np.int64(3), [4, 4, 0], np.array([8, 1]), np.array([], int)):
        np.testing.assert_array_equal(images[rows], array[rows])
    for part in (slice(2, 5), slice(1, None, 2), slice(None, 0)):
        assert images[part].shape == array[part].shape
        np.testing.assert_array_equal(np.asarray(images[part]), array[part])
    np.testing.assert_array_equal(list(images), array)
    np.testing.assert_array_equal(images[2:][::3][[1]], array[2:][::3][[1]])


def test_a_slice_decodes_nothing(folder, images):
    for path in folder.glob("cat/*"):
        path.unlink()
    part = images[3:]
    assert len(part) == 6
    with pytest.raises(RequestError, match="cat/003.png: cannot be read any more"):
        part[0]
