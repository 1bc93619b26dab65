"""The parity of what is in a run folder already: recalled, or measured anew."""

from pathlib import Path

import numpy as np

from corallite.convert.evaluate import answer_images, answer_images_by_file
from corallite.convert.evaluate_run import check_same_task, finished_stages
from corallite.convert.float_file import make_manifest
from corallite.convert.int8_stage import read_parity
from corallite.convert.measure_parity import compare_chain
from corallite.convert.parity import Parity
from corallite.device.manifest import read_manifest
from corallite.optimize.load import load_model
from corallite.train.data import Part, load_data
from corallite.train.run_folder import Stage, hash_file


def recall_parity(run_dir: Path, max_drop: float | None = None) -> Parity | None:
    """Returns the parity of the run's int8 file; None if it has none.

    What `convert` measured, if the file is still that one. Of another file the hops
    are measured here, and no layers.

    Args:
        run_dir: The run.
        max_drop: In place of the limit that it was converted with.
    """
    known = read_parity(run_dir)
    if known:
        return known if max_drop is None else known.with_limit(max_drop)
    stages = finished_stages(run_dir)
    if stages[-1].name != "int8":
        return None
    part = load_data(run_dir).parts["val"]
    inputs = stages[-1].metrics()["inputs"]
    # Of a qat stage that was made since, or not used, the file is no heir.
    sources = ["float", inputs["source"]]
    if inputs["source"] == "qat":
        sources.insert(1, Stage(run_dir, "qat").metrics()["from"])
    chain = [
        (stage.name, answer_images(load_model(stage.model_path), part))
        for stage in stages
        if stage.name in sources
    ]
    path = stages[-1].model_path
    chain.append(("int8", answer_images_by_file(path, part)))
    method = inputs.get("method", "qat" if inputs["source"] == "qat" else "ptq")
    granularity = inputs.get("granularity", "channel")
    return _of_chain(chain, path, part, method, granularity).with_limit(max_drop)


def compare_file(path: Path, run_dir: Path, max_drop: float) -> Parity:
    """Compares any `.tflite` file with the run's float model.

    Raises:
        RequestError: The file cannot be run, or is of another task than the run.
    """
    data = load_data(run_dir)
    manifest = read_manifest(path) or make_manifest(run_dir, data, {})
    check_same_task(path, manifest, run_dir, data)
    part = data.parts["val"]
    model = load_model(Stage(run_dir, "float").require())
    chain = [
        ("float", answer_images(model, part)),
        ("file", answer_images_by_file(path, part, manifest)),
    ]
    return _of_chain(chain, path, part, "file", "unknown").with_limit(max_drop)


def _of_chain(
    chain: list[tuple[str, np.ndarray]],
    path: Path,
    part: Part,
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
