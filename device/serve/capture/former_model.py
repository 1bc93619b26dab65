"""Swaps the model and the former one, which `teach` has kept."""

import contextlib
import os
from pathlib import Path

from corallite.device.learn.former import name_former
from corallite.device.serve.capture.disk import reporting_failure
from corallite.device.system import files
from corallite.device.system.errors import RequestError


def exchange(model: Path) -> None:
    """Swaps a model and the former one.

    If it is killed, the model is one of the two, and `repair` restores the other.

    Raises:
        RequestError: There is no former model, or a file cannot be written.
    """
    former, spare = name_former(model), _name_spare(model)
    if not former.exists():
        raise RequestError("There is no former model; teach twice to have one.")
    with reporting_failure(model, "exchanged"):
        repair(model)
        if model.exists():
            files.write_bytes(spare, model.read_bytes())
        os.replace(former, model)
        with contextlib.suppress(FileNotFoundError):
            os.replace(spare, former)


def repair(model: Path) -> None:
    """Completes an exchange that was interrupted.

    Raises:
        OSError: A file cannot be moved.
    """
    former, spare = name_former(model), _name_spare(model)
    if not spare.exists():
        return
    if former.exists():
        spare.unlink()  # It was interrupted before the model was changed.
    else:
        os.replace(spare, former)


def _name_spare(model: Path) -> Path:
    return model.with_name(f".{model.stem}.exchanged{model.suffix}")
