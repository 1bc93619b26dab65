"""The `corallite` command: finds the program behind a verb and runs it."""

import gc
import importlib.util
import runpy
import signal
import sys

# Names, not imports: the verbs of the training side must not be loaded, nor need
# to be installed, for the device's to run.
VERBS = {
    "train": ("corallite.train.cli.train_main", "trains a model from class folders"),
    "prune": ("corallite.optimize.cli.prune_main", "zeroes the smallest weights"),
    "quantize": ("corallite.optimize.cli.quantize_main", "quantization-aware training"),
    "convert": (
        "corallite.convert.cli.convert_main",
        "writes the full-int8 TFLite file",
    ),
    "compile": ("corallite.convert.cli.compile_main", "compiles for the Edge TPU"),
    "audit": ("corallite.convert.cli.audit_main", "says what is in a .tflite file"),
    "evaluate": ("corallite.convert.cli.evaluate_main", "measures any stage or file"),
    "report": (
        "corallite.convert.cli.report_main",
        "one HTML file that says how it went",
    ),
    "pipeline": ("corallite.convert.cli.pipeline_main", "all of the above, in order"),
    "classify": ("corallite.device.cli.classify_main", "classifies a camera or files"),
    "serve": ("corallite.device.cli.serve_main", "answers over HTTP, with a live page"),
    "benchmark": ("corallite.device.cli.benchmark_main", "times files, side by side"),
    "doctor": (
        "corallite.device.cli.doctor_main",
        "says what will not work here, and why",
    ),
}
# The others cannot do without.
WITHOUT_TENSORFLOW = ("audit", "benchmark", "classify", "compile", "serve", "doctor")


def main() -> int:
    """Runs `corallite VERB --flags`; returns 2 for an unknown verb."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("help", "--help", "-h"):
        print(_usage())
        return 0 if arguments else 2
    verb = arguments[0]
    if verb not in VERBS:
        message = f"no verb {verb!r}; the verbs are {', '.join(VERBS)}."
        print(f"corallite: {message}", file=sys.stderr)
        return 2
    needs_tensorflow = verb not in WITHOUT_TENSORFLOW
    if needs_tensorflow and not importlib.util.find_spec("tensorflow"):
        message = f"{verb} needs TensorFlow; install it with: pip install '.[train]'"
        print(f"corallite: {message}", file=sys.stderr)
        return 2
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until the program handles it: importing TensorFlow takes seconds, and Ctrl-C
        # would end that with a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Imports make objects that stay: to look for garbage among them, again and again,
    # is a twentieth of the device's start. `program.run` switches it on again.
    gc.disable()
    sys.argv = [f"corallite {verb}", *arguments[1:]]
    runpy.run_module(VERBS[verb][0], run_name="__main__", alter_sys=True)
    return 0


def _usage() -> str:
    rows = [f"  {verb:<10} {does}" for verb, (_, does) in VERBS.items()]
    return "\n".join(
        ["corallite VERB --flags", "", *rows, "", "corallite VERB --help: its flags"]
    )
