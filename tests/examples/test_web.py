"""The page for browsers, in Chromium, with a stand-in for LiteRT.js.

The real one is in tests/convert/export/targets/test_browser.py.
"""

import base64
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from fixtures.served_folder import serving

from corallite.convert.export.targets.browser import describe
from corallite.device.engine.heads import ClassesHead
from corallite.device.image.preprocess import fit_image
from corallite.device.image.spec import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.refusal import Refusal
from corallite.device.model.signature import ModelSignature, TensorSpec

pytestmark = pytest.mark.slow
SOURCE = Path(__file__).parents[2] / "examples" / "web"
LABELS = ("red", "green", "<b>blue</b>")
OUTPUT = TensorSpec("", (1, 3), "uint8", 1 / 256, 0)
# A "model" whose output is the mean of each channel.
LITERT_JS = """
export async function loadLiteRt() {}
export class Tensor {
  constructor(data) { this.data = data; }
  toTypedArray() { return this.data; }
  delete() {}
}
export async function loadAndCompile() {
  return { run: async ([input]) => [new Tensor([0, 1, 2].map((channel) => {
    const values = input.data.filter((_, index) => index % 3 === channel);
    return values.reduce((total, value) => total + value, 0) / values.length;
  }))] };
}
"""


def make_manifest(fit, refusal=None, values="probabilities", labels=LABELS):
    manifest = Manifest.of_classifier("tiny", "1", labels, Preprocessing((20, 30), fit))
    return manifest.with_classes(refusal=refusal, values=values)


@pytest.fixture
def page(browser, tmp_path):
    """A function that opens the page with a manifest; returns the driver."""
    folder = tmp_path / "web"
    shutil.copytree(SOURCE, folder)
    (folder / "litert").mkdir()
    (folder / "litert" / "core.js").write_text(LITERT_JS)
    with serving(folder) as url:

        def open_page(manifest, output=OUTPUT):
            description = describe(manifest, output, "model_int8.tflite")
            (folder / "model.json").write_text(json.dumps(description))
            browser.open(url, width_px=390)
            wait_for(browser.driver, "status", "Ready.")
            return browser.driver

        yield open_page


def text_of(driver, name):
    script = "return document.getElementById(arguments[0]).textContent"
    return driver.execute_script(script, name)


def wait_for(driver, name, text):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 60).until(lambda _: text in text_of(driver, name))


def call(driver, script, *arguments):
    """Runs an async function of the page's modules and returns its result."""
    code = f"""
    const done = arguments[arguments.length - 1];
    (async (given) => {{
      const fitting = await import("./fit_image.js");
      const running = await import("./classifier.js");
      {script}
    }})([...arguments]).then(done, (error) => done(String(error)));
    """
    return driver.execute_async_script(code, *arguments)


FIT = """
const [png, sizeHw, fit] = given;
const bytes = Uint8Array.from(atob(png), (x) => x.charCodeAt(0));
const image = await createImageBitmap(new Blob([bytes]));
const canvas = Object.assign(document.createElement("canvas"),
  { width: image.width, height: image.height });
const context = canvas.getContext("2d");
context.drawImage(image, 0, 0);
const pixels = fitting.fitImage(context, image.width, image.height, sizeHw, fit);
return btoa(String.fromCharCode(...pixels));
"""


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_images_are_fitted_as_on_the_device(page, fit):
    driver = page(make_manifest(fit))
    rng = np.random.default_rng(0)
    # Smaller, larger, of one larger axis, of the same size, and a line.
    for height, width in ((7, 9), (61, 83), (64, 11), (20, 30), (40, 60), (1, 50)):
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        png = base64.b64encode(
            cv2.imencode(".png", image[..., ::-1])[1].tobytes()
        ).decode()
        found = base64.b64decode(call(driver, FIT, png, [20, 30], fit))
        expected = fit_image(image, Preprocessing((20, 30), fit))
        pixels = np.frombuffer(found, np.uint8).reshape(expected.shape)
        # OpenCV adds and rounds in other orders: by a step of 255.
        assert np.abs(pixels.astype(int) - expected).max() <= 1, (height, width)


@pytest.mark.parametrize("values", ["probabilities", "logits", "multilabel_logits"])
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("temperature", [1, 1.7])
def test_numbers_become_the_probabilities_of_the_device(
    page, values, outputs, temperature
):
    labels = ("no", "yes") if values != "multilabel_logits" else ("a", "b")[:outputs]
    may_refuse = values != "multilabel_logits"
    refusal = Refusal(temperature) if may_refuse else None
    manifest = make_manifest("crop", refusal, values, labels)
    scale, zero_point = (1 / 256, 0) if values == "probabilities" else (0.05, 120)
    output = TensorSpec("y", (1, outputs), "uint8", scale, zero_point)
    driver = page(manifest, output)
    head = ClassesHead(manifest.classes, ModelSignature((), (output,)), "tiny")
    for numbers in ([30, 226], [0, 255], [128, 128]):
        stored = np.array([numbers[:outputs]], np.uint8)
        expected = head.decode({"y": stored})
        script = "return running.interpret(given[0], given[1]);"
        description = describe(manifest, output, "m")
        found = call(driver, script, stored[0].tolist(), description)
        # The device computes in float32.
        np.testing.assert_allclose(found, expected, atol=1e-6)


def write_picture(folder, colour_rgb):
    path = folder / "picture.png"
    cv2.imwrite(str(path), np.full((40, 40, 3), colour_rgb[::-1], np.uint8))
    return str(path)


def test_a_picture_gets_its_label_and_nothing_leaves_the_machine(
    page, browser, tmp_path
):
    driver = page(make_manifest("crop", Refusal(threshold=0.5, background="green")))
    file = driver.find_element("id", "file")
    file.send_keys(write_picture(tmp_path, (10, 20, 226)))
    wait_for(driver, "label", "<b>blue</b>")
    assert "88.3 %" in text_of(driver, "scores")
    file.send_keys(write_picture(tmp_path, (100, 20, 30)))
    wait_for(driver, "label", "unknown")
    # The background is never named.
    file.send_keys(write_picture(tmp_path, (1, 240, 30)))
    wait_for(driver, "scores", "93.8 %")
    assert text_of(driver, "label") == "unknown"
    assert browser.page_width_px() <= 390
    assert browser.complaints() == []
    assert all(x.startswith(("http://localhost:", "blob:")) for x in browser.requests())
    assert browser.driver.execute_async_script(
        "const done = arguments[0];"
        "fetch('http://127.0.0.1:9/').then(() => done('sent'), (x) => done(x.name));"
        "addEventListener('securitypolicyviolation', (x) => done(x.violatedDirective))"
    ) in ("connect-src", "TypeError")


def test_a_file_that_is_no_picture_is_reported(page, tmp_path):
    driver = page(make_manifest("crop"))
    (tmp_path / "notes.jpg").write_text("no picture")
    driver.find_element("id", "file").send_keys(str(tmp_path / "notes.jpg"))
    wait_for(driver, "problem", "notes.jpg: this browser cannot read it as a picture.")
