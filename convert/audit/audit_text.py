"""An audit as text that fits into 80 columns."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from corallite.convert.audit.audit import Audit
from corallite.convert.audit.cost import count_macs
from corallite.convert.audit.model import Operator, Tensor
from corallite.convert.edgetpu import memory
from corallite.convert.edgetpu.compilers import MAPPED
from corallite.convert.edgetpu.prediction import Prediction

_WIDTH = 80
_LABEL = 14
_COLUMNS = "{:>5} {:<25} {:<15} {:<7} {:>9} {:>6} {:>3} {:>3}"
_HEADINGS = ("#", "operator", "output", "type", "scale", "MACs", "TPU", "XNN")
_MOST_LISTED = 8


def format_audit(audit: Audit, *, details: bool = False) -> str:
    """Returns what a person reads.

    Args:
        audit: What to show.
        details: Whether to list what each operator reads and writes, by name.
    """
    sections = [
        _format_file(audit),
        list(_format_operators(audit, details)),
        _format_cost(audit),
        _format_precision(audit),
        _format_xnnpack(audit),
        _format_edgetpu(audit),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections)


def _format_file(audit: Audit) -> list[str]:
    model, manifest = audit.model, audit.manifest
    lines = [
        *_entry("file", f"{audit.path}, {audit.file_bytes:,} bytes"),
        *_entry("written by", f"{model.description or '-'} (schema {model.version})"),
    ]
    if len(model.graphs) > 1:
        lines += _entry("graphs", f"{len(model.graphs)}, of which the first is shown")
    if manifest:
        accuracy = ", ".join(f"{k} {v:.4f}" for k, v in manifest["accuracy"].items())
        text = f"{manifest['model']}, {manifest['version']}"
        lines += _entry("manifest", f"{text}; {len(manifest['labels'])} labels")
        lines += _entry("accuracy", accuracy or "-")
    else:
        lines += _entry("manifest", audit.manifest_error or "none")
    lines += _format_metadata(audit)
    for name, tensors in (("input", model.main.inputs), ("output", model.main.outputs)):
        for tensor in tensors:
            lines += _entry(name, _describe(tensor))
    return lines


def _format_metadata(audit: Audit) -> list[str]:
    found = audit.metadata
    if found is None:
        return _entry("metadata", audit.metadata_error or "none")
    owner = [f"{key} {found[key]}" for key in ("author", "license") if found[key]]
    lines = _entry("metadata", ", ".join([found["name"] or "unnamed", *owner]))
    for tensor in (*found["inputs"], *found["outputs"])[:_MOST_LISTED]:
        says = [tensor["name"], tensor["color_space"] or tensor["content"]]
        for key in ("mean", "std", "min", "max"):
            if tensor[key]:
                says.append(f"{key} {_join(tensor[key])}")
        says += [f"{file['name']} ({file['type']})" for file in tensor["files"]]
        lines += _entry("", ", ".join(filter(None, says)))
    return lines


def _join(numbers: Sequence[float | None]) -> str:
    """Returns at most three numbers, one of each channel."""
    shown = ["?" if number is None else f"{number:.4g}" for number in numbers[:3]]
    return "/".join(shown)


def _format_operators(audit: Audit, details: bool) -> Iterator[str]:
    yield _COLUMNS.format(*_HEADINGS)
    mapped, outside = set(audit.edgetpu.mapped), set(audit.xnnpack.outside)
    for operator in audit.model.main.operators:
        on_tpu = "yes" if operator.index in mapped else "no"
        by_xnnpack = "no" if operator.index in outside else "yes"
        known = audit.xnnpack.count is not None
        yield _format_operator(operator, on_tpu, by_xnnpack if known else "?")
        if details:
            yield from _format_tensors(operator)


def _format_operator(operator: Operator, on_tpu: str, by_xnnpack: str) -> str:
    output = operator.output()
    macs = count_macs(operator)
    return _COLUMNS.format(
        operator.index,
        _cut(f"{operator.custom_code or operator.name}@{operator.version}", 25),
        _cut(_shape(output) if output else "-", 15),
        output.type.lower()[:7] if output else "-",
        _scale(output) if output else "-",
        _short(macs) if macs else "-",
        on_tpu,
        by_xnnpack,
    )


def _format_tensors(operator: Operator) -> Iterator[str]:
    for arrow, tensors in (("<", operator.inputs), (">", operator.outputs)):
        for tensor in tensors:
            if tensor is not None:
                yield _cut(f"       {arrow} {_describe(tensor)}", _WIDTH)


def _format_cost(audit: Audit) -> list[str]:
    where = (
        "" if audit.peak.operator is None else f", at operator {audit.peak.operator}"
    )
    return [
        *_entry("MACs", f"{audit.macs:,}"),
        *_entry("parameters", f"{audit.parameter_bytes:,} bytes"),
        *_entry("activations", f"{audit.peak.bytes:,} bytes at most{where}"),
    ]


def _format_precision(audit: Audit) -> list[str]:
    places: dict[str, list[str]] = {}
    for found in audit.not_int8:
        why = f"{found.type} {found.why}"
        places.setdefault(why, []).append(f"{found.operator} {found.name}")
    reasons = [f"{why}: {_shorten(names)}" for why, names in places.items()]
    return [
        *_entry("not int8", _count(len(audit.not_int8), "tensor")),
        *_list_some(reasons),
        *_entry("open sizes", str(len(audit.dynamic) or "none")),
        *_list_some(audit.dynamic),
    ]


def _list_some(sentences: Sequence[str]) -> Iterator[str]:
    for sentence in sentences[:_MOST_LISTED]:
        yield from _entry("", sentence)
    if len(sentences) > _MOST_LISTED:
        yield from _entry("", f"and {len(sentences) - _MOST_LISTED} more (--json)")


def _format_xnnpack(audit: Audit) -> list[str]:
    found = audit.xnnpack
    if found.count is None:
        return _entry("XNNPACK", f"not known: {found.error}")
    operators = audit.model.main.operators
    names = [f"{index} {operators[index].name}" for index in found.outside]
    left = f"; left out: {_shorten(names)}" if names else ""
    return _entry("XNNPACK", f"{_count(found.count, 'partition')}{left}")


def _format_edgetpu(audit: Audit) -> list[str]:
    found = audit.edgetpu
    if found.is_compiled:
        return _entry("Edge TPU", "compiled already; what is left runs on the CPU")
    title = f"as compiler {found.compiler} is expected to say:"
    lines = format_mapping(found, audit.model.main.operators, title)
    return lines + (format_memory(found) if found.mapped else [])


def format_mapping(
    found: Prediction, operators: Sequence[Operator], title: str
) -> list[str]:
    """Returns lines about what is mapped, and what is in the way.

    Args:
        found: What is expected, or what was found.
        operators: Of the model.
        title: Of what follows.
    """
    lines = _entry("Edge TPU", title)
    if found.failure:
        lines += _entry("", found.failure)
    counts = Counter((operators[i].name, text) for i, text in found.status.items())
    for (name, status), count in sorted(counts.items(), key=_mapped_last):
        lines += _entry("", f"{count:>3} {name}: {status}")
    lines += _entry("mapped", f"{len(found.mapped)} of {len(operators)} operators")
    lines += _entry("subgraphs", str(found.subgraphs))
    if found.first_cut is not None:
        lines += _entry("first cut", _describe(operators[found.first_cut]))
    if found.cure:
        lines += _entry("cure", found.cure)
    return lines


def format_memory(found: Prediction) -> list[str]:
    """Returns lines about where the parameters are."""
    parameters = found.parameters
    low, high = memory.CAPACITY_RANGE_BYTES
    is_large = found.activation_bytes_per_tile > memory.MOST_ACTIVATION_BYTES
    verdict = "they fit" if parameters.fit else "they do not all fit"
    if parameters.fit and (is_large or parameters.reserved > memory.SURE_BYTES):
        verdict = "they may just fit"
    streamed = (
        f", {parameters.streamed:,} streamed for every image"
        if parameters.streamed
        else ""
    )
    lines = _entry(
        "on the chip",
        f"{parameters.on_chip:,} bytes of parameters{streamed}: {verdict} "
        f"({_mib(parameters.reserved)} of {_mib(low)} to {_mib(high)} MiB set aside)",
    )
    if is_large:
        lines += _entry(
            "",
            "large activations: the compiler has to split planes, has less room for "
            "parameters, and may fail; use a smaller input if it does",
        )
    return lines


def _mapped_last(item: tuple[tuple[str, str], int]) -> tuple[bool, str]:
    (name, status), _ = item
    return status == MAPPED, name


def format_entries(entries: Iterable[tuple[str, str]]) -> list[str]:
    """Returns lines of labels and what they are of, wrapped to 80 columns."""
    return [line for label, text in entries for line in _entry(label, text)]


def _entry(label: str, text: str) -> list[str]:
    indent = " " * _LABEL
    lines = textwrap.wrap(
        _printable(text),
        _WIDTH,
        initial_indent=label.ljust(_LABEL),
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
    return lines or [label]


def _describe(thing: Tensor | Operator) -> str:
    if isinstance(thing, Operator):
        output = thing.output()
        name = f" ({output.name})" if output else ""
        return f"{thing.index} {thing.custom_code or thing.name}{name}"
    zero = f" zero {thing.zero_points[0]}" if len(thing.zero_points) == 1 else ""
    return (
        f"{thing.name} {thing.type.lower()} {_shape(thing)} scale {_scale(thing)}{zero}"
    )


def _shape(tensor: Tensor) -> str:
    sizes = tensor.signature if -1 in tensor.signature else tensor.shape
    return "x".join("?" if size < 0 else str(size) for size in sizes) or "scalar"


def _scale(tensor: Tensor) -> str:
    if len(tensor.scales) == 1:
        return f"{tensor.scales[0]:.3g}"
    return f"{len(tensor.scales)} axis" if tensor.scales else "-"


def _short(count: int) -> str:
    if count >= 10**12:
        return "huge"
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            # Three digits: 1.23, 12.3, 123.
            digits = 3 - len(str(count // size))
            return f"{count / size:.{digits}f}{unit}"
    return str(count)


def _shorten(names: Sequence[str]) -> str:
    more = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def _count(count: int, thing: str) -> str:
    return f"{count or 'no'} {thing}{'' if count == 1 else 's'}"


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.2f}"


def _cut(text: str, width: int) -> str:
    text = _printable(text)
    return text if len(text) <= width else f"{text[: width - 1]}~"


def _printable(text: str) -> str:
    """Returns text without what would move a terminal's cursor or change colours."""
    return "".join(c if c.isprintable() else "?" for c in text)
