"""From a folder of labelled images to a tested int8 file, all steps in order.

corallite pipeline --data_dir=photos --run_dir=runs/first

Trains, converts, evaluates every stage on the test split, prints the table and writes
report.html; with many photos it also prunes and trains quantization-aware, and with
--recipe=small it removes channels. If interrupted, the same command resumes.
"""

import textwrap
from collections.abc import Sequence

from absl import flags

from corallite.convert.accuracy import gate
from corallite.convert.accuracy.gate import AccuracyLostError
from corallite.convert.accuracy.gate_text import format_comparison
from corallite.convert.accuracy.record import read_comparison
from corallite.convert.cli import request_flags
from corallite.convert.evaluate.table import format_results
from corallite.convert.pipeline.chain import RECIPES
from corallite.convert.pipeline.run import Recipes, run_pipeline
from corallite.convert.report.write import write_report
from corallite.device.cli import program
from corallite.optimize.cli import budget_flags
from corallite.train.cli import recipe_flags, task_flags
from corallite.train.runs.accuracy import describe_accuracy

_TASK = task_flags.define()
_FIND = task_flags.define_vision_task()
_SPARSITY = flags.DEFINE_float(
    "sparsity",
    None,
    "Zero fraction of all kernel weights; 0 skips pruning; by default --recipe "
    "decides.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_STEPS = flags.DEFINE_enum(
    "recipe",
    "auto",
    RECIPES,
    "full: prune half of the weights, train quantization-aware, convert; small: the "
    "same, but remove channels; auto: full from 2,000 photos on; with fewer, convert "
    "after training, and train quantization-aware only if that loses too much.",
)
_BUDGET = budget_flags.define("--recipe=small")
_REQUEST = request_flags.define()
_TRAIN = recipe_flags.define(Recipes().train)
_TRANSFER = recipe_flags.define_transfer()
_TEACHING = recipe_flags.define_teaching()
_PRUNE = recipe_flags.define(Recipes().prune, prefix="prune_")
_SLIM = recipe_flags.define(Recipes().slim, prefix="slim_")
_QUANTIZE = recipe_flags.define(Recipes().quantize, prefix="quantize_")


def main(argv: Sequence[str]) -> int:
    program.reject_arguments(argv)
    recipes = Recipes(_TRAIN(), _PRUNE(), _QUANTIZE(), _SLIM())
    transfer, teaching = _TRANSFER(), _TEACHING()
    task, find = _TASK(), _FIND()
    if find.finds_boxes:
        recipe_flags.refuse_for_boxes(classifies=find.classifies)
    try:
        results, data = run_pipeline(
            task.data_dir,
            task.run,
            task.network,
            recipes,
            _REQUEST(),
            transfer=transfer,
            steps=_STEPS.value,
            sparsity=_SPARSITY.value,
            budget=_BUDGET(),
            fit_policy=task.fit_policy,
            group_by=task.group_by,
            cache_gb=task.cache_gb,
            teaching=teaching,
            task=find,
        )
    except AccuracyLostError as error:
        print(format_comparison(error.comparison))
        return program.EXIT_CHECK_FAILED
    print(format_results(results, data.class_names, "test"))
    print(f"\n{task.run.first().name}: {describe_accuracy(task.run.first())}.")
    comparison = read_comparison(task.run.stage("int8"))
    doubt = gate.explain_doubt(comparison) if comparison else ""
    if doubt:
        print(f"\n{textwrap.fill(doubt, 80)}")
    print(f"\nreport  {write_report(task.run, data)}")
    return program.EXIT_DONE


if __name__ == "__main__":
    program.run(main)
