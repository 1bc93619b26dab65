"""Renders the facts about a run as one self-contained HTML page."""

from pathlib import Path
from typing import Any

import jinja2

from corallite.convert.accuracy import gate
from corallite.convert.accuracy.comparison import AccuracyComparison
from corallite.convert.evaluate.usefulness import list_warnings
from corallite.convert.report import charts, confusion, edgetpu_map, provenance
from corallite.convert.report.facts import Facts

_TEMPLATES = Path(__file__).parent / "templates"
_MOST_LAYERS = 20


def render(facts: Facts) -> str:
    """Returns the page; the same facts give the same bytes."""
    template = load_templates().get_template("report.html")
    return template.render(
        facts=facts,
        evaluation=facts.last.result.evaluation,
        charts=_draw_charts(facts),
        confusion=_describe_confusion(facts),
        refusal=facts.last.metrics.get("refusal"),
        steps=facts.accuracy.list_steps() if facts.accuracy else [],
        findings=gate.list_findings(facts.accuracy) if facts.accuracy else [],
        warnings=_list_warnings(facts),
        layers=describe_layers(facts.accuracy),
        sensitive=_describe_sensitivity(facts),
        edgetpu=_describe_edgetpu(facts),
        commands=provenance.list_commands(facts),
    )


def load_templates(*folders: Path) -> jinja2.Environment:
    """Returns the templates of pages, with their filters.

    Args:
        folders: Of templates that are not here.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader((*folders, _TEMPLATES)),
        # Names of classes and files are a user's: anything may be in them.
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=_percent,
        bare=_bare_percent,
        count=_count,
        points=_points,
        ms=_milliseconds,
        short=_short,
        loss=_loss,
        mib=_mebibytes,
    )
    return environment


def _draw_charts(facts: Facts) -> dict[str, Any]:
    results, last = [stage.result for stage in facts.stages], facts.last.result
    trained = [x for x in facts.stages if x.metrics.get("history")]
    return {
        "accuracy": charts.draw_accuracy(results),
        "sizes": charts.draw_sizes(results),
        "latencies": charts.draw_latencies(results),
        "curves": [
            charts.draw_curves(stage.name, stage.metrics["history"], metric)
            for metric in ("accuracy", "loss")
            for stage in trained
        ],
        "reliability": [
            charts.draw_reliability(x.stage, x.evaluation) for x in results
        ],
        "coverage": charts.draw_coverage(facts.last.name, last.evaluation),
    }


def _describe_confusion(facts: Facts) -> dict[str, Any]:
    counts = facts.last.result.evaluation.confusion
    classes = confusion.rate_classes(counts, facts.class_names)
    return {
        "is_matrix": len(classes) <= confusion.MOST_IN_MATRIX,
        "counts": counts,
        "classes": classes,
        "pairs": confusion.find_pairs(counts, facts.class_names),
        "weakest": confusion.find_weakest(classes),
    }


def _list_warnings(facts: Facts) -> list[str]:
    results = [stage.result for stage in facts.stages]
    return list_warnings(results, facts.class_names, facts.split)


def describe_layers(accuracy: AccuracyComparison | None) -> list[dict[str, Any]]:
    """Returns the layers that int8 changes most, each with the length of its bar.

    The bar is the root of the error: the noise as a share of the signal.
    """
    if accuracy is None:
        return []
    worst = accuracy.layers[:_MOST_LAYERS]
    shares = [(x.own_relative_mse**0.5, x.relative_mse**0.5) for x in worst]
    longest = max((max(pair) for pair in shares), default=0) or 1
    return [
        {
            "layer": layer.layer,
            "own": own,
            "all": whole,
            "own_bar": own / longest,
            "all_bar": whole / longest,
        }
        for layer, (own, whole) in zip(worst, shares, strict=True)
    ]


def _describe_sensitivity(facts: Facts) -> list[dict[str, Any]]:
    """Returns what each layer loses, each change with the length of its bar.

    Quantizing costs far less than pruning, so both have their own scale.
    """
    if facts.sensitivity is None:
        return []
    rows: list[dict[str, Any]] = [{"layer": x.layer} for x in facts.sensitivity.layers]
    for name in ("quantized", "pruned"):
        changes = [getattr(x, name) for x in facts.sensitivity.layers]
        most = max((x.loss for x in changes if x is not None), default=0.0)
        for row, change in zip(rows, changes, strict=True):
            row[name] = change
            is_shown = change is not None and most > 0
            row[f"{name}_bar"] = max(0.0, change.loss / most) if is_shown else 0.0
    return rows


def _describe_edgetpu(facts: Facts) -> dict[str, Any] | None:
    if facts.model is None or facts.edgetpu is None:
        return None
    graph, prediction = facts.model.main, facts.edgetpu
    cut = prediction.first_cut
    return {
        "prediction": prediction,
        "is_predicted": facts.is_predicted,
        "operators": len(graph.operators),
        "map": edgetpu_map.draw_map(graph, prediction),
        "kinds": edgetpu_map.list_kinds(graph, prediction),
        "cut": None if cut is None else edgetpu_map.name_of(graph.operators[cut]),
        "cut_status": None if cut is None else prediction.status.get(cut),
    }


def _percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def _bare_percent(share: float, digits: int = 1) -> str:
    """Formats a percentage without unit, for columns whose heading has it."""
    return f"{100 * share:.{digits}f}"


def _points(difference: float) -> str:
    # A true minus sign, as wide as the plus.
    return f"{100 * difference:+.2f}".replace("-", "−")


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def _milliseconds(duration_ms: float | None) -> str:
    return "–" if duration_ms is None else f"{duration_ms:.3f}"


def _loss(difference: float) -> str:
    # Without a minus before zero.
    return f"{round(difference, 4) + 0.0:+.4f}".replace("-", "−")


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"


def _mebibytes(number: int | None) -> str:
    return "–" if number is None else f"{number / (1 << 20):.1f}"
