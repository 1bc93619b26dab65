"""Compares the default pipeline with usual recipes, on few photos.

    python benchmarks/few_photos/make_table.py --photos=photos --per_class=20,60

`--photos` has one folder per class. For each number of photos and each seed, so many of
each class are drawn to train, 50 are left out (for trainings that use photos without
labels), and the rest are the test split. Each cell has a folder in --work_dir and three
rows:

- ours: `corallite pipeline --data_dir=... --run_dir=...`, nothing else;
- frozen: a recipe as that of Frigate (frigate/util/classification.py): frozen
  MobileNetV2 1.0 with pixels/255 in place of its normalization, 80 % of the photos, no
  augmentation, a dense layer of 128, 50 epochs, int8 after training;
- linear: logistic regression on the features of the network that `ours` begins with.

With --rows=frigate,frigate_ours, the recipe and ours are trained on images that are
stretched, and classify the test split as Frigate's runtime does.

With --rows=ours,student,taught,unlabelled, a small network is trained at 128 pixels
from random weights: alone, with `ours` as its teacher, and with the photos that are
left out as well.

With --rows=linear,teach, `corallite teach` is compared with the linear row: accuracy
of its int8 file, and time with nothing cached.

A finished row is not done again, and an interrupted pipeline resumes. Prints the table,
and writes it to table.md in --work_dir.
"""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cells
import commands
import recipes
from absl import flags, logging

from corallite.device.cli import program
from corallite.device.system import files

_PHOTOS = flags.DEFINE_string("photos", None, "Folder of class folders.", required=True)
_WORK_DIR = flags.DEFINE_string("work_dir", "runs/few_photos", "Folder of the cells.")
_PER_CLASS = flags.DEFINE_list("per_class", ["20", "60"], "Photos of each class.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "Draws of the photos.", lower_bound=1)
_ROWS = flags.DEFINE_list("rows", ["linear", "frozen", "ours"], "What to measure.")
_TEACH_FLAGS = flags.DEFINE_multi_string(
    "teach_flag", [], "For corallite teach, such as --features=FILE; repeat it."
)
_EPOCHS = flags.DEFINE_integer("epochs", 20, "Of the small network.", lower_bound=1)


def main(argv: Sequence[str]) -> None:
    """Measures what is missing, and prints the table."""
    program.reject_arguments(argv)
    work_dir, results = Path(_WORK_DIR.value), {}
    for seed in range(_SEEDS.value):
        for count in map(int, _PER_CLASS.value):
            cell = work_dir / f"{count}_seed{seed}"
            cells.draw_photos(Path(_PHOTOS.value), cell, count, seed)
            for name in _ROWS.value:
                result = _once(cell, name)
                logging.info("%s, %s: %s", cell, name, result)
                results.setdefault((count, name), []).append(result)
    table = _format(results)
    files.write_text(work_dir / "table.md", table)
    print(table, end="")


def _once(cell: Path, name: str) -> dict[str, Any]:
    path = cell / f"{name}.json"
    if not path.exists():
        files.write_json(path, _measure(cell, name))
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def _measure(cell: Path, name: str) -> dict[str, Any]:
    """Measures a row; raises `KeyError` if there is none of that name."""
    if name == "teach":
        return commands.run_teach(cell, _TEACH_FLAGS.value)
    teacher = f"--teacher={cell / 'run'}"
    students = {
        "student": (),
        "taught": (teacher,),
        "unlabelled": (teacher, f"--unlabelled_dir={cell / 'unlabelled'}"),
    }
    if name in students:
        return commands.run_student(cell, _EPOCHS.value, *students[name])
    return {
        "ours": commands.run_ours,
        "linear": recipes.run_linear,
        "frozen": recipes.run_frozen,
        "frigate": recipes.run_frigate,
        "frigate_ours": commands.run_ours_for_frigate,
    }[name](cell)


def _format(results: dict[tuple[int, str], list[dict[str, Any]]]) -> str:
    lines = [
        "| photos of each class | row | float | int8 | each seed | minutes |",
        "| ---: | :--- | ---: | ---: | :--- | ---: |",
    ]
    for (count, name), rows in results.items():
        last = "int8" if "int8" in rows[0] else "float"
        means = {
            stage: f"{statistics.mean(row[stage] for row in rows):.1f}"
            if stage in rows[0]
            else ""
            for stage in ("float", "int8", "minutes")
        }
        each = ", ".join(f"{row[last]:.1f}" for row in rows)
        lines.append(
            f"| {count} | {name} | {means['float']} | {means['int8']} | {each} | "
            f"{means['minutes']} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    program.run(main)
