"""Reports what is in any .tflite file, and how the Edge TPU would run it.

corallite audit model_int8.tflite

Lists the operators, what is not int8, sizes that are not fixed, cost and memory, the
operators that XNNPACK runs on this machine, and those that the Edge TPU compiler would
map. The compiler is not run: this is a prediction. --json prints everything as JSON.
"""

import json
from collections.abc import Sequence

from absl import flags

from corallite.convert.audit.audit_text import format_audit
from corallite.convert.audit.examine import audit_file
from corallite.convert.edgetpu.predict.compilers import COMPILERS, DEFAULT_COMPILER
from corallite.device.cli import program

_MODEL = flags.DEFINE_string(
    "model", None, "The .tflite file; --model= may be left out."
)
_JSON = flags.DEFINE_boolean("json", False, "Print everything as JSON.")
_DETAILS = flags.DEFINE_boolean(
    "details", False, "List the inputs and outputs of each operator by name."
)
_COMPILER = flags.DEFINE_enum(
    "compiler", DEFAULT_COMPILER, list(COMPILERS), "Edge TPU compiler to predict."
)
_MULTIPLE_SUBGRAPHS = flags.DEFINE_boolean(
    "enable_multiple_subgraphs",
    False,
    "Predict the compiler with this flag: every supported subgraph is mapped.",
)
_MIN_RUNTIME_VERSION = flags.DEFINE_integer(
    "min_runtime_version",
    None,
    "Oldest Edge TPU runtime to support, such as 13; by default the compiler's own.",
    lower_bound=10,
)


def main(argv: Sequence[str]) -> None:
    audit = audit_file(
        program.require_model(argv, _MODEL.value),
        compiler=_COMPILER.value,
        multiple_subgraphs=_MULTIPLE_SUBGRAPHS.value,
        min_runtime_version=_MIN_RUNTIME_VERSION.value,
    )
    if _JSON.value:
        print(json.dumps(audit.to_json()))
    else:
        print(format_audit(audit, details=_DETAILS.value))


if __name__ == "__main__":
    program.run(main)
