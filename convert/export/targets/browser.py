"""A page that runs the int8 file in a browser, by LiteRT.js."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corallite.convert.export.npm_package import Package, read_package
from corallite.convert.export.targets.target import Candidate, Target, is_int8
from corallite.device.engine.runners import litert
from corallite.device.model.manifest import Manifest, read_manifest
from corallite.device.model.refusal import Refusal
from corallite.device.model.signature import TensorSpec
from corallite.device.system.errors import RequestError
from corallite.train.data.load import ImageData
from corallite.train.runs.stage import Stage

LITERT_JS = Package(
    "@litertjs/core",
    "2.5.3",
    "3e51a66cc3aaf568ad5fb14ed2385b749c3d1ad85ab6ccae0905e34edff0259a"
    "3414b6b0e3cab8b73f08c2a82a08892f8981abf4e1432f59029cde27cd6a3225",
)
WASM_UTILS = Package(
    "@litertjs/wasm-utils",
    "2.5.3",
    "e1f262c3ab4142722cfb48c7fce435ea760e89297cffecd99e7e61dae97c6932"
    "878b4e6c56a656e7cd139a4efca42da44f7f40f4e60155d15ac2d799fec23591",
)
# In the checkout, and in the wheel beside `convert`.
_FOLDER = Path(__file__).parents[3] / "examples" / "web"
_SUFFIXES = (".css", ".html", ".js", ".md")
# With relaxed SIMD, and for browsers without it; those with threads need headers that
# simple web servers do not send.
_WASM = (
    "litert_wasm_internal.js",
    "litert_wasm_internal.wasm",
    "litert_wasm_compat_internal.js",
    "litert_wasm_compat_internal.wasm",
)
_NOTE = "Its README.md says how to open the page."


def export(stage: Stage, data: ImageData, settings: Mapping[str, Any]) -> Candidate:
    """Adds the page and LiteRT.js to the int8 file; see `Target.export`.

    Raises:
        RequestError: LiteRT.js cannot be fetched, or the file has no manifest.
    """
    path = stage.model_path
    manifest = read_manifest(path)
    if manifest is None:
        raise RequestError(f"{path}: has no manifest; convert the run again.")
    (output,) = litert.load(path).signature.outputs
    description = describe(manifest, output, path.name)
    files = {
        path.name: path.read_bytes(),
        "model.json": json.dumps(description, indent=1).encode(),
        **read_sources(),
        **read_runtime(),
    }
    return Candidate(files, record={"with": LITERT_JS.version, "notes": [_NOTE]})


def describe(manifest: Manifest, output: TensorSpec, model: str) -> dict[str, Any]:
    """Returns `model.json`: what the page reads of a manifest.

    Args:
        manifest: Of the int8 file.
        output: Of the file, for the meaning of its stored numbers.
        model: The name of the file.
    """
    classes, preprocessing = manifest.classes, manifest.preprocessing
    refusal = classes.refusal or Refusal()
    return {
        "model": model,
        "name": f"{manifest.model}, {manifest.version}",
        "sizeHw": list(preprocessing.size_hw),
        "fit": preprocessing.fit,
        "labels": list(classes.labels),
        # None: the background, which is never named.
        "thresholds": [
            None if label == refusal.background else refusal.threshold_of(label)
            for label in classes.labels
        ],
        "temperature": refusal.temperature,
        "values": classes.values,
        "scale": output.scale or 1,
        "zeroPoint": output.zero_point,
    }


def read_sources() -> dict[str, bytes]:
    """Returns the content of each file of the page by its name."""
    paths = sorted(x for x in _FOLDER.iterdir() if x.suffix in _SUFFIXES)
    return {path.name: path.read_bytes() for path in paths}


def read_runtime() -> dict[str, bytes]:
    """Returns the files of LiteRT.js, as a page without a bundler can load them.

    Raises:
        RequestError: It cannot be fetched.
    """
    core, utils = read_package(LITERT_JS), read_package(WASM_UTILS)
    script = core["package/dist/index.js"].decode()
    # A browser resolves addresses only, and no names of packages.
    script = script.replace(f'"{WASM_UTILS.name}"', '"./wasm_utils.js"')
    return {
        "litert/core.js": _without_map(script).encode(),
        "litert/wasm_utils.js": _without_map(
            utils["package/dist/index.js"].decode()
        ).encode(),
        **{f"litert/wasm/{name}": core[f"package/wasm/{name}"] for name in _WASM},
    }


def _without_map(script: str) -> str:
    """Removes the last comment: the map that it names is not there."""
    return script.rpartition("//# sourceMappingURL=")[0] or script


TARGETS = (
    Target(
        "browser",
        "the int8 file with a page that runs it on a picture or a webcam, by "
        "LiteRT.js, which npm fetches (12 MB, once)",
        accepts=is_int8,
        export=export,
        verified="LiteRT.js 2.5.3 in Chromium on x86-64",
    ),
)
