"""Searches for the most accurate network within limits of its cost.

corallite search --data_dir=photos --run_dir=runs/s --max_latency_ms=20 --board=pi4.json

It trains many networks briefly, each as large as the limits allow, and the three best
of them fully, takes these through int8 and the accuracy gate, and writes search.html.
If interrupted, the same command resumes. With --storage=postgresql://..., several
machines share the trials, each running the same command.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from corallite.convert.search.in_process import do_in_process
from corallite.convert.search.plan import Plan
from corallite.convert.search.results import format_outcome
from corallite.convert.search.run import search
from corallite.convert.search.space.candidates import FAMILIES
from corallite.device.cli import program
from corallite.device.image import preprocess
from corallite.device.system.errors import RequestError
from corallite.optimize.cli import budget_flags
from corallite.train.cli import data_flags, recipe_flags
from corallite.train.data.shards.fetch import locate_images
from corallite.train.runs.recipe import QUANTIZE, TRAIN

_DATA_DIR = data_flags.define_data_dir()
flags.mark_flag_as_required(_DATA_DIR)
_GROUP_BY = data_flags.define_group_by()
_RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "Folder for all files of the search.", required=True
)
_BUDGET = budget_flags.define_limits("milliseconds of one inference of int8, 1 thread.")
_FAMILIES = flags.DEFINE_list(
    "families",
    list(FAMILIES),
    "Kinds of networks: residual (ResNet), inverted (MobileNetV2), shuffled "
    "(ShuffleNetV2).",
)
_IMAGE_SIZE = flags.DEFINE_list(
    "image_size", ["96", "128", "160"], "Sides of images to choose from, in pixels."
)
_FIT = flags.DEFINE_enum("fit", "crop", preprocess.FITS, "How an image becomes square.")
_TRIALS = flags.DEFINE_integer(
    "trials", 100, "Networks to train briefly, in all processes.", lower_bound=1
)
_HOURS = flags.DEFINE_float(
    "hours", None, "Begin none after so many hours; default: no limit.", lower_bound=0.0
)
_TRIAL_EPOCHS = flags.DEFINE_integer(
    "trial_epochs",
    9,
    "Epochs of a brief training; bad ones end after 3, 9, 27 and so on.",
    lower_bound=1,
)
_STORAGE = flags.DEFINE_string(
    "storage",
    None,
    "Where the trials are stored: a file, or a database such as "
    "postgresql+psycopg://user@host/name; default: a file in --run_dir.",
)
_TRAIN = recipe_flags.define(TRAIN)
_QUANTIZE = recipe_flags.define(QUANTIZE, "quantize_")


def main(argv: Sequence[str]) -> int:
    program.reject_arguments(argv)
    plan = Plan(
        # TensorFlow copies shards of an address, and may not have worked here before.
        data_dir=do_in_process(lambda: locate_images(_DATA_DIR.value)),
        run_dir=Path(_RUN_DIR.value),
        budget=_BUDGET(),
        families=_read_families(),
        sides=_read_sides(),
        trials=_TRIALS.value,
        hours=_HOURS.value,
        trial_epochs=_TRIAL_EPOCHS.value,
        storage=_STORAGE.value,
        train=_TRAIN(),
        quantize=_QUANTIZE(),
        fit_policy=_FIT.value,
        group_by=_GROUP_BY.value,
    )
    outcome, page = search(plan)
    print(f"{format_outcome(outcome, plan)}\n\nreport  {page}")
    has_result = any(not final.fault for final in outcome.finals) or outcome.others
    return program.EXIT_DONE if has_result else program.EXIT_CHECK_FAILED


def _read_families() -> tuple[str, ...]:
    unknown = [x for x in _FAMILIES.value if x not in FAMILIES]
    if unknown or not _FAMILIES.value:
        raise RequestError(
            f"--families: expected some of {', '.join(FAMILIES)}, got "
            f"{', '.join(_FAMILIES.value) or 'none'}."
        )
    return tuple(dict.fromkeys(_FAMILIES.value))


def _read_sides() -> tuple[int, ...]:
    texts = _IMAGE_SIZE.value
    if not texts or not all(x.isdecimal() and int(x) >= 32 for x in texts):
        raise RequestError(
            "--image_size: expected one or more numbers from 32 on, as 96,128, got "
            f"{','.join(texts) or 'none'}."
        )
    return tuple(dict.fromkeys(map(int, texts)))


if __name__ == "__main__":
    program.run(main)
