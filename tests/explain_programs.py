"""Prints what programs answer to --help or --helpfull, as JSON by their names.

    python explain_programs.py --help corallite.train.train_main ...

All in one process: TensorFlow, which most of them import, takes seconds. absl's flags
are one global set, so those of each program are forgotten before the next.
"""

import contextlib
import io
import json
import runpy
import sys

from absl import app, flags


def explain(program: str, flag: str) -> str:
    of_absl = set(flags.FLAGS)
    sys.argv = [program, flag]
    # Programs set the encoding of what they write to.
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    for name in set(flags.FLAGS) - of_absl:
        delattr(flags.FLAGS, name)
    # Modules of flags that programs share define them once, when they are imported.
    for name in [name for name in sys.modules if name.endswith("_flags")]:
        package, _, module = name.rpartition(".")
        delattr(sys.modules[package], module)
        del sys.modules[name]
    out.seek(0)
    return out.read()


if __name__ == "__main__":
    app.define_help_flags()
    print(json.dumps({name: explain(name, sys.argv[1]) for name in sys.argv[2:]}))
