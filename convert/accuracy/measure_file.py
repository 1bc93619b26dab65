"""The accuracy of finished stages and of files: read from a record, or measured."""

from pathlib import Path

from corallite.convert.accuracy.compare_boxes import compare_found, predict_stage
from corallite.convert.accuracy.comparison import AccuracyComparison
from corallite.convert.accuracy.measure import compare_models, predict_stages
from corallite.convert.accuracy.record import read_comparison
from corallite.convert.evaluate.predict_file import predict_labels_by_file
from corallite.convert.evaluate.stages import manifest_of, runnable_stages
from corallite.device.engine.file_kind import list_files
from corallite.device.model.description.describe import Overrides
from corallite.train.data.load import ImageData
from corallite.train.runs.record import hash_file
from corallite.train.runs.run import Run
from corallite.train.runs.stage import Stage


def recall_comparison(
    run: Run, data: ImageData, max_drop: float | None = None
) -> AccuracyComparison | None:
    """Compares the last stage with those it was made from; None if it is the first.

    Exports do not count: each was compared when it was made.

    Uses the record of the stage. Without one, the steps are measured here, but not the
    layers.

    Args:
        run: The run.
        data: Its images.
        max_drop: Replaces the limit with which the stage was made.
    """
    last = [x for x in runnable_stages(run) if not x.kind.is_export][-1]
    known = read_comparison(last)
    if known:
        return known if max_drop is None else known.with_limit(max_drop)
    lineage = run.lineage(last)
    if len(lineage) == 1:
        return None
    inputs = last.metrics()["inputs"]
    granularity = inputs.get("granularity", "channel")
    method = inputs.get("method", _usual_method(lineage))
    if data.boxes is not None:
        found = [(x.name, predict_stage(x, data.judging)) for x in lineage]
        known_by = method, granularity, last.sha256()
        return compare_found(found, data, *known_by, max_drop=max_drop)
    chain = predict_stages(lineage, data.judging)
    compared = compare_models(chain, data, method, granularity, last.sha256())
    return compared.with_limit(max_drop)


def compare_file(
    path: Path,
    run: Run,
    data: ImageData,
    max_drop: float,
    *,
    as_run: bool = False,
    overrides: Overrides | None = None,
) -> AccuracyComparison:
    """Compares any model file with the run's first stage, and its last file.

    Args:
        path: The file.
        run: The run.
        data: Its images.
        max_drop: Percentage points of top-1 that it may be below the first stage.
        as_run: See `evaluate.stages.manifest_of`.
        overrides: See there.

    Raises:
        RequestError: The file cannot be run, or does not fit the run's images.
    """
    manifest = manifest_of(path, run, data, as_run, overrides)
    split = data.judging
    run.first().require()
    made = [
        x for x in runnable_stages(run) if not x.kind.is_keras and not x.kind.is_export
    ]
    chain = predict_stages([run.first(), *made[-1:]], split)
    chain.append(("file", predict_labels_by_file(path, split, manifest)))
    main, *_ = list_files(path)
    compared = compare_models(chain, data, "file", "unknown", hash_file(main))
    return compared.with_limit(max_drop)


def _usual_method(lineage: list[Stage]) -> str:
    """Returns the method of a stage whose record does not have it."""
    last = lineage[-1]
    return last.name if last.kind.is_keras else lineage[-2].kind.method
