from dataclasses import replace

import pytest

from corallite.device.doctor.examine import to_line, will_work
from corallite.device.doctor.finding import Level
from corallite.device.doctor.training.check import CHECKS
from corallite.device.doctor.training.survey import TrainingMachine

OK, WARN, FAIL = Level.OK, Level.WARNING, Level.FAILURE
PLAIN = TrainingMachine(version="2.21.0", cuda="12.5.1")
WITH_DRIVER = replace(PLAIN, nvidia_cards=1, driver="570.86.10")
CASES = [
    ("tensorflow", PLAIN, OK, "TensorFlow 2.21.0"),
    (
        "tensorflow",
        TrainingMachine(failure="ModuleNotFoundError: No module named 'tensorflow'"),
        FAIL,
        "not installed; pip install 'corallite[train]'",
    ),
    (
        "tensorflow",
        TrainingMachine(failure="crashed with SIGILL", crashed=True),
        FAIL,
        "(crashed with SIGILL); train on another machine; its builds need a CPU with A",
    ),
    (
        "tensorflow",
        TrainingMachine(failure="ImportError: libstdc++.so.6"),
        FAIL,
        "(ImportError: libstdc++.so.6); install it again: pip install 'corallite[train",
    ),
    ("gpu", PLAIN, OK, "no GPU of NVIDIA; trains on the CPU"),
    ("gpu", replace(WITH_DRIVER, gpus=("Tesla T4",)), OK, "uses Tesla T4"),
    ("gpu", replace(PLAIN, nvidia_cards=1), WARN, "driver is not loaded; install NVID"),
    (
        "gpu",
        replace(WITH_DRIVER, missing=("libcudnn.so.9", "libcublas.so.12")),
        WARN,
        "cannot load libcudnn.so.9, libcublas.so.12; pip install 'corallite[train,gpu]",
    ),
    ("gpu", replace(WITH_DRIVER, cuda=""), WARN, "this build of TensorFlow has no GPU"),
    ("gpu", WITH_DRIVER, WARN, "built for CUDA 12.5.1; run nvidia-smi"),
    (
        "gpu",
        replace(WITH_DRIVER, version="", failure="x"),
        WARN,
        "570.86.10 is loaded, but TensorFlow cannot be imported",
    ),
]


@pytest.mark.parametrize(("name", "machine", "level", "text"), CASES)
def test_what_is_found_is_said_with_its_remedy(name, machine, level, text):
    finding = CHECKS[name](machine)
    assert finding.level is level
    assert text in to_line(name, finding)
    # Without a GPU, it trains on the CPU.
    assert will_work({name: finding}) is (level is not FAIL)
