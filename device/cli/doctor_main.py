"""Says what is wrong on this machine, and the remedy, a line for each check.

corallite doctor --model=model_int8.tflite

Exits with 1 if something will not work. What might crash, such as the first
inference of the model, runs in a process of its own.
"""

import json
from collections.abc import Sequence

from absl import flags

from corallite.device.cli import program
from corallite.device.doctor import examine
from corallite.device.doctor.survey import survey_machine

_MODEL = flags.DEFINE_string(
    "model", None, "A .tflite file to try; default, none is tried."
)
_JSON = flags.DEFINE_boolean(
    "json", False, "Writes one JSON object, with all that is known of the machine."
)


def main(argv: Sequence[str]) -> int:
    """Looks at the machine and prints what was found."""
    program.reject_arguments(argv)
    machine = survey_machine(_MODEL.value)
    findings = examine.examine(machine)
    if _JSON.value:
        print(json.dumps(examine.to_json(machine, findings), indent=2))
    else:
        for name, finding in findings.items():
            print(examine.to_line(name, finding))
    works = examine.will_work(findings)
    return program.EXIT_DONE if works else program.EXIT_CHECK_FAILED


if __name__ == "__main__":
    program.run(main)
