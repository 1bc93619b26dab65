"""Formats an audit as text of 80 columns."""

from collections.abc import Iterator, Sequence

from corallite.convert.audit.cost import count_macs
from corallite.convert.audit.examine import Audit
from corallite.convert.edgetpu.predict.prediction_text import (
    format_mapping,
    format_memory,
)
from corallite.convert.tflite.model import Operator
from corallite.convert.tflite.text_lines import (
    MOST_LISTED,
    WIDTH,
    describe,
    fit,
    format_count,
    format_entry,
    format_scale,
    format_shape,
    list_some,
    shorten,
)
from corallite.device.model.manifest import FEATURES
from corallite.device.system.text import replace_unprintable

_COLUMNS = "{:>5} {:<25} {:<15} {:<7} {:>9} {:>6} {:>3} {:>3}"
_HEADINGS = ("#", "operator", "output", "type", "scale", "MACs", "TPU", "XNN")


def format_audit(audit: Audit, *, details: bool = False) -> str:
    """Returns an audit as text.

    Args:
        audit: The audit to format.
        details: Whether to list the inputs and outputs of each operator by name.
    """
    sections = [
        _format_file(audit),
        list(_format_operators(audit, details)),
        _format_cost(audit),
        _format_precision(audit),
        _format_xnnpack(audit),
        _format_ethos_u(audit) or _format_edgetpu(audit),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections)


def _format_use(audit: Audit) -> list[str]:
    """Describes how `classify` and `serve` use the model."""
    found = audit.description
    if found is None:
        return format_entry("refused", audit.refusal)
    labels = [replace_unprintable(label) for label in found.manifest.labels]
    names = f"{len(labels)} from {found.labels_from}: {shorten(labels)}"
    none = "none; give classify --labels=FILE"
    if found.manifest.classes.values == FEATURES:
        none = "none; make a model of it with corallite teach"
    lines = [
        *format_entry("takes", found.takes),
        *format_entry("gives", found.gives),
        *format_entry("labels", names if labels else none),
    ]
    for warning in found.warnings:
        lines += format_entry("warning", warning.removeprefix(f"{audit.path}: "))
    return lines


def _format_file(audit: Audit) -> list[str]:
    model, manifest = audit.model, audit.manifest
    lines = [
        *format_entry("file", f"{audit.path}, {audit.file_bytes:,} bytes"),
        *_format_use(audit),
        *format_entry(
            "written by", f"{model.description or '-'} (schema {model.version})"
        ),
    ]
    if len(model.graphs) > 1:
        lines += format_entry("graphs", f"{len(model.graphs)}; only the first is shown")
    if manifest:
        accuracy = ", ".join(f"{k} {v:.4f}" for k, v in manifest["accuracy"].items())
        text = f"{manifest['model']}, {manifest['version']}"
        lines += format_entry("manifest", f"{text}; {len(manifest['labels'])} labels")
        lines += format_entry("accuracy", accuracy or "-")
    else:
        lines += format_entry("manifest", audit.manifest_error or "none")
    lines += _format_metadata(audit)
    for name, tensors in (("input", model.main.inputs), ("output", model.main.outputs)):
        for tensor in tensors:
            lines += format_entry(name, describe(tensor))
    return lines


def _format_metadata(audit: Audit) -> list[str]:
    found = audit.metadata
    if found is None:
        return format_entry("metadata", audit.metadata_error or "none")
    owner = [f"{key} {found[key]}" for key in ("author", "license") if found[key]]
    lines = format_entry("metadata", ", ".join([found["name"] or "unnamed", *owner]))
    for tensor in (*found["inputs"], *found["outputs"])[:MOST_LISTED]:
        facts = [tensor["name"], tensor["color_space"] or tensor["content"]]
        for key in ("mean", "std", "min", "max"):
            if tensor[key]:
                facts.append(f"{key} {_join(tensor[key])}")
        facts += [f"{file['name']} ({file['type']})" for file in tensor["files"]]
        lines += format_entry("", ", ".join(filter(None, facts)))
    return lines


def _join(numbers: Sequence[float | None]) -> str:
    """Returns at most three numbers, one per channel."""
    shown = ["?" if number is None else f"{number:.4g}" for number in numbers[:3]]
    return "/".join(shown)


def _format_operators(audit: Audit, details: bool) -> Iterator[str]:
    yield _COLUMNS.format(*_HEADINGS)
    mapped = set() if audit.ethos_u else set(audit.edgetpu.mapped)
    outside = set(audit.xnnpack.outside)
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
        fit(f"{operator.custom_code or operator.name}@{operator.version}", 25),
        fit(format_shape(output) if output else "-", 15),
        output.type.lower()[:7] if output else "-",
        format_scale(output) if output else "-",
        _short(macs) if macs else "-",
        on_tpu,
        by_xnnpack,
    )


def _format_tensors(operator: Operator) -> Iterator[str]:
    for arrow, tensors in (("<", operator.inputs), (">", operator.outputs)):
        for tensor in tensors:
            if tensor is not None:
                yield fit(f"       {arrow} {describe(tensor)}", WIDTH)


def _format_cost(audit: Audit) -> list[str]:
    where = (
        "" if audit.peak.operator is None else f", at operator {audit.peak.operator}"
    )
    return [
        *format_entry("MACs", f"{audit.macs:,}"),
        *format_entry("parameters", f"{audit.parameter_bytes:,} bytes"),
        *format_entry("activations", f"{audit.peak.bytes:,} bytes at most{where}"),
    ]


def _format_precision(audit: Audit) -> list[str]:
    places: dict[str, list[str]] = {}
    for found in audit.not_int8:
        why = f"{found.type} {found.why}"
        places.setdefault(why, []).append(f"{found.operator} {found.name}")
    reasons = [f"{why}: {shorten(names)}" for why, names in places.items()]
    return [
        *format_entry("not int8", format_count(len(audit.not_int8), "tensor")),
        *list_some(reasons),
        *format_entry("open sizes", str(len(audit.dynamic) or "none")),
        *list_some(audit.dynamic),
    ]


def _format_xnnpack(audit: Audit) -> list[str]:
    found = audit.xnnpack
    if found.count is None:
        return format_entry("XNNPACK", f"unknown: {found.error}")
    operators = audit.model.main.operators
    names = [f"{index} {operators[index].name}" for index in found.outside]
    left = f"; without {shorten(names)}" if names else ""
    return format_entry("XNNPACK", f"{format_count(found.count, 'partition')}{left}")


def _format_edgetpu(audit: Audit) -> list[str]:
    found = audit.edgetpu
    if found.is_compiled:
        return format_entry(
            "Edge TPU", "compiled already; the other operators run on the CPU"
        )
    title = f"predicted for compiler {found.compiler}:"
    lines = format_mapping(found, audit.model.main.operators, title)
    return lines + (format_memory(found) if found.mapped else [])


def _format_ethos_u(audit: Audit) -> list[str]:
    """Describes a compiled file; returns no lines for any other."""
    found = audit.ethos_u
    if found is None:
        return []
    operators = [audit.model.main.operators[number] for number in found.on_cpu]
    names = [f"{x.index} {x.custom_code or x.name}" for x in operators]
    left = f"operators on the CPU: {shorten(names)}" if names else "none on the CPU"
    parts = format_count(len(found.on_npu), "part")
    return [
        *format_entry("Ethos-U", f"compiled for {found.accelerator or 'unknown'}"),
        *format_entry("on the NPU", f"{parts}; {left}"),
    ]


def _short(count: int) -> str:
    if count >= 10**12:
        return "huge"
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            # Three digits: 1.23, 12.3, 123.
            digits = 3 - len(str(count // size))
            return f"{count / size:.{digits}f}{unit}"
    return str(count)
