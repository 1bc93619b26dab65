"""Writes a run's report: one HTML file that opens from disk and prints.

corallite report --run_dir=runs/first

What was trained on what, all stages side by side, training curves, confusion,
calibration, the worst mistakes, layer by layer what int8 changes, what the Edge TPU
would run, and where it all comes from. Prints the path of the file.
"""

from collections.abc import Sequence

from absl import flags

from corallite.convert.report.write import write_report
from corallite.device.cli import program
from corallite.train.cli import run_flags

_RUN = run_flags.define("Run folder with a trained model.")
_PART = flags.DEFINE_enum(
    "part", "test", ("train", "val", "test"), "Split of the images to evaluate on."
)


def main(argv: Sequence[str]) -> None:
    program.reject_arguments(argv)
    print(write_report(*_RUN(), _PART.value))


if __name__ == "__main__":
    program.run(main)
