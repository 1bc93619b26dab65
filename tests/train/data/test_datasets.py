import errno
import gzip
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from corallite.device.image.opencv import cv2
from corallite.device.system.errors import RequestError
from corallite.train.data import datasets
from corallite.train.data.listing.images import list_images

SAMPLE = Path(__file__).parents[3] / "samples" / "fashion_mnist.tar.xz"


def write_idx(path, array):
    header = struct.pack(f">HBB{array.ndim}i", 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


@pytest.fixture
def idx_dir(tmp_path):
    folder = tmp_path / "idx"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for prefix, count in (("train", 30), ("t10k", 20)):
        images = rng.integers(0, 256, (count, 28, 28), np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", labels)
    return folder


def test_fashion_mnist_becomes_class_folders_with_the_same_pixels(tmp_path, idx_dir):
    target_dir = datasets.fashion_mnist(tmp_path / "fashion", idx_dir)
    images, labels = datasets.read_fashion_mnist(idx_dir)["train"]
    assert labels[13] == 3
    png = target_dir / "train" / "dress" / "00013.png"
    np.testing.assert_array_equal(cv2.imread(png, cv2.IMREAD_UNCHANGED), images[13])
    listing = list_images(target_dir)
    assert listing.class_names == tuple(sorted(datasets.FASHION_MNIST_CLASSES))
    assert len(listing.files) == 50


def test_fashion_mnist_is_written_once(tmp_path, idx_dir):
    target_dir = datasets.fashion_mnist(tmp_path / "fashion", idx_dir)
    before = (target_dir / "test").stat().st_mtime_ns
    datasets.fashion_mnist(target_dir, idx_dir)
    assert (target_dir / "test").stat().st_mtime_ns == before


def test_what_an_interrupted_run_left_is_replaced(tmp_path, idx_dir):
    (tmp_path / ".fashion.part" / "train" / "half").mkdir(parents=True)
    target_dir = datasets.fashion_mnist(tmp_path / "fashion", idx_dir)
    assert not (target_dir / "train" / "half").exists()
    assert not (tmp_path / ".fashion.part").exists()


def test_a_folder_with_other_files_is_refused_and_kept(tmp_path, idx_dir):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(RequestError, match="mine: holds other files"):
        datasets.fashion_mnist(tmp_path / "mine", idx_dir)
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_a_full_disk_names_the_folder_and_leaves_nothing(
    tmp_path, idx_dir, monkeypatch
):
    def fail(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="No space left") as raised:
        datasets.fashion_mnist(tmp_path / "fashion", idx_dir)
    assert raised.value.filename == str(tmp_path / "fashion")
    assert list(tmp_path.iterdir()) == [idx_dir]


def test_a_damaged_idx_file_is_named(tmp_path, idx_dir):
    path = idx_dir / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(RequestError, match="train-images-idx3-ubyte.gz: damaged"):
        datasets.fashion_mnist(tmp_path / "fashion", idx_dir)
    assert not (tmp_path / "fashion").exists()


@pytest.mark.parametrize(
    "content",
    [
        # Behind the header of 10 bytes, and in the middle.
        lambda data: data[:10] + b"\xff" * 10 + data[20:],
        lambda data: data[:100] + bytes(50) + data[150:],
        lambda data: b"no gzip",
        lambda data: gzip.compress(b""),
        lambda data: gzip.compress(gzip.decompress(data)[:-1]),
    ],
)
def test_a_damaged_file_of_the_package_is_named(tmp_path, idx_dir, content):
    path = idx_dir / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(content(path.read_bytes()))
    with pytest.raises(RequestError, match=r"t10k-im.*: damaged .*; install it again"):
        datasets.read_fashion_mnist(idx_dir)


def test_a_folder_and_a_data_set_are_two_ways_to_say_it(tmp_path):
    for data_dir, dataset in ((None, None), (str(tmp_path), "fashion_mnist")):
        with pytest.raises(RequestError, match="either --data_dir or --dataset"):
            datasets.locate(data_dir, dataset)
    with pytest.raises(RequestError, match="to be one of fashion_mnist, got 'mnist'"):
        datasets.locate(None, "mnist")
    assert datasets.locate(str(tmp_path), None) == tmp_path


def test_without_the_package_and_the_network_the_remedy_is_named(tmp_path, monkeypatch):
    from corallite.train.framework.keras import keras

    def fail():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", fail)
    with pytest.raises(RequestError, match="dataset-fashion-mnist"):
        datasets.read_fashion_mnist(tmp_path / "nowhere")


def test_the_sample_in_the_repository_is_balanced_and_small(tmp_path):
    target_dir = datasets.unpack_sample(SAMPLE, tmp_path / "sample")
    assert SAMPLE.stat().st_size <= 2_900_000
    listing = list_images(target_dir)
    assert listing.class_names == tuple(sorted(datasets.FASHION_MNIST_CLASSES))
    for name in datasets.FASHION_MNIST_CLASSES:
        parts = [f.given_split for f in listing.files if f.class_name == name]
        assert (parts.count("train"), parts.count("test")) == (625, 150)


def test_unpacking_again_does_nothing_until_the_archive_changes(tmp_path, write_image):
    archive = tmp_path / "sample.tar.xz"

    def pack(name):
        with tarfile.open(archive, "w:xz") as tar:
            tar.add(write_image(tmp_path / name), name)

    pack("first.png")
    target_dir = datasets.unpack_sample(archive, tmp_path / "sample")
    (target_dir / "first.png").unlink()
    datasets.unpack_sample(archive, target_dir)
    assert not (target_dir / "first.png").exists()
    pack("second.png")
    datasets.unpack_sample(archive, target_dir)
    assert (target_dir / "second.png").exists()


@pytest.mark.parametrize("damage", [lambda data: data[:-500], lambda data: b"no tar"])
def test_a_damaged_archive_is_named(tmp_path, damage):
    archive = tmp_path / "sample.tar.xz"
    archive.write_bytes(damage(SAMPLE.read_bytes()))
    with pytest.raises(RequestError, match="sample.tar.xz: damaged"):
        datasets.unpack_sample(archive, tmp_path / "sample")
    assert not (tmp_path / "sample").exists()


def test_an_archive_cannot_write_elsewhere(tmp_path, write_image):
    archive = tmp_path / "sample.tar.xz"
    with tarfile.open(archive, "w:xz") as tar:
        tar.add(write_image(tmp_path / "a.png"), "../../escaped.png")
    with pytest.raises(RequestError, match="damaged"):
        datasets.unpack_sample(archive, tmp_path / "deep" / "sample")
    assert not (tmp_path / "escaped.png").exists()
