"""Checks of a machine that trains, as functions of its description."""

from collections.abc import Callable

from corallite.device.doctor.finding import Finding, failure, ok, warning
from corallite.device.doctor.training.survey import TrainingMachine

_INSTALL = "pip install 'corallite[train]'"
_INSTALL_GPU = "pip install 'corallite[train,gpu]'"


def check_tensorflow(machine: TrainingMachine) -> Finding:
    """Checks that TensorFlow can be imported."""
    if "No module named 'tensorflow'" in machine.failure:
        return failure("TensorFlow is not installed", _INSTALL)
    if machine.crashed:
        return failure(
            f"TensorFlow cannot be imported ({machine.failure})",
            "train on another machine; its builds need a CPU with AVX",
        )
    if machine.failure:
        return failure(
            f"TensorFlow cannot be imported ({machine.failure})",
            f"install it again: {_INSTALL}",
        )
    return ok(f"TensorFlow {machine.version}")


def check_gpu(machine: TrainingMachine) -> Finding:
    """Checks that TensorFlow uses the GPU, and says why it does not."""
    if machine.gpus:
        return ok(f"TensorFlow uses {', '.join(machine.gpus)}")
    if not machine.nvidia_cards and not machine.driver:
        return ok("no GPU of NVIDIA; trains on the CPU")
    if not machine.driver:
        return warning(
            "there is a GPU of NVIDIA, but its driver is not loaded",
            "install NVIDIA's driver with the system's package manager, then restart",
        )
    with_driver = f"NVIDIA's driver {machine.driver} is loaded"
    if machine.failure:
        return warning(f"{with_driver}, but TensorFlow cannot be imported")
    if not machine.cuda:
        return warning(
            f"{with_driver}, but this build of TensorFlow has no GPU support",
            "use TensorFlow for Linux on x86-64",
        )
    if machine.missing:
        return warning(
            f"{with_driver}, but TensorFlow cannot load {', '.join(machine.missing)}",
            _INSTALL_GPU,
        )
    return warning(
        f"{with_driver}, but TensorFlow finds no GPU; it was built for CUDA "
        f"{machine.cuda}",
        "run nvidia-smi: the driver may be too old, or the GPU not passed on to this "
        "container",
    )


CHECKS: dict[str, Callable[[TrainingMachine], Finding]] = {
    "tensorflow": check_tensorflow,
    "gpu": check_gpu,
}
