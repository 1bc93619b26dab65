"""The flags of a run, shared by all programs that continue one."""

from collections.abc import Callable
from pathlib import Path

from absl import flags

from corallite.train.data.load import ImageData, load_data
from corallite.train.runs.run import Run

# --help then lists the flags among those of the program that calls `define`.
flags.disclaim_key_flags()


def define_overwrite() -> flags.FlagHolder[bool]:
    """Defines --overwrite."""
    return flags.DEFINE_boolean(
        "overwrite", False, "Make a stage again if it has other settings."
    )


def define(text: str, *, required: bool = True) -> Callable[..., tuple[Run, ImageData]]:
    """Defines --run_dir; returns a function that opens the run and its images.

    The function takes another way to open a run than `Run.open`.

    Args:
        text: Of --help.
        required: Whether it must be given, if the program has no other source.
    """
    run_dir = flags.DEFINE_string("run_dir", None, text, required=required)

    def read(open_run: Callable[[Path], Run] = Run.open) -> tuple[Run, ImageData]:
        run = open_run(Path(run_dir.value))
        return run, load_data(run)

    return read
