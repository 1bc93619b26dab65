"""Runs all checks on the description of a machine."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from corallite.device.doctor import (
    check_board,
    check_edgetpu,
    check_model,
    check_python,
)
from corallite.device.doctor.finding import Finding, Level
from corallite.device.doctor.machine import Machine, ModelFile
from corallite.device.doctor.training import check as check_training
from corallite.device.doctor.training.survey import TrainingMachine

CHECKS: dict[str, Callable[[Machine], Finding]] = {
    "python": check_python.check_interpreter,
    "wheels": check_python.check_wheels,
    "numpy": check_python.check_numpy,
    "runtime": check_python.check_runtime,
    "opencv": check_python.check_opencv,
    "pycoral": check_python.check_pycoral,
    "edgetpu": check_edgetpu.check_device,
    "libedgetpu": check_edgetpu.check_library,
    "pair": check_edgetpu.check_pair,
    "usb": check_edgetpu.check_usb_rights,
    "apex": check_edgetpu.check_apex,
    "cameras": check_board.check_cameras,
    "csi": check_board.check_csi,
    "power": check_board.check_power,
    "memory": check_board.check_memory,
    "disk": check_board.check_disk,
    "clock": check_board.check_clock,
}
MODEL_CHECKS: dict[str, Callable[[Machine, ModelFile], Finding]] = {
    "needs": check_model.check_needs,
    "run": check_model.check_run,
    "twin": check_model.check_cpu_fallback,
    "manifest": check_model.check_manifest,
}
_MARKS = {Level.OK: "ok", Level.WARNING: "warn", Level.FAILURE: "FAIL"}


def examine(
    machine: Machine, training: TrainingMachine | None = None
) -> dict[str, Finding]:
    """Returns the finding of each check by its name, in order.

    The checks of a model are omitted without a model, and those of a training unless
    it is described.
    """
    findings = {name: check(machine) for name, check in CHECKS.items()}
    if training is not None:
        findings |= {
            name: check(training) for name, check in check_training.CHECKS.items()
        }
    if (model := machine.model) is not None:
        findings |= {
            name: check(machine, model) for name, check in MODEL_CHECKS.items()
        }
    return findings


def will_work(findings: dict[str, Finding]) -> bool:
    """Returns whether none of the findings is a failure."""
    return all(found.level is not Level.FAILURE for found in findings.values())


def to_line(name: str, finding: Finding) -> str:
    """Returns a finding as one line."""
    sentence = "; ".join(filter(None, (finding.text, finding.remedy)))
    return f"{_MARKS[finding.level]:<4}  {name:<10}  {' '.join(sentence.split())}"


def to_json(
    machine: Machine,
    findings: dict[str, Finding],
    training: TrainingMachine | None = None,
) -> dict[str, Any]:
    """Returns a machine and its findings as an object for `json`."""
    rows = [
        {"check": name, **vars(found), "level": found.level.value}
        for name, found in findings.items()
    ]
    described = asdict(machine)
    # json cannot write sets.
    described["groups"] = sorted(machine.groups)
    described["udev_rules"] = sorted(machine.udev_rules)
    if training is not None:
        described["training"] = asdict(training)
    return {"works": will_work(findings), "findings": rows, "machine": described}
