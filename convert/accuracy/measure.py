"""Measures the parity of a run's int8 file, from float to what a device answers."""

import dataclasses
import hashlib

import numpy as np

from corallite.convert.accuracy.gate import MAX_DROP, Parity
from corallite.convert.accuracy.layer_error import measure_layers
from corallite.convert.accuracy.paired import Hop, compare_answers
from corallite.convert.evaluate.metrics import answer_images
from corallite.optimize.calibrate.choose_images import choose_images
from corallite.optimize.keras_graph.load import load_model
from corallite.optimize.quantize.add_quantizers import fold
from corallite.train.data.load import Split
from corallite.train.framework.keras import keras
from corallite.train.runs.run import Stage

# The errors are means over thousands of values an image: on 64 and 600 images of
# Fashion-MNIST, the median layer's differed by 2 % and the five worst were the same.
LAYER_IMAGES = 128


@dataclasses.dataclass(frozen=True)
class Steps:
    """What an int8 file was made of.

    Attributes:
        stages: Finished float stages, the first of the run and what else was
            quantized: one or two.
        quantized: The Keras graph with quantizers.
        method: How: a key of MAX_DROP.
        granularity: Of the scales of its convolutions.
    """

    stages: list[Stage]
    quantized: keras.Model
    method: str
    granularity: str


def measure_parity(
    steps: Steps, file_answers: np.ndarray, content: bytes, part: Split
) -> Parity:
    """Compares all neighbours from the float stage to the file.

    Args:
        steps: What the file was made of.
        file_answers: Most probable labels that the file gave, int `[n]`.
        content: The file.
        part: The whole validation part.
    """
    models = {stage.name: load_model(stage.model_path) for stage in steps.stages}
    chain = [(name, answer_images(model, part)) for name, model in models.items()]
    chain += [(steps.method, answer_images(steps.quantized, part))]
    chain += [("int8", file_answers)]
    images = choose_images(part, LAYER_IMAGES)
    origin = None
    if steps.method == "qat" or len(models) > 1:
        origin = fold(models[steps.stages[0].name])
    return Parity(
        part="val",
        images=len(part.labels),
        method=steps.method,
        granularity=steps.granularity,
        max_drop=MAX_DROP[steps.method],
        hops=compare_chain(chain, part.labels),
        overall=compare_chain([chain[0], chain[-1]], part.labels)[0],
        layer_images=len(images),
        layers=measure_layers(steps.quantized, images, origin),
        file_sha256=hashlib.sha256(content).hexdigest(),
    )


def compare_chain(chain: list[tuple[str, np.ndarray]], labels: np.ndarray) -> list[Hop]:
    """Compares each (name, answers) with the next."""
    return [
        compare_answers((before[0], after[0]), before[1], after[1], labels)
        for before, after in zip(chain, chain[1:], strict=False)
    ]
