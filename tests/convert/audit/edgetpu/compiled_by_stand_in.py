"""What the stand-in for the Edge TPU compiler reads of a model, and what it writes.

A module of its own, as its imports take longer than most of what the stand-in does.
"""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items()}


def read(content):
    """Returns the model as an object of the schema."""
    return schema.ModelT.InitFromPackedBuf(content, 0)


def list_kinds(model):
    """Returns the name and the version of each kind of operator that it declares."""
    return [(NAMES[code.builtinCode], code.version) for code in model.operatorCodes]


def list_types(model):
    """Returns the name of each operator of the first graph."""
    kinds = list_kinds(model)
    return [kinds[operator.opcodeIndex][0] for operator in operators(model)]


def list_outputs(model):
    """Returns the names of what each operator of the first graph writes."""
    tensors = model.subgraphs[0].tensors
    return [[tensors[n].name.decode() for n in op.outputs] for op in operators(model)]


def operators(model):
    return model.subgraphs[0].operators


def list_pieces(supported):
    """Returns the numbers of supported operators, those in a row together."""
    pieces: list[list[int]] = []
    piece: list[int] = []
    for index, taken in enumerate([*supported, False]):
        if taken:
            piece.append(index)
        elif piece:
            pieces.append(piece)
            piece = []
    return pieces


def replace(model, pieces):
    """Returns a file in which one custom operator stands for each of `pieces`."""
    # From the last, so that the numbers of the others hold.
    for piece in reversed(pieces):
        replace_piece(model, piece)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def replace_piece(model, piece):
    graph = model.subgraphs[0]
    before = list(graph.operators[: piece[0]])
    behind = list(graph.operators[piece[-1] + 1 :])
    taken = graph.operators[piece[0] : piece[-1] + 1]
    written = {int(n) for op in taken for n in op.outputs}
    read_there = {int(n) for op in taken for n in op.inputs} - written
    wanted = {int(n) for op in [*before, *behind] for n in op.inputs}
    wanted |= {*map(int, graph.outputs)}
    custom = schema.OperatorT()
    custom.opcodeIndex = len(model.operatorCodes)
    custom.inputs = sorted(n for n in read_there if is_computed(model, n))
    custom.outputs = sorted(written & wanted)
    custom.customOptions = np.frombuffer(b"program", np.uint8)
    code = schema.OperatorCodeT()
    code.builtinCode = schema.BuiltinOperator.CUSTOM
    code.deprecatedBuiltinCode = code.builtinCode
    code.version, code.customCode = 1, "edgetpu-custom-op"
    model.operatorCodes.append(code)
    graph.operators = [*before, custom, *behind]


def is_computed(model, number):
    buffer = model.subgraphs[0].tensors[number].buffer
    return model.buffers[buffer].data is None
