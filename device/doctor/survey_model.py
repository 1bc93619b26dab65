"""Runs a model file in its own process."""

import json
from dataclasses import replace
from pathlib import Path

from corallite.device.doctor.machine import Machine, ModelFile
from corallite.device.model import identifiers
from corallite.device.model.cpu_fallback import name_cpu_fallback
from corallite.device.model.requirements import ModelNeeds, read_needs
from corallite.device.system.files import require_regular
from corallite.device.system.process.isolated import try_python

_TIMEOUT_S = 120
_TRIAL_CODE = """
from corallite.device.doctor import model_trial
model_trial.main(sys.argv[1], sys.argv[2] == "edgetpu")
"""


def survey_model(machine: Machine, path: str, timeout_s: float = _TIMEOUT_S) -> Machine:
    """Adds the requirements of a model file and the result of two inferences."""
    try:
        needs = _read_needs(Path(path))
    except OSError as error:
        failure = f"{path}: cannot be read ({error.strerror})"
        return replace(machine, model=ModelFile(path, failure, is_readable=False))
    except ValueError as error:
        failure = str(error).rstrip(".")
        return replace(machine, model=ModelFile(path, failure, is_readable=False))
    kind = "cpu" if needs.min_edgetpu_runtime is None else "edgetpu"
    outcome = try_python(_TRIAL_CODE, path, kind, timeout_s=timeout_s)
    fallback = name_cpu_fallback(path)
    model = ModelFile(
        path,
        outcome.failure,
        outcome.crashed,
        min_runtime=needs.min_runtime,
        min_edgetpu_runtime=needs.min_edgetpu_runtime,
        has_twin=fallback != path and Path(fallback).is_file(),
    )
    if not outcome.failure:
        # LiteRT may print lines before the result.
        model = replace(model, **json.loads(outcome.output.splitlines()[-1]))
    return replace(machine, model=model)


def _read_needs(path: Path) -> ModelNeeds:
    require_regular(path)
    with path.open("rb") as file:
        if file.read(8)[4:] != identifiers.MODEL:
            raise ValueError(f"{path}: not a TFLite model.")
    return read_needs(path)
