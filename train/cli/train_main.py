"""Trains a model from a folder of labelled images.

corallite train --data_dir=photos --run_dir=runs/first

`photos` has one sub-folder per class, or train/, val/ and test/ with class folders in
each, or is a CSV or a folder of shards (`corallite pack`). If interrupted, the same
command resumes.
"""

from collections.abc import Sequence

from corallite.device.cli import program
from corallite.train.cli import recipe_flags, run_flags, task_flags, worker_flags
from corallite.train.runs.accuracy import describe_accuracy
from corallite.train.runs.recipe import TRAIN
from corallite.train.training.float_stage import train

_TASK = task_flags.define()
_FIND = task_flags.define_vision_task()
_OVERWRITE = run_flags.define_overwrite()
_RECIPE = recipe_flags.define(TRAIN)
_TRANSFER = recipe_flags.define_transfer()
_TEACHING = recipe_flags.define_teaching()
_WORKERS = worker_flags.define()


def main(argv: Sequence[str]) -> None:
    program.reject_arguments(argv)
    recipe = _RECIPE()
    transfer, teaching, find = _TRANSFER(), _TEACHING(), _FIND()
    if find.finds_boxes:
        recipe_flags.refuse_for_boxes(classifies=find.classifies)
    with _WORKERS() as workers:
        task = _TASK(workers.begin_run)
        stage, _ = train(
            task.data_dir,
            task.run,
            task.network,
            recipe,
            transfer=transfer,
            fit_policy=task.fit_policy,
            group_by=task.group_by,
            cache_gb=task.cache_gb,
            teaching=teaching,
            overwrite=_OVERWRITE.value,
            workers=workers,
            task=find,
        )
        print(f"{stage.model_path}: {describe_accuracy(stage)}")


if __name__ == "__main__":
    program.run(main)
