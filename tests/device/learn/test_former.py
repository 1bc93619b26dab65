import numpy as np
import pytest

from corallite.device.learn.former import Comparison, Former, read_former, record
from corallite.device.model.archive import append_archive
from corallite.device.system.errors import RequestError

SHA256 = np.arange(6 * 32, dtype=np.uint8).reshape(6, 32)
NAMES = ("cat", "dog")


def read(path):
    former = read_former(path)
    assert former is not None
    return former


@pytest.fixture
def write(features_path, make_features):
    """A function that writes a taught file with a record; returns its path."""

    def write(content):
        path = features_path.with_name("taught.tflite")
        path.write_bytes(append_archive(make_features(), {"taught.json": content}))
        return path

    return write


def test_record_is_read_as_it_was_written(write):
    predicted = np.array([0, 1, 0, 1, 0, 1])
    folds = np.array([0, 1, 2, 0, 1, 2])
    former = read(write(record(NAMES, SHA256, predicted, folds)))
    assert former.class_names == NAMES
    assert [x for x, _ in former.photos.values()] == predicted.tolist()
    assert former.find_folds(SHA256[::-1]).tolist() == folds[::-1].tolist()
    assert former.find_folds(SHA256 + 1).tolist() == [-1] * 6
    same = former.compare(SHA256, predicted, np.zeros(6, int))
    assert same == Comparison(6, 0, 0, 1.0) and not same.is_fall


def test_photos_of_both_are_compared_with_the_class_that_they_have_now(write):
    former = read(
        write(record(NAMES, SHA256[:5], np.array([0, 0, 0, 0, 1]), np.zeros(5)))
    )
    labels = np.array([0, 0, 1, 0, 0])
    compared = former.compare(SHA256[1:], np.array([1, 1, 0, 0, 0]), labels)
    # Photos 1 and 2 are lost, both are wrong for 3, and 4 is gained.
    assert (compared.photos, compared.gained, compared.lost) == (4, 1, 2)


@pytest.mark.parametrize(
    ("lost", "gained", "is_fall"), [(4, 0, False), (5, 0, True), (9, 3, False)]
)
def test_losses_that_chance_explains_are_no_fall(lost, gained, is_fall):
    count = lost + gained
    sha256 = np.arange(count * 32, dtype=np.uint8).reshape(count, 32)
    sha256[:, 0] = np.arange(count)
    before = np.array([0] * lost + [1] * gained)
    names = [row.tobytes().hex()[:32] for row in sha256]
    predicted = [(x, 0) for x in before.tolist()]
    former = Former(NAMES, dict(zip(names, predicted, strict=True)))
    compared = former.compare(sha256, 1 - before, np.zeros(count, int))
    assert (compared.lost, compared.gained) == (lost, gained)
    assert compared.is_fall is is_fall


def test_nothing_is_before_the_first(tmp_path):
    assert read_former(tmp_path / "taught.tflite") is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b'{"labels": 3, "photos": {}}', b"\xff"]
    + [b'{"labels": ["a"], "photos": {"x": ["y", 1]}}', b"[" * 100_000]
    + [b'{"labels": ["a"], "photos": {"x": 1}}']
    + [b'{"labels": ["a"], "photos": {"x": [0, 1e999]}}']
    + [b'{"labels": ["a"], "photos": {"x": [0, 1%s]}}' % (b"0" * 30)]
    + [b'{"labels": ["a"], "photos": {"x": [0, -2]}}'],
)
def test_a_damaged_record_is_not_replaced(write, content):
    with pytest.raises(RequestError, match="was not made by corallite teach"):
        read_former(write(content))


def test_other_files_are_not_replaced(features_path, tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("mine")
    for path in (features_path, text, tmp_path):
        with pytest.raises(RequestError, match="was not made by corallite teach"):
            read_former(path)
