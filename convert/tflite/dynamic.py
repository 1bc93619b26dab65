"""Finds tensors whose size is unknown before a model runs."""

from collections.abc import Iterator

from corallite.convert.tflite.model import Graph, Operator

# Inputs whose values, not only shapes, determine the size of the output.
_SIZE_INPUTS = {
    "ARG_MAX": (1,),
    "ARG_MIN": (1,),
    "BATCH_TO_SPACE_ND": (1, 2),
    "BROADCAST_TO": (1,),
    "CONV_3D_TRANSPOSE": (0,),
    "EXPAND_DIMS": (1,),
    "FILL": (0,),
    "MEAN": (1,),
    "MIRROR_PAD": (1,),
    "MULTINOMIAL": (1,),
    # The output has the maximum length, padded with zeros.
    "NON_MAX_SUPPRESSION_V4": (2,),
    "NON_MAX_SUPPRESSION_V5": (2,),
    "ONE_HOT": (1,),
    "PAD": (1,),
    "PADV2": (1,),
    "RANDOM_STANDARD_NORMAL": (0,),
    "RANDOM_UNIFORM": (0,),
    "RANGE": (0, 1, 2),
    "REDUCE_ALL": (1,),
    "REDUCE_ANY": (1,),
    "REDUCE_MAX": (1,),
    "REDUCE_MIN": (1,),
    "REDUCE_PROD": (1,),
    "RESHAPE": (1,),
    "RESIZE_BILINEAR": (1,),
    "RESIZE_NEAREST_NEIGHBOR": (1,),
    "SCATTER_ND": (2,),
    "SEGMENT_SUM": (1,),
    "SLICE": (1, 2),
    "SPACE_TO_BATCH_ND": (1, 2),
    "SPARSE_TO_DENSE": (1,),
    "SPLIT": (0,),
    "SPLIT_V": (1, 2),
    "STRIDED_SLICE": (1, 2, 3),
    "SUM": (1,),
    "TILE": (1,),
    "TOPK_V2": (1,),
    "TRANSPOSE": (1,),
    "TRANSPOSE_CONV": (0,),
}
# Types whose output has as many elements as they find.
_FINDERS = ("UNIQUE", "WHERE")


def is_sized_by_values(operator: Operator) -> bool:
    """Returns whether the size of an operator's output depends on computed values."""
    if operator.name in _FINDERS:
        return True
    inputs = (operator.input(n) for n in _SIZE_INPUTS.get(operator.name, ()))
    return any(tensor is not None and not tensor.is_constant for tensor in inputs)


def describe_dynamic(graph: Graph) -> Iterator[str]:
    """Yields a sentence for each reason why a size of `graph` is not fixed."""
    open_inputs = [t.name for t in graph.inputs if t.is_dynamic]
    if open_inputs:
        yield (
            f"{', '.join(open_inputs)}: has open dimensions. Convert with a batch of 1 "
            "and a fixed size (OpenVINO, for example, fails with an open batch)."
        )
    for operator in graph.operators:
        if is_sized_by_values(operator):
            yield (
                f"Operator {operator.index} {operator.name}: the size of its output "
                "depends on values, where the Edge TPU compiler fails. Convert with a "
                "batch of 1, so that sizes are constants."
            )
