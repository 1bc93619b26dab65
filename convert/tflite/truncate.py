"""Truncates a `.tflite` file to its first operators."""

from collections.abc import Sequence
from typing import Any

from corallite.convert.tflite.compact import restore_names
from corallite.convert.tflite.model import Graph, Operator, Tensor
from corallite.convert.tflite.reader import decode
from corallite.device.model.archive import split_archive


def truncate(content: bytes, count: int) -> bytes:
    """Returns a model that runs the first operators of another and then ends.

    Its outputs are the tensors that later operators would read, and those outputs of
    the whole model that are already computed. Signatures are dropped, because they name
    outputs that no longer exist. Tensors keep their numbers, but constants that are no
    longer read lose their content.

    Args:
        content: Content of a `.tflite` file; an archive behind the model is dropped.
        count: Number of operators of the first graph to keep, at least 1.

    Raises:
        DamagedError: `content` is damaged.
        ValueError: It has fewer operators.
    """
    # Not at import: a compilation that succeeds needs neither NumPy nor the schema.
    from corallite.device.model.write import pack, unpack

    content = restore_names(content)
    graph = decode(content).main
    if not 1 <= count <= len(graph.operators):
        raise ValueError(
            f"Expected `count` to be 1 to {len(graph.operators)}, got {count!r}."
        )
    model = unpack(split_archive(content)[0])
    first = model.subgraphs[0]
    first.operators = first.operators[:count]
    first.outputs = [tensor.index for tensor in find_outputs(graph, count)]
    model.signatureDefs = None
    _drop_unused_codes(model)
    _drop_unread_constants(model, graph.operators[:count])
    return pack(model)


def find_outputs(graph: Graph, count: int) -> list[Tensor]:
    """Returns the tensors that the first `count` operators compute for later readers.

    If none is read later, returns the outputs of the last of these operators.
    """
    kept, left = graph.operators[:count], graph.operators[count:]
    wanted = {tensor.index for tensor in graph.outputs}
    wanted |= {tensor.index for operator in left for tensor in operator.read}
    written = {t.index: t for operator in kept for t in operator.written}
    outputs = [t for t in written.values() if t.index in wanted and not t.is_variable]
    return outputs or kept[-1].written


def _drop_unused_codes(model: Any) -> None:
    """Removes the operator codes that no operator has.

    A runtime looks up all codes that a file declares, and fails at an unknown one.
    """
    operators = [op for graph in model.subgraphs for op in graph.operators or ()]
    used = sorted({operator.opcodeIndex for operator in operators})
    model.operatorCodes = [model.operatorCodes[index] for index in used]
    for operator in operators:
        operator.opcodeIndex = used.index(operator.opcodeIndex)


def _drop_unread_constants(model: Any, kept: Sequence[Operator]) -> None:
    """Removes the content of the first graph's constants that no operator reads."""
    first, *others = model.subgraphs
    read = {tensor.index for operator in kept for tensor in operator.constants}
    unread = [x for n, x in enumerate(first.tensors) if n not in read]
    shared = {first.tensors[n].buffer for n in read}
    shared |= {tensor.buffer for graph in others for tensor in graph.tensors}
    shared |= {entry.buffer for entry in model.metadata or ()}
    for number in {tensor.buffer for tensor in unread} - shared:
        model.buffers[number].data = None
