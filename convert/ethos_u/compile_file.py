"""Compiles a file for an Ethos-U, and finds what runs where."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from corallite.convert.edgetpu.compile.check import read_checked_model
from corallite.convert.edgetpu.compile.mapping import find_mapped
from corallite.convert.edgetpu.compile.packed import read_named, read_packed
from corallite.convert.ethos_u.compiled import describe_compiled
from corallite.convert.ethos_u.result import ON_CPU, ON_NPU, Compilation
from corallite.convert.ethos_u.vela_program import Options, Output, run_vela
from corallite.convert.tflite.model import Graph, Model
from corallite.convert.tflite.reader import decode
from corallite.device.model.archive import append_archive, split_archive


class Compiled(NamedTuple):
    """A compiled file that is not yet written.

    Attributes:
        name: Of the file, such as `model_int8_vela.tflite`.
        content: The file, with the labels and the manifest of the original.
        result: What runs where, and how fast.
    """

    name: str
    content: bytes
    result: Compilation


def compile_file(
    path: Path, options: Options | None = None, *, open_batch: bool = False
) -> Compiled:
    """Compiles `path` and copies its manifest into the compiled file.

    Vela drops the archive behind the model, but keeps the TFLite Metadata in it.

    Args:
        path: A full-int8 `.tflite` file.
        options: How to compile.
        open_batch: Whether to accept sizes that are not fixed.

    Raises:
        RequestError: The file is not a full-int8 model of fixed sizes, or Vela is not
            installed or does not compile it.
    """
    options = options or Options()
    model = read_checked_model(path, open_batch=open_batch)
    packed = read_packed(path, model)
    named = name_tensors(split_archive(bytes(read_named(path, model).content))[0])
    output = run_vela(named, path, options)
    content = append_archive(output.content, packed) if packed else output.content
    result = _describe(path, decode(named), output, options)
    return Compiled(f"{path.stem}_vela.tflite", content, result)


def name_tensors(content: bytes) -> bytes:
    """Returns a model in which no two tensors of a graph have the same name.

    Names tell which operators the compiled file still has. Inputs and outputs keep
    theirs; of others, an empty or repeated one gets the tensor's number.
    """
    # Not at the top: it loads NumPy and the schema.
    from corallite.device.model.write import pack, unpack

    model, has_changed = unpack(content), False
    for graph in model.subgraphs:
        names = Counter(tensor.name or b"" for tensor in graph.tensors)
        ports = {int(n) for side in (graph.inputs, graph.outputs) for n in side}
        for number, tensor in enumerate(graph.tensors):
            name = tensor.name or b""
            if number not in ports and (not name or names[name] > 1):
                tensor.name = name + b"#%d" % number
                has_changed = True
    return pack(model) if has_changed else content


def _describe(
    path: Path, model: Model, output: Output, options: Options
) -> Compilation:
    left = decode(output.content)
    compiled = describe_compiled(left)
    return Compilation(
        path=path,
        model=model,
        accelerator=options.accelerator,
        version=output.version,
        estimate=output.estimate,
        status=_find_statuses(model.main, left.main, output.reasons),
        subgraphs=len(compiled.on_npu) if compiled else 0,
        duration_s=output.duration_s,
    )


def _find_statuses(
    graph: Graph, compiled: Graph, reasons: dict[str, str]
) -> dict[int, str]:
    """Returns where each operator runs, by its number; with the reason if on the CPU.

    By the compiled file; by Vela's warnings, if that has an operator of another name.
    """
    reason_of = {
        operator.index: reasons[tensor.name]
        for operator in graph.operators
        for tensor in operator.written[:1]
        if tensor.name in reasons
    }
    numbers = {operator.index for operator in graph.operators}
    mapped = find_mapped(graph, [compiled])
    if mapped is None:
        mapped = numbers - set(reason_of)
    return {
        number: ON_NPU if number in mapped else reason_of.get(number, ON_CPU)
        for number in sorted(numbers)
    }
