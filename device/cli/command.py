"""The `corallite` command: finds the program of a verb and runs it."""

import gc
import importlib.util
import runpy
import signal
import sys

from corallite.device.system.version import version_line

# The package and the purpose of each verb. Names, not imports: the verbs of the device
# must run without the packages that training needs.
VERBS = {
    "inspect": ("train", "finds problems of a folder of photos"),
    "pack": ("train", "packs photos into a few large files"),
    "train": ("train", "trains a model from class folders"),
    "adopt": ("train", "makes a run of a Keras model of your own"),
    "prune": ("optimize", "sets the smallest weights to zero while training"),
    "quantize": ("optimize", "trains with simulated int8 quantization"),
    "convert": ("convert", "writes the full-int8 TFLite file"),
    "compile": ("convert", "compiles for the Edge TPU"),
    "audit": ("convert", "shows what is in a .tflite file"),
    "evaluate": ("convert", "measures any stage or file"),
    "report": ("convert", "writes one HTML file about a run"),
    "publish": ("convert", "signs a model for the devices that follow a channel"),
    "pipeline": ("convert", "runs all steps from train to report"),
    "search": ("convert", "finds the best network within limits of its cost"),
    "teach": ("device", "makes a model of photos in seconds"),
    "classify": ("device", "classifies the frames of a camera or files"),
    "serve": ("device", "classifies over HTTP, with a live page"),
    "fleet": ("device", "lists the devices that publish to an MQTT broker"),
    "benchmark": ("device", "compares the speed of model files"),
    "doctor": ("device", "finds problems of this machine and says how to fix them"),
}
WITHOUT_TENSORFLOW = (
    *("inspect", "audit", "compile", "publish"),
    *("teach", "classify", "serve", "fleet", "benchmark", "doctor"),
)


def module_of(verb: str) -> str:
    """Returns the name of the module that runs as a verb's program."""
    return f"corallite.{VERBS[verb][0]}.cli.{verb}_main"


def main() -> int:
    """Runs `corallite VERB --flags`; returns 2 for an unknown verb."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("help", "--help", "-h"):
        print(_usage())
        return 0 if arguments else 2
    verb = arguments[0]
    # Also after a verb: the programs of training import TensorFlow first.
    if verb == "--version" or (verb in VERBS and arguments[1:] == ["--version"]):
        print(version_line())
        return 0
    if verb not in VERBS:
        return _refuse(f"no verb {verb!r}; the verbs are {', '.join(VERBS)}.")
    needs_tensorflow = verb not in WITHOUT_TENSORFLOW
    if needs_tensorflow and not importlib.util.find_spec("tensorflow"):
        remedy = "install it with: pip install '.[train]'"
        return _refuse(f"{verb} needs TensorFlow; {remedy}")
    if verb == "search" and not importlib.util.find_spec("optuna"):
        return _refuse("search needs Optuna; install it with: pip install '.[search]'")
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until the program has its own handler: importing TensorFlow takes seconds, and
        # Ctrl-C would print a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Objects made by imports stay. Collecting garbage among them would take a twentieth
    # of the device's start. `program.run` enables the collector again.
    gc.disable()
    sys.argv = [f"corallite {verb}", *arguments[1:]]
    runpy.run_module(module_of(verb), run_name="__main__", alter_sys=True)
    return 0


def _refuse(sentence: str) -> int:
    print(f"corallite: {sentence}", file=sys.stderr)
    return 2


def _usage() -> str:
    rows = [f"  {verb:<10} {does}" for verb, (_, does) in VERBS.items()]
    return "\n".join(
        [
            "corallite VERB --flags",
            "",
            *rows,
            "",
            "corallite VERB --help: its flags",
            "corallite --version",
        ]
    )
