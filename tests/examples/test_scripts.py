"""The scripts for an own training loop run, with documented functions only."""

import ast
import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from corallite.device.engine.classifier import Classifier

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "examples" / "scripts"
COLOURS = {"blue": (30, 40, 220), "green": (30, 200, 60), "red": (220, 40, 30)}


def list_functions():
    """Returns the functions in docs/library.md: pairs of module and name."""
    text = (ROOT / "docs" / "library.md").read_text()
    rows = re.findall(r"^\| `(corallite[\w.]+)` \| (.*?) \|", text, re.MULTILINE)
    assert len(rows) > 15
    found = [(module, re.findall(r"`(\w+)`", names)) for module, names in rows]
    return [(module, name) for module, names in found for name in names]


@pytest.mark.slow
@pytest.mark.parametrize(("module", "name"), list_functions())
def test_what_the_page_lists_is_there(module, name):
    found = getattr(importlib.import_module(module), name)
    # Modules of other packages have their own documentation.
    if getattr(found, "__module__", "").startswith("corallite"):
        assert found.__module__ == module and found.__doc__


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda x: x.name)
def test_scripts_use_what_the_page_lists(script):
    documented = set(list_functions())
    imported = {
        (node.module, alias.name)
        for node in ast.walk(ast.parse(script.read_text()))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("corallite")
        for alias in node.names
    }
    assert imported and imported <= documented


def write_photos(path):
    """Writes smooth images of three colours, which a network tells apart quickly."""
    rng, shading = np.random.default_rng(0), np.linspace(0.6, 1, 16)[:, None]

    def draw(count):
        labels = np.arange(3 * count) % 3
        colours = np.array(list(COLOURS.values()))[labels][:, None, None]
        bright = shading * rng.uniform(0.7, 1, (len(labels), 1, 1))
        images = colours * np.broadcast_to(bright, (len(labels), 16, 16))[..., None]
        return np.round(images).astype(np.uint8), labels

    (images, labels), (val_images, val_labels) = draw(32), draw(8)
    np.savez(
        path,
        train_images=images,
        train_labels=labels,
        val_images=val_images,
        val_labels=val_labels,
    )
    return val_images, val_labels


@pytest.mark.slow
def test_both_scripts_give_a_file_that_names_the_photos(programs, tmp_path):
    images, labels = write_photos(tmp_path / "photos.npz")
    photos = f"--photos={tmp_path / 'photos.npz'}"
    models, out = tmp_path / "models", tmp_path / "model.tflite"
    done = programs.run(
        SCRIPTS / "train_own.py", photos, f"--out_dir={models}", "--epochs=6"
    )
    assert done.returncode == 0, done.stderr
    assert {x.name for x in models.iterdir()} == {"float.h5", "pruned.h5", "qat.h5"}
    done = programs.run(
        SCRIPTS / "convert_own.py",
        photos,
        f"--model={models / 'qat.h5'}",
        f"--labels={','.join(COLOURS)}",
        f"--out={out}",
    )
    assert done.returncode == 0, done.stderr
    assert f"{out}: " in done.stdout and "of labels equal" in done.stdout
    classifier = Classifier(out)
    assert classifier.labels == tuple(COLOURS)
    found = [classifier.run(image).argmax() for image in images]
    assert np.mean(found == labels) > 0.9
