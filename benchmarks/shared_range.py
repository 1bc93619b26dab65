"""Compares ways to find the range that all branches of a stage share.

    python benchmarks/shared_range.py --run_dir=runs/cifar_shufflenet --epochs=1

It uses the float stage of a run. Each way (`concatenations.SHARED_RANGES`) and seed is
a cell, a separate run in --run_dir/shared_range: quantization-aware training,
conversion to int8, and evaluation of the int8 file on the whole test split. A finished
cell is not done again, and an interrupted one resumes. Prints the table, and writes it
to table.md beside the cells.
"""

import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path

from absl import flags, logging

from corallite.convert.evaluate.stages import evaluate_one_file, evaluate_run
from corallite.convert.export.convert import convert
from corallite.convert.export.plan import Request
from corallite.device.cli import program
from corallite.device.system import files
from corallite.optimize.keras_graph.load import load_model
from corallite.optimize.keras_graph.shared_range import SharedRange
from corallite.optimize.quantize.concatenations import SHARED_RANGES
from corallite.optimize.quantize.qat_stage import train_quantized
from corallite.train.cli import recipe_flags
from corallite.train.data.load import load_data
from corallite.train.framework.keras import keras
from corallite.train.runs.recipe import QUANTIZE
from corallite.train.runs.run import Run
from corallite.train.training.recipe import Recipe

_RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "Run folder with a finished float stage.", required=True
)
_SEEDS = flags.DEFINE_integer(
    "seeds", 3, "Trainings of each way: from --seed on.", lower_bound=1
)
_WAYS = flags.DEFINE_multi_enum(
    "way", SHARED_RANGES, SHARED_RANGES, "A way to measure; may be repeated."
)
_RECIPE = recipe_flags.define(QUANTIZE)

# What a cell shares with the run: images, split assignment and float model.
_SHARED = ("cache", "classes.txt", "float", "run.json", "split.json")


@dataclasses.dataclass(frozen=True)
class Result:
    """The result of a cell.

    Attributes:
        int8_percent: Top-1 of the int8 file, in percent.
        limits: Upper ends of the stages' shared ranges; empty if they are fixed.
    """

    int8_percent: float
    limits: tuple[float, ...]


def main(argv: Sequence[str]) -> None:
    program.reject_arguments(argv)
    run_dir, first = Path(_RUN_DIR.value), _RECIPE()
    run = Run.open(run_dir)
    run.first().require()
    results: dict[str, list[Result]] = {kind: [] for kind in _WAYS.value}
    # Seed by seed, so that finished cells compare all ways.
    for seed in range(first.seed, first.seed + _SEEDS.value):
        for kind in results:
            recipe = dataclasses.replace(first, seed=seed)
            results[kind].append(_measure(run_dir, kind, recipe))
            logging.info("%s, seed %d: %s", kind, seed, results[kind][-1])
    of_float = evaluate_run(run, load_data(run))[0]
    table = _format(100 * of_float.evaluation.top1, results)
    files.write_bytes(run_dir / "shared_range" / "table.md", table.encode())
    print(table, end="")


def _measure(run_dir: Path, kind: str, recipe: Recipe) -> Result:
    """Finishes one cell."""
    cell_dir = run_dir / "shared_range" / f"{kind}_{recipe.seed}"
    cell_dir.mkdir(parents=True, exist_ok=True)
    for name in _SHARED:
        link = cell_dir / name
        if not link.is_symlink():
            link.symlink_to((run_dir / name).resolve())
    cell = Run.open(cell_dir)
    data = load_data(cell)
    stage = train_quantized(cell, data, recipe, shared_range=kind)
    int8 = convert(cell, data, Request(source=stage.name))
    of_int8 = evaluate_one_file(int8.model_path, cell, data, "test")
    layers = load_model(stage.model_path).layers
    ranges = [layer for layer in layers if isinstance(layer, SharedRange)]
    limits = tuple(round(layer.limits()[1], 3) for layer in ranges)
    # Otherwise the networks and graphs of all cells would stay in memory.
    keras.backend.clear_session()
    return Result(100 * of_int8.evaluation.top1, limits)


def _format(float_percent: float, results: dict[str, list[Result]]) -> str:
    """Returns a Markdown table; the limits of seeds are separated by semicolons."""
    lines = [
        f"float: {float_percent:.2f}",
        "",
        "| range | int8 top-1, mean | each seed | limits of the stages, each seed |",
        "| :---- | ---------------: | :-------- | :------------------------------ |",
    ]
    for kind, cells in results.items():
        mean = statistics.fmean(cell.int8_percent for cell in cells)
        each = ", ".join(f"{cell.int8_percent:.2f}" for cell in cells)
        limits = "; ".join(" ".join(f"{x:.2f}" for x in cell.limits) for cell in cells)
        lines.append(f"| {kind} | {mean:.2f} | {each} | {limits.strip('; ') or '6'} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    program.run(main)
