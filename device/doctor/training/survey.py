"""Asks TensorFlow, in its own process, what it finds on this machine."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from corallite.device.board import sensors
from corallite.device.system.process.isolated import try_python

# Importing it from a slow disk takes a minute.
_TIMEOUT_S = 180
_NVIDIA_PCI_ID = "0x10de"
# Display controllers; other devices on a graphics card are its sound and USB.
_DISPLAY_CLASS = "0x03"
# What TensorFlow writes to stderr is the reason why a GPU is not used.
_CODE = """
import os, tempfile
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0"
with tempfile.TemporaryFile() as log:
    kept = os.dup(2)
    os.dup2(log.fileno(), 2)
    try:
        import json
        import tensorflow as tf
        gpus = tf.config.list_physical_devices("GPU")
    finally:
        os.dup2(kept, 2)
    log.seek(0)
    text = log.read().decode(errors="replace")
details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
print(json.dumps({
    "version": tf.__version__,
    "cuda": tf.sysconfig.get_build_info().get("cuda_version", ""),
    "gpus": [x.get("device_name", "unknown GPU") for x in details],
    "log": text[-20000:],
}))
"""


@dataclass(frozen=True)
class TrainingMachine:
    """What a training needs of a machine.

    Attributes:
        version: Of TensorFlow; "" if it is not installed or cannot be imported.
        failure: Why it cannot be imported, as part of a sentence; "" if it can.
        crashed: Whether its import ended the process.
        cuda: The version of CUDA that it was built for; "" if it has no GPU support.
        gpus: Names of the GPUs that it uses.
        missing: Libraries of CUDA that it cannot load.
        nvidia_cards: Number of NVIDIA's display controllers.
        driver: Version of NVIDIA's driver; "" if none is loaded.
    """

    version: str = ""
    failure: str = ""
    crashed: bool = False
    cuda: str = ""
    gpus: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    nvidia_cards: int = 0
    driver: str = ""


def survey_training(root: Path = Path("/")) -> TrainingMachine:
    """Describes what TensorFlow finds here, and NVIDIA's hardware below `root`."""
    cards, driver = _count_cards(root), _read_driver(root)
    outcome = try_python(_CODE, timeout_s=_TIMEOUT_S)
    if outcome.failure:
        return TrainingMachine(
            failure=outcome.failure,
            crashed=outcome.crashed,
            nvidia_cards=cards,
            driver=driver,
        )
    found = json.loads(outcome.output.splitlines()[-1])
    return TrainingMachine(
        version=found["version"],
        cuda=found["cuda"],
        gpus=tuple(found["gpus"]),
        missing=find_missing_libraries(found["log"]),
        nvidia_cards=cards,
        driver=driver,
    )


def find_missing_libraries(log: str) -> tuple[str, ...]:
    """Returns the libraries that TensorFlow's log names as not loaded, once each."""
    names = re.findall(r"Could not load dynamic library '([^']+)'", log)
    if not names and "Cannot dlopen some GPU libraries" in log:
        names = ["libraries of CUDA"]
    return tuple(dict.fromkeys(names))


def _count_cards(root: Path) -> int:
    return sum(
        sensors.read_text(folder / "vendor") == _NVIDIA_PCI_ID
        and sensors.read_text(folder / "class").startswith(_DISPLAY_CLASS)
        for folder in root.glob("sys/bus/pci/devices/*")
    )


def _read_driver(root: Path) -> str:
    text = sensors.read_text(root / "proc/driver/nvidia/version")
    found = re.search(r"Kernel Module.*?\s(\d+\.\d+(?:\.\d+)?)\s", text)
    return found[1] if found else ""
