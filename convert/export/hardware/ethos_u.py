"""The int8 file, compiled for an Arm Ethos-U by Vela; see `corallite compile` too."""

from collections.abc import Mapping
from typing import Any

from corallite.convert.ethos_u.compile_file import compile_file
from corallite.convert.ethos_u.vela_program import Options
from corallite.convert.export.ethos_u import SETTINGS, describe
from corallite.convert.export.targets.target import Candidate, Target, is_int8
from corallite.train.data.load import ImageData
from corallite.train.runs.stage import Stage


def export(stage: Stage, data: ImageData, settings: Mapping[str, Any]) -> Candidate:
    """Compiles the int8 file; see `Target.export`."""
    options = Options(**{name: settings[name] for name in SETTINGS})
    made = compile_file(stage.model_path, options)
    return Candidate({made.name: made.content}, record=describe(made))


TARGETS = (
    Target(
        "ethos_u",
        "the int8 file for an Arm Ethos-U55-128; for others: corallite compile",
        accepts=is_int8,
        export=export,
        verified="compiled by Vela only; not run",
        extra="ethos_u",
        packages=("ethosu",),
        options=SETTINGS,
    ),
)
