"""Fixtures that tests of several packages share."""

import collections
import contextlib
import dataclasses
import fcntl
import gc
import importlib
import importlib.util
import json
import os
import shutil
import signal
import tempfile
from pathlib import Path

import numpy as np
import pytest
from fixtures.squares_network import squares_network

pytest_plugins = (
    "fixtures.adopted_models",
    "fixtures.certificates",
    "fixtures.image_folders",
    "fixtures.program_flags",
    "fixtures.programs",
    "fixtures.small_run",
)


def pytest_configure(config):
    """Makes runs alike, and keeps out of the user's cache which files were tried."""
    # The same examples each time: what fails once in many runs is found by asking for
    # more of them, not by chance.
    with contextlib.suppress(ImportError):
        importlib.import_module("hypothesis").settings.load_profile("ci")
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    # Its list of fonts takes seconds to make.
    os.environ.setdefault("MPLCONFIGDIR", os.path.join(cache, "matplotlib"))
    folder = tempfile.mkdtemp(prefix="corallite-tests-")
    os.environ["XDG_CACHE_HOME"] = folder
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture
def default_signals():
    """Lets SIGINT and SIGHUP act in this process and in programs that it starts.

    A shell's background jobs ignore SIGINT, and those of nohup SIGHUP; programs
    inherit it.
    """
    former = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    }
    yield
    for number, does in former.items():
        signal.signal(number, does)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory):
    """Paths of a small classifier by its input and output type.

    "uint8" and "int8" are full-int8, the third is "float32". The input is [1, 32, 32,
    3]; the class is the strongest of red, green and blue in the image.
    """
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow, which creates the models, is not installed")
    from corallite.train.framework.keras import keras, tf

    inputs = keras.Input((32, 32, 3), batch_size=1)
    x = keras.layers.Conv2D(3, 1, use_bias=False, name="mix")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Softmax()(x))
    # A gain that makes one class dominant but keeps the others above zero.
    model.get_layer("mix").set_weights([4 * np.eye(3, dtype=np.float32)[None, None]])
    folder = tmp_path_factory.mktemp("tiny_models")
    paths = {}
    for name in ("uint8", "int8", "float32"):
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if name != "float32":
            _make_full_int8(tf, converter, name)
        paths[name] = folder / f"{name}.tflite"
        paths[name].write_bytes(converter.convert())
    return paths


def _make_full_int8(tf, converter, tensor_type):
    def representative_images():
        # Plain black, red, green ... white: they cover the range of the layers.
        for corner in np.ndindex(2, 2, 2):
            yield [np.full((1, 32, 32, 3), corner, np.float32)]

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative_images
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = getattr(tf, tensor_type)
    converter.inference_output_type = getattr(tf, tensor_type)


@pytest.fixture(scope="session")
def draw_square():
    """A function that draws an image of a class: draw_square(rng, label).

    uint8 [32, 32, 3]: a square on grey noise. Its colour is the class: 0 is red, 1
    green, 2 blue, 3 white.
    """

    def draw(rng, label):
        image = rng.integers(40, 90, (32, 32, 3), np.uint8)
        side = rng.integers(10, 20)
        top, left = rng.integers(0, 32 - side, 2)
        colour = ((200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 200))[label]
        square = np.array(colour) + rng.integers(-25, 26, 3)
        image[top : top + side, left : left + side] = square
        return image

    return draw


@pytest.fixture(scope="session")
def draw_clouds():
    """A function that draws images similar to photos: (count, height, width).

    float32 [count, height, width, 3], 0 to 1. Adjacent pixels are correlated, as in
    photos: ranges are not measured on noise.
    """

    def draw(count, height, width):
        import cv2

        rng = np.random.default_rng(0)
        coarse = rng.random((count, max(2, height // 3), max(2, width // 3), 3))
        clouds = [cv2.resize(image, (width, height)) for image in coarse]
        return np.array(clouds, np.float32)

    return draw


@pytest.fixture(scope="session")
def square_images(draw_square):
    """float32 [64, 32, 32, 3], pixel/255, of the classes 0, 1, 2, 3, 0, 1, ..."""
    rng = np.random.default_rng(0)
    images = [draw_square(rng, row % 4) for row in range(64)]
    return np.array(images, np.float32) / np.float32(255)


def pytest_collection_finish():
    """Spares the garbage collector what the imports created, and most of its runs.

    Tests with TensorFlow spend 2 to 6% of their processor time on it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


class MadeOnDemand(dict):
    """Creates a value at its first use, so that no test waits for all of them."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def __missing__(self, key):
        self[key] = self.make(key)
        return self[key]


def pytest_collection_modifyitems(items):
    """Runs files with the most slow tests first, so that all end together."""
    slow = collections.Counter(x.path for x in items if x.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@contextlib.contextmanager
def few_units(shufflenet=(1, 6, 1)):
    """Builds networks with half their units, in half the time.

    By default one stage of ShuffleNetV2 is still long enough to concatenate more than
    five slices, and one stage of MobileNetV2 has a residual sum.
    """
    from corallite.train.models.networks import (
        efficientnet_lite,
        ghostnet,
        mobilenet_v2,
        mobilenet_v3,
        resnet,
        shufflenet_v2,
    )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shufflenet_v2, "STAGE_UNITS", shufflenet)
        tables = {"LARGE": mobilenet_v3, "SMALL": mobilenet_v3, "STAGES": ghostnet}
        for name, network in tables.items():
            first, second, *rest = getattr(network, name)
            once = (first, second, *(stage[:1] for stage in rest))
            patch.setattr(network, name, once)
        for name, repeats in resnet.REPEATS.items():
            patch.setitem(resnet.REPEATS, name, (1,) * len(repeats))
        for network in (mobilenet_v2, efficientnet_lite):
            first, second, *rest = network.STAGES
            once = tuple((*row[:2], 1, *row[3:]) for row in rest)
            patch.setattr(network, "STAGES", (first, second, *once))
        yield


@pytest.fixture(scope="session", name="few_units")
def _few_units():
    """The context manager `few_units`."""
    return few_units


@pytest.fixture(scope="session")
def networks(draw_square, make_once):
    """The smallest variant of each network by name, trained on the squares.

    Tests must not change the models of these fixtures.
    """
    from corallite.train.framework.keras import keras
    from corallite.train.models.registry import build
    from corallite.train.training.model_file import save_model

    def make(folder, name):
        keras.utils.set_random_seed(0)
        with few_units():
            model = build(name, (32, 32, 3), 4, width=0.25)
        rng = np.random.default_rng(1)
        labels = np.arange(1920) % 4
        drawn = [draw_square(rng, label) for label in labels]
        images = np.array(drawn, np.float32) / np.float32(255)
        # The rate decays to 0, so that the batch norms' averages converge. Without
        # label smoothing, logits grow until an int8 step changes probabilities a lot.
        rate = keras.optimizers.schedules.CosineDecay(0.05, 60)
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
        model.compile(keras.optimizers.SGD(rate, momentum=0.9, nesterov=True), loss)
        model.fit(images, np.eye(4)[labels], batch_size=32, verbose=0)
        folder.mkdir()
        save_model(model, folder / "model.h5")

    def load(name):
        folder = make_once(f"network_{name}", lambda folder: make(folder, name))
        return keras.models.load_model(folder / "model.h5", compile=False)

    return MadeOnDemand(load)


@pytest.fixture(scope="session")
def sparse_networks(networks):
    """Copies of `networks` with half the weights of 1x1 convolutions set to zero."""
    from corallite.optimize.keras_graph import traverse

    def zero_half(layer):
        copy = traverse.copy_layer(layer)
        if getattr(layer, "kernel_size", None) == (1, 1):
            kernel, *rest = copy.get_weights()
            small = np.abs(kernel) < np.median(np.abs(kernel))
            copy.set_weights([np.where(small, 0, kernel), *rest])
        return copy

    return MadeOnDemand(lambda name: traverse.rebuild(networks[name], zero_half))


@pytest.fixture(scope="session")
def quantized_networks(networks, square_images):
    """Quantization-aware copies of `networks`, without further training."""
    from corallite.optimize.quantize.add_quantizers import quantize

    return MadeOnDemand(lambda name: quantize(networks[name], square_images))


@pytest.fixture(scope="session")
def trained_networks(sparse_networks, square_images, make_once):
    """Quantization-aware `sparse_networks`: two steps, saved, loaded, two steps."""
    from corallite.optimize.keras_graph.load import load_model
    from corallite.optimize.quantize.add_quantizers import quantize
    from corallite.train.training.model_file import save_model

    def make(folder, name):
        model = quantize(sparse_networks[name], square_images)
        _train_two_steps(model, square_images)
        folder.mkdir()
        save_model(model, folder / "first.h5")
        loaded = load_model(folder / "first.h5")
        _train_two_steps(loaded, square_images)
        save_model(loaded, folder / "model.h5")

    def load(name):
        folder = make_once(f"trained_{name}", lambda folder: make(folder, name))
        return load_model(folder / "model.h5")

    return MadeOnDemand(load)


@pytest.fixture(scope="session")
def int8_files(networks, trained_networks, square_images):
    """Contents of full-int8 files by (network, "qat" or "ptq")."""
    from corallite.convert.tflite.converter import convert_to_int8

    models = {"ptq": networks, "qat": trained_networks}
    return MadeOnDemand(
        lambda key: convert_to_int8(models[key[1]][key[0]], square_images)
    )


def _train_two_steps(model, images):
    from corallite.train.framework.keras import keras

    # Momentum and decay also move weights without a gradient. Eager, because tracing
    # takes longer than four steps.
    optimizer = keras.optimizers.SGD(1e-3, momentum=0.9, weight_decay=1e-3)
    model.compile(optimizer, "categorical_crossentropy", run_eagerly=True)
    labels = np.eye(4)[np.arange(len(images)) % 4]
    model.fit(images, labels, batch_size=len(images) // 2, shuffle=False, verbose=0)


@pytest.fixture(scope="session")
def make_once(tmp_path_factory):
    """A function that creates a folder in one test process for all: (name, make).

    `make` takes the path of the folder; the function returns the path. Otherwise each
    process would create it, which can take a minute.
    """
    base_dir = tmp_path_factory.getbasetemp()
    common_dir = base_dir.parent if "PYTEST_XDIST_WORKER" in os.environ else base_dir

    def once(name, make):
        path, mark = common_dir / name, common_dir / f"{name}.made"
        with (common_dir / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not mark.exists():
                shutil.rmtree(path, ignore_errors=True)
                make(path)
                mark.touch()
        return path

    return once


@pytest.fixture(scope="session")
def squares_dir(draw_square, make_once):
    """Class folders of 60 squares each, in red, green and blue."""
    import cv2

    def make(folder):
        rng = np.random.default_rng(2)
        for label, name in enumerate(("red", "green", "blue")):
            (folder / name).mkdir(parents=True)
            for number in range(60):
                image_bgr = draw_square(rng, label)[:, :, ::-1]
                cv2.imwrite(str(folder / name / f"{number:02d}.png"), image_bgr)

    return make_once("squares", make)


@pytest.fixture(scope="session")
def squares_pipeline(squares_dir):
    """A function that makes all stages in a run folder: (run_dir, **options)."""
    from corallite.convert.export.plan import Request
    from corallite.convert.pipeline.run import Recipes, run_pipeline
    from corallite.train.models.network import Network
    from corallite.train.runs.run import Run
    from corallite.train.training.recipe import Recipe

    long = Recipe(epochs=40, batch_size=16, learning_rate=0.05, augment="none")
    short = dataclasses.replace(long, epochs=10, warmup_epochs=0.0)
    recipes = Recipes(
        long,
        dataclasses.replace(short, learning_rate=0.01),
        dataclasses.replace(short, learning_rate=0.002),
        dataclasses.replace(short, learning_rate=0.01),
    )
    network = Network("shufflenet_v2", 0.25, (32, 32))

    def run(run_dir, *, steps="full", sparsity=0.5, overwrite=False, **options):
        with squares_network():
            return run_pipeline(
                squares_dir,
                Run.open(run_dir),
                network,
                recipes,
                Request(overwrite=overwrite),
                steps=steps,
                sparsity=sparsity,
                **options,
            )

    return run


@pytest.fixture(scope="session")
def finished_run(squares_pipeline, make_once, tmp_path_factory):
    """A run folder with all stages. Tests that change it use `copied_run`."""
    made = make_once("squares_run", squares_pipeline)
    # Each process has its own: reports and evaluations are written into it.
    run_dir = tmp_path_factory.mktemp("runs") / "squares"
    return Path(shutil.copytree(made, run_dir))


@pytest.fixture
def copied_run(finished_run, tmp_path):
    """A copy of `finished_run` for a test to change."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


class Browser:
    """Headless Chromium, with the console messages and requests of a page.

    Attributes:
        driver: Selenium's driver, for everything else.
    """

    def __init__(self, chromium, chromedriver, profile_dir):
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        # A page with a camera stream never finishes loading.
        options.page_load_strategy = "eager"
        options.set_capability(
            "goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"}
        )
        for flag in (
            "headless=new",
            # Chromium's sandbox works neither as root nor with a small /dev/shm.
            "no-sandbox",
            "disable-gpu",
            "disable-dev-shm-usage",
            # Stops Chromium's own requests, such as for updates.
            "disable-background-networking",
            "disable-component-update",
            "disable-sync",
            "no-first-run",
            f"user-data-dir={profile_dir}",
        ):
            options.add_argument(f"--{flag}")
        service = webdriver.ChromeService(executable_path=chromedriver)
        self.driver = webdriver.Chrome(options, service)

    def open(self, url, *, width_px=1200, is_dark=False):
        """Opens a page and clears the messages and requests of previous pages."""
        # A window is at least 500 pixels wide, but a phone is narrower.
        metrics = {"width": width_px, "height": 900, "deviceScaleFactor": 1}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else ""}
        run = self.driver.execute_cdp_cmd
        run("Emulation.setDeviceMetricsOverride", {**metrics, "mobile": False})
        run("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get("about:blank")
        self.complaints()
        self.requests()
        self.driver.get(url)

    def complaints(self):
        """Errors and warnings in the console since the last call."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] in ("SEVERE", "WARNING")
        ]

    def requests(self):
        """URLs requested since the last call, except data: URLs."""
        events = [
            json.loads(entry["message"])["message"]
            for entry in self.driver.get_log("performance")
        ]
        urls = [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in urls if not url.startswith(("data:", "about:"))]

    def page_width_px(self):
        """The width of the content; if it exceeds the window, the page scrolls."""
        return self.driver.execute_script("return document.documentElement.scrollWidth")


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A `Browser`; skips the test if Chromium is not installed."""
    chromium, chromedriver = (
        shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
        for name in ("chromium", "chromedriver")
    )
    if not (chromium and chromedriver and importlib.util.find_spec("selenium")):
        pytest.skip("needs chromium, chromedriver and selenium (see Makefile)")
    browser = Browser(chromium, chromedriver, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.driver.quit()
