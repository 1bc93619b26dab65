"""The flag that names a run, for every program that continues a run."""

from collections.abc import Callable
from pathlib import Path

from absl import flags

from corallite.train.data.load import ImageData, load_data
from corallite.train.runs.run import Run

# The flags are those of the program that asks for them: --help lists no others.
flags.disclaim_key_flags()


def define_overwrite() -> flags.FlagHolder[bool]:
    """Defines --overwrite."""
    return flags.DEFINE_boolean(
        "overwrite", False, "Make a stage again if it has other settings."
    )


def define(text: str) -> Callable[[], tuple[Run, ImageData]]:
    """Defines --run_dir; returns a function that opens the run and its images."""
    run_dir = flags.DEFINE_string("run_dir", None, text, required=True)

    def read() -> tuple[Run, ImageData]:
        run = Run.open(Path(run_dir.value))
        return run, load_data(run)

    return read
