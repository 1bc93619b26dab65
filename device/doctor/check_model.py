"""Checks of a model file, as functions of a machine's description."""

import re

from corallite.device.doctor.finding import Finding, failure, ok, warning
from corallite.device.doctor.machine import Machine, ModelFile

_UNREADABLE_REMEDY = "give a .tflite file, or copy or convert it again"


def check_needs(machine: Machine, model: ModelFile) -> Finding:
    """Checks that the runtimes are new enough for the model."""
    if not model.is_readable:
        return failure(model.failure, _UNREADABLE_REMEDY)
    if model.min_edgetpu_runtime is not None:
        return _check_edgetpu(machine, model, model.min_edgetpu_runtime)
    if not model.min_runtime:
        return ok(f"{model.path}: does not name the TFLite version that it needs")
    needs = f"{model.path}: needs TFLite {model.min_runtime}"
    runtime = machine.runtimes[0] if machine.runtimes else None
    # ai-edge-litert has its own version numbers, and is newer than TensorFlow 2.16.
    if runtime and runtime.name == "tflite-runtime":
        needs += f"; {runtime.version} is installed"
        if _numbers(model.min_runtime) > _numbers(runtime.version):
            return failure(needs, "install ai-edge-litert, or a newer tflite-runtime")
    return ok(needs)


def check_run(machine: Machine, model: ModelFile) -> Finding:
    """Checks that the model runs on this machine."""
    if not model.failure:
        return ok(
            f"{model.path}: runs, {model.latency_ms:.1f} ms for the second inference"
        )
    text = model.failure
    if not text.startswith(model.path):
        text = f"{model.path}: does not run ({text})"
    if model.crashed and model.min_edgetpu_runtime is not None:
        return failure(
            text,
            "install a libedgetpu and a TFLite runtime that were built for each other, "
            "and reconnect the Edge TPU",
        )
    if model.crashed:
        return failure(text, "reinstall the TFLite runtime, or convert the model again")
    # A sentence of ours ends with the remedy.
    what, separator, remedy = text.rpartition("; ")
    if separator and model.failure.startswith(model.path):
        return failure(what, remedy)
    return failure(text, "see the lines above, or convert the model again")


def check_cpu_fallback(machine: Machine, model: ModelFile) -> Finding:
    """Checks that a model for the Edge TPU has its CPU fallback beside it."""
    if model.min_edgetpu_runtime is None:
        return ok("no model for an Edge TPU; no CPU fallback is needed")
    if not model.has_twin:
        return warning(
            f"{model.path}: has no CPU fallback for a failure of the Edge TPU",
            "put the file that it was compiled from beside it, without _edgetpu in its "
            "name, or use classify --cpu_model=FILE",
        )
    return ok(f"{model.path}: has its CPU fallback beside it")


def check_manifest(machine: Machine, model: ModelFile) -> Finding:
    """Checks that the model carries its labels."""
    if not model.is_readable:
        return failure(model.failure, _UNREADABLE_REMEDY)
    if model.failure:
        return warning(
            f"{model.path}: its manifest is not checked because the model does not run",
            "fix that first",
        )
    if not model.has_manifest and not model.labels:
        return warning(
            f"{model.path}: carries no manifest",
            "use classify --labels=FILE, with one label per line",
        )
    if not model.has_manifest:
        return ok(f"{model.path}: its TFLite Metadata name {model.labels} labels")
    return ok(f"{model.path}: its manifest has {model.labels} labels")


def _check_edgetpu(machine: Machine, model: ModelFile, needed: int) -> Finding:
    text = f"{model.path}: needs an Edge TPU with runtime {needed}"
    library = machine.libedgetpu
    if not machine.has_edgetpu:
        return failure(
            f"{text}, and there is none",
            "connect one, or run the model that it was compiled from",
        )
    if library is None or library.runtime is None:
        return warning(f"{text}; the version of libedgetpu is unknown")
    if library.runtime < needed:
        return failure(
            f"{text}; libedgetpu has {library.runtime}",
            "install a newer libedgetpu, or compile with --min_runtime_version "
            f"{library.runtime}",
        )
    return ok(f"{text}; libedgetpu has {library.runtime}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
