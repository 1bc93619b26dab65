import importlib.util
from importlib import metadata

import pytest

from corallite.device.doctor.training import survey
from corallite.device.doctor.training.survey import (
    find_missing_libraries,
    survey_training,
)

NVRM = (
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.10  Wed Jan 22 2025\n"
    "GCC version:  gcc version 12.2.0\n"
)


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
)
def test_tensorflow_is_asked_in_its_own_process(tmp_path):
    found = survey_training(tmp_path)
    assert (found.failure, found.version) == ("", metadata.version("tensorflow"))
    assert (found.nvidia_cards, found.driver) == (0, "")


def test_a_failed_import_is_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(survey, "_CODE", "import no_such_package")
    found = survey_training(tmp_path)
    assert found.version == "" and "No module named 'no_such_package'" in found.failure


def test_hardware_and_driver_are_read_from_the_system(tmp_path, monkeypatch):
    monkeypatch.setattr(survey, "_CODE", "import no_such_package")
    # A graphics card has a second function for sound.
    for address, kind in (("01:00.0", "0x030000"), ("01:00.1", "0x040300")):
        folder = tmp_path / "sys/bus/pci/devices" / f"0000:{address}"
        folder.mkdir(parents=True)
        (folder / "vendor").write_text("0x10de\n")
        (folder / "class").write_text(f"{kind}\n")
    driver = tmp_path / "proc/driver/nvidia/version"
    driver.parent.mkdir(parents=True)
    driver.write_text(NVRM)
    found = survey_training(tmp_path)
    assert (found.nvidia_cards, found.driver) == (1, "570.86.10")


@pytest.mark.parametrize(
    ("log", "missing"),
    [
        ("Could not find cuda drivers on your machine, GPU will not be used.", ()),
        (
            "Could not load dynamic library 'libcudnn.so.9'; dlerror: no such file\n"
            "Could not load dynamic library 'libcudnn.so.9'; dlerror: no such file\n"
            "Cannot dlopen some GPU libraries.",
            ("libcudnn.so.9",),
        ),
        ("Cannot dlopen some GPU libraries. Skipping...", ("libraries of CUDA",)),
    ],
)
def test_libraries_that_are_missing_are_named_once(log, missing):
    assert find_missing_libraries(log) == missing
