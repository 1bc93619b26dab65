"""Prunes the float model of a run while training: whole channels, or single weights.

corallite prune --run_dir=runs/first --method=channels --max_latency_ms=5
corallite prune --run_dir=runs/first --sparsity=0.5

Without channels, a network is smaller and faster. Zeros make only the compressed file
smaller. If interrupted, the same command resumes.
"""

from absl import flags

from corallite.device.cli import program
from corallite.device.system.errors import RequestError
from corallite.optimize.cli import budget_flags
from corallite.optimize.prune.magnitude import prune
from corallite.optimize.slim.budget import format_costs
from corallite.optimize.slim.slim_stage import slim
from corallite.train.cli import recipe_flags, run_flags, worker_flags
from corallite.train.runs.accuracy import describe_accuracy
from corallite.train.runs.recipe import PRUNE

_METHODS = ("magnitude", "channels")

_RUN = run_flags.define("Run folder with a trained float model.")
_METHOD = flags.DEFINE_enum(
    "method",
    "magnitude",
    _METHODS,
    "magnitude: the smallest weights become zero; channels: the network becomes "
    "narrower, by default until it takes 0.7 of its time.",
)
_SPARSITY = flags.DEFINE_float(
    "sparsity",
    None,
    "For --method=magnitude: zero fraction of all kernel weights at the end, between 0 "
    "and 1; by default 0.5.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_BUDGET = budget_flags.define("--method=channels")
_OVERWRITE = run_flags.define_overwrite()
_RECIPE = recipe_flags.define(PRUNE)
_TEACHING = recipe_flags.define_teaching()
_WORKERS = worker_flags.define()


def main(argv):
    program.reject_arguments(argv)
    with _WORKERS() as workers:
        if _METHOD.value == "channels":
            _slim(workers)
        else:
            _zero(workers)


def _slim(workers) -> None:
    if workers.count > 1:
        raise RequestError(
            "--method=channels trains in one process; omit --workers and unset "
            "TF_CONFIG."
        )
    if _SPARSITY.value is not None:
        raise RequestError("--sparsity is for --method=magnitude; omit one of them.")
    settings = {"teaching": _TEACHING(), "overwrite": _OVERWRITE.value}
    stage = slim(*_RUN(), _BUDGET(), _RECIPE(), **settings)
    before, after = stage.recall(lambda x: (x["predicted_before"], x["predicted"]))
    costs = f"{format_costs(before)} -> {format_costs(after)}"
    print(f"{stage.model_path}: {costs}, {describe_accuracy(stage)}")


def _zero(workers) -> None:
    _BUDGET().require_unset("--method=channels")
    sparsity = 0.5 if _SPARSITY.value is None else _SPARSITY.value
    settings = {"teaching": _TEACHING(), "overwrite": _OVERWRITE.value}
    run, data = _RUN(workers.open_run)
    if data.boxes is not None:
        recipe_flags.refuse_for_boxes(classifies=data.boxes.classifies)
    stage = prune(run, data, sparsity, _RECIPE(), workers=workers, **settings)
    overall = stage.recall(lambda x: float(x["sparsity"]["overall"]))
    print(f"{stage.model_path}: sparsity {overall:.3f}, {describe_accuracy(stage)}")


if __name__ == "__main__":
    program.run(main)
