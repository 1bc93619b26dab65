"""The parity of what is in a run folder already: recalled, or measured anew."""

from pathlib import Path

import numpy as np

from corallite.convert.accuracy.gate import Parity
from corallite.convert.accuracy.measure import compare_chain
from corallite.convert.evaluate.metrics import answer_images, answer_images_by_file
from corallite.convert.evaluate.stages import finished_stages, manifest_of
from corallite.convert.export.int8 import read_parity
from corallite.convert.export.plan import qat_source, usual_method
from corallite.optimize.keras_graph.load import load_model
from corallite.train.data.load import Split, load_data
from corallite.train.runs.run import Stage, hash_file


def recall_parity(run_dir: Path, max_drop: float | None = None) -> Parity | None:
    """Returns the parity of the last stage; None if there is but the float one.

    What `convert` measured, if the int8 file is still that one. Of another file, or
    before there is one, the hops are measured here, and no layers.

    Args:
        run_dir: The run.
        max_drop: In place of the limit that it was converted with.
    """
    known = read_parity(run_dir)
    if known:
        return known if max_drop is None else known.with_limit(max_drop)
    stages = finished_stages(run_dir)
    if len(stages) == 1:
        return None
    part = load_data(run_dir).splits["val"]
    last = stages[-1]
    if last.name != "int8":
        chain = _ask_models(stages, part)
        return _of_chain(chain, last.model_path, part, last.name, "channel").with_limit(
            max_drop
        )
    inputs, source = last.recall(lambda x: (x["inputs"], x["inputs"]["source"]))
    # Of a qat stage that was made since, or not used, the file is no heir.
    sources = ["float", source]
    if source == "qat":
        sources.insert(1, qat_source(Stage(run_dir, "qat")))
    chain = _ask_models([stage for stage in stages if stage.name in sources], part)
    path = last.model_path
    chain.append(("int8", answer_images_by_file(path, part)))
    method = inputs.get("method", usual_method(source))
    granularity = inputs.get("granularity", "channel")
    return _of_chain(chain, path, part, method, granularity).with_limit(max_drop)


def compare_file(
    path: Path, run_dir: Path, max_drop: float, *, as_run: bool = False
) -> Parity:
    """Compares any `.tflite` file with the run's float model, and its int8 file.

    Args:
        path: The file.
        run_dir: The run.
        max_drop: Points of top-1 that it may be below the float model.
        as_run: See `evaluate_run.manifest_of`.

    Raises:
        RequestError: The file cannot be run, or is of another task than the run.
    """
    data = load_data(run_dir)
    manifest = manifest_of(path, run_dir, data, as_run)
    part = data.splits["val"]
    Stage(run_dir, "float").require()
    stages = {stage.name: stage for stage in finished_stages(run_dir)}
    chain = _ask_models([stages["float"]], part)
    if "int8" in stages:
        answers = answer_images_by_file(stages["int8"].model_path, part)
        chain.append(("int8", answers))
    chain.append(("file", answer_images_by_file(path, part, manifest)))
    return _of_chain(chain, path, part, "file", "unknown").with_limit(max_drop)


def _ask_models(stages: list[Stage], part: Split) -> list[tuple[str, np.ndarray]]:
    return [(x.name, answer_images(load_model(x.model_path), part)) for x in stages]


def _of_chain(
    chain: list[tuple[str, np.ndarray]],
    path: Path,
    part: Split,
    method: str,
    granularity: str,
) -> Parity:
    return Parity(
        part="val",
        images=len(part.labels),
        method=method,
        granularity=granularity,
        max_drop=0.0,
        hops=compare_chain(chain, part.labels),
        overall=compare_chain([chain[0], chain[-1]], part.labels)[0],
        layer_images=0,
        layers=[],
        file_sha256=hash_file(path),
    )
