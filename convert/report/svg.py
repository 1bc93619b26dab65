"""Draws charts with Matplotlib, as SVG in the colours of the page."""

import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Placeholders, replaced by variables of the page's style sheet, light or dark. No
# other colour is near them.
INK, MUTED, LINE = "#010203", "#010204", "#010205"
FIRST, SECOND = "#010206", "#010207"
_VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line", FIRST: "first", SECOND: "other"}
# One unit of the drawing is a pixel.
_DPI = 72
# Matplotlib types each name of these apart, and only its own literals.
_SETTINGS: dict[Any, Any] = {
    # As text: it can be searched, takes the page's font and a tenth of the bytes.
    "svg.fonttype": "none",
    "font.size": 11,
    "axes.labelsize": 11,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
}


class Drawing:
    """A figure; `markup` is set at the end of the block.

    Attributes:
        axes: Matplotlib axes to draw on.
        markup: The `<svg>` element.
    """

    axes: Axes
    markup: str


@contextmanager
def drawing(name: str, size_wh: tuple[int, int], text: str) -> Iterator[Drawing]:
    """Yields a drawing, which becomes a picture in the page.

    Args:
        name: Unique on the page.
        size_wh: In pixels.
        text: Text alternative for screen readers.
    """
    result = Drawing()
    with rc_context({**_SETTINGS, "svg.hashsalt": name}):
        inches = (size_wh[0] / _DPI, size_wh[1] / _DPI)
        figure = Figure(figsize=inches, dpi=_DPI, layout="constrained")
        result.axes = figure.subplots()
        yield result
        written = io.StringIO()
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(written, format="svg", metadata=metadata, transparent=True)
    result.markup = _for_page(written.getvalue(), size_wh, text)


def _for_page(svg: str, size_wh: tuple[int, int], text: str) -> str:
    """Replaces the `<svg>` tag and the colours."""
    width, height = size_wh
    label = html.escape(text)
    head = (
        f'<svg class="chart" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{label}" '
        'xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    # Groups have the same names in all drawings, and nothing refers to them.
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    # A style sheet in a drawing would apply to the whole page.
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r" font-family: [^;\"]*;", "", body)
    body = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var(--{variable})")
    # Coordinates have six decimals, labels never more than four.
    body = re.sub(r"(\d\.\d\d)\d{3,}", r"\1", body)
    return head + re.sub(r"\s*\n\s*", "\n", body).strip()
