"""Writes a run's report: one HTML file that needs no server or network.

corallite report --run_dir=runs/first

It shows the data and settings, all stages side by side, training curves, confusion,
calibration, the worst mistakes, the error of each layer, what the Edge TPU would run,
and the provenance. Prints the path of the file.
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
