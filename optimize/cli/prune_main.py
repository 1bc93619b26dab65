"""Prunes the float model of a run: zeroes its smallest weights while training on.

corallite prune --run_dir=runs/first --sparsity=0.5

Zeros make the compressed file smaller, not the model faster. If it is interrupted, the
same command resumes.
"""

from pathlib import Path

from absl import flags

from corallite.device.cli import program
from corallite.optimize.prune.magnitude import DEFAULT_RECIPE, prune
from corallite.train.cli import recipe_flags

_RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "Run folder with a trained float model.", required=True
)
_SPARSITY = flags.DEFINE_float(
    "sparsity",
    0.5,
    "Zero fraction of all kernel weights at the end, between 0 and 1.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_OVERWRITE = flags.DEFINE_boolean(
    "overwrite", False, "Make the stage again if it was made with other settings."
)
_RECIPE = recipe_flags.define(DEFAULT_RECIPE)


def main(argv):
    program.reject_arguments(argv)
    stage = prune(
        Path(_RUN_DIR.value), _SPARSITY.value, _RECIPE(), overwrite=_OVERWRITE.value
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
