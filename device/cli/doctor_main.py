"""Finds problems of this machine and their remedies, one line per check.

corallite doctor model_int8.tflite
corallite doctor --train

Exits with status 1 if something will not work. Steps that may crash, such as the first
inference of the model, run in their own process.
"""

import json
from collections.abc import Sequence

from absl import flags

from corallite.device.cli import program
from corallite.device.doctor import examine
from corallite.device.doctor.survey import survey_machine
from corallite.device.doctor.training.survey import survey_training

_MODEL = flags.DEFINE_string(
    "model", None, "A .tflite file to check; default, no model is checked."
)
_TRAIN = flags.DEFINE_boolean(
    "train", False, "Also ask TensorFlow what it finds here, and why not a GPU."
)
_JSON = flags.DEFINE_boolean(
    "json", False, "Print a JSON object with everything known about the machine."
)


def main(argv: Sequence[str]) -> int:
    """Checks the machine and prints the findings."""
    machine = survey_machine(program.take_model(argv, _MODEL.value))
    training = survey_training() if _TRAIN.value else None
    findings = examine.examine(machine, training)
    if _JSON.value:
        print(json.dumps(examine.to_json(machine, findings, training), indent=2))
    else:
        for name, finding in findings.items():
            print(examine.to_line(name, finding))
    works = examine.will_work(findings)
    return program.EXIT_DONE if works else program.EXIT_CHECK_FAILED


if __name__ == "__main__":
    program.run(main)
