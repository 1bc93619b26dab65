"""The page of a run; LiteRT.js is fetched only for `make test-runtimes`."""

import base64
import json
import os
import shutil

import cv2
import pytest
from fixtures.served_folder import serving
from fixtures.small_run import open_run

from corallite.convert.export.convert import convert
from corallite.convert.export.targets import browser as target
from corallite.device.engine.classifier import Classifier

pytestmark = pytest.mark.slow
RUNTIMES = os.environ.get("CORALLITE_TEST_RUNTIMES")


def stand_in(package):
    """Returns files with the names of those of a package."""
    script = 'import "@litertjs/wasm-utils";\n//# sourceMappingURL=index.js.map\n'
    names = ("dist/index.js", *(f"wasm/{name}" for name in target._WASM))
    return {f"package/{name}": script.encode() for name in names}


def test_the_folder_has_all_that_the_page_loads(small_copy, monkeypatch):
    monkeypatch.setattr(target, "read_package", stand_in)
    run, data = open_run(small_copy)
    stage = convert(run, data, target="browser")
    model = run.stage("int8").model_path
    assert stage.model_path.read_bytes() == model.read_bytes()
    description = json.loads((stage.path / "model.json").read_text())
    assert description["labels"] == list(data.class_names)
    assert description["sizeHw"] == [32, 32] and description["fit"] == "crop"
    assert (description["scale"], description["zeroPoint"]) == (1 / 256, 0)
    # A browser knows no names of packages, and the map is not there.
    script = (stage.path / "litert" / "core.js").read_text()
    assert script == 'import "./wasm_utils.js";\n'
    page = (stage.path / "index.html").read_text()
    assert "connect-src 'self'" in page and (stage.path / "page.js").exists()


LOAD = """
const done = arguments[0];
import("/classifier.js").then(async ({ Classifier }) => {
  window.classifier = await Classifier.load();
  done("");
}).catch((error) => done(String(error)));
"""
CLASSIFY = """
const [png, done] = arguments;
const bytes = Uint8Array.from(atob(png), (x) => x.charCodeAt(0));
createImageBitmap(new Blob([bytes])).then(async (image) => {
  done((await classifier.classify(image)).scores);
}).catch((error) => done(String(error)));
"""


@pytest.mark.skipif(not RUNTIMES, reason="runs in make test-runtimes")
def test_scores_in_the_browser_are_those_of_litert(
    small_copy, browser, monkeypatch, tmp_path
):
    if not shutil.which("npm"):
        pytest.skip("needs npm")
    monkeypatch.setenv("XDG_CACHE_HOME", RUNTIMES)
    run, data = open_run(small_copy)
    stage = convert(run, data, target="browser")
    classifier = Classifier(stage.model_path)
    with serving(stage.path) as url:
        # A page without a classifier of its own.
        browser.open(f"{url}page.css")
        assert browser.driver.execute_async_script(LOAD) == ""
        for image in data.judging.images_rgb_u8[:20]:
            png = base64.b64encode(
                cv2.imencode(".png", image[..., ::-1])[1].tobytes()
            ).decode()
            scores = browser.driver.execute_async_script(CLASSIFY, png)
            expected = classifier.run(image).tolist()
            # float32 there, and here the same numbers with a rounding more.
            assert [x for _, x in scores] == pytest.approx(expected, abs=1e-6)
        assert all(x.startswith(url) for x in browser.requests())
