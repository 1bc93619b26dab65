"""Prunes the float model of a run: sets its smallest weights to zero while training.

corallite prune --run_dir=runs/first --sparsity=0.5

Zeros make the compressed file smaller, not the model faster. If interrupted, the same
command resumes.
"""

from absl import flags

from corallite.device.cli import program
from corallite.optimize.prune.magnitude import prune
from corallite.train.cli import recipe_flags, run_flags
from corallite.train.runs.recipe import PRUNE

_RUN = run_flags.define("Run folder with a trained float model.")
_SPARSITY = flags.DEFINE_float(
    "sparsity",
    0.5,
    "Zero fraction of all kernel weights at the end, between 0 and 1.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_OVERWRITE = run_flags.define_overwrite()
_RECIPE = recipe_flags.define(PRUNE)
_TEACHING = recipe_flags.define_teaching()


def main(argv):
    program.reject_arguments(argv)
    recipe, teaching = _RECIPE(), _TEACHING()
    stage = prune(
        *_RUN(),
        _SPARSITY.value,
        recipe,
        teaching=teaching,
        overwrite=_OVERWRITE.value,
    )
    accuracy, sparsity = stage.recall(
        lambda x: (
            float(x["history"][-1]["val_accuracy"]),
            float(x["sparsity"]["overall"]),
        )
    )
    print(
        f"{stage.model_path}: sparsity {sparsity:.3f}, "
        f"validation accuracy {accuracy:.4f}"
    )


if __name__ == "__main__":
    program.run(main)
