"""Draws the graph of a model: where each operator runs, on the Edge TPU or the CPU."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from corallite.convert.edgetpu.predict.compilers import MAPPED
from corallite.convert.edgetpu.predict.prediction import Prediction
from corallite.convert.report.graph_layout import Layout, lay_out
from corallite.convert.tflite.model import Graph, Operator

# In pixels, at the size of the text in a cell.
_CELL_WH = (30, 20)
_STEP_X, _STEP_Y = 41, 27
_ROW_GAP = 20
_EDGE = 16
# Layers in a row: they fit on a desktop and on paper; a phone scrolls.
_COLUMNS = 24
_CODES = {
    "ADD": "Add",
    "AVERAGE_POOL_2D": "AvgP",
    "CONCATENATION": "Cat",
    "CONV_2D": "Conv",
    "DEPTHWISE_CONV_2D": "DW",
    "DEQUANTIZE": "DeQ",
    "FULLY_CONNECTED": "FC",
    "MAX_POOL_2D": "MaxP",
    "MEAN": "Mean",
    "PAD": "Pad",
    "QUANTIZE": "Q",
    "RESHAPE": "Rshp",
    "SLICE": "Slc",
    "SOFTMAX": "Soft",
    "SPLIT": "Splt",
    "STRIDED_SLICE": "SSlc",
    "TRANSPOSE": "Tran",
}


@dataclass(frozen=True)
class Cell:
    """One operator.

    Attributes:
        x: Of its centre.
        y: Of its centre.
        code: Its type in four letters.
        title: Text to show on hover.
        is_mapped: It runs on the Edge TPU.
        is_cut: It is the first that splits the graph.
    """

    x: int
    y: int
    code: str
    title: str
    is_mapped: bool
    is_cut: bool


@dataclass(frozen=True)
class Map:
    """The drawing.

    Attributes:
        width: In pixels.
        height: In pixels.
        cells: One per operator.
        paths: SVG path data of the lines between the cells.
    """

    width: int
    height: int
    cells: Sequence[Cell]
    paths: Sequence[str]


def draw_map(graph: Graph, prediction: Prediction) -> Map:
    """Draws the operators of `graph` in rows of 24 layers."""
    layout = lay_out(graph)
    tops, height = _place_rows(layout)

    def place(layer: int, lane: int) -> tuple[int, int]:
        x = _EDGE + _CELL_WH[0] // 2 + layer % _COLUMNS * _STEP_X
        return x, tops[layer // _COLUMNS] + _CELL_WH[1] // 2 + lane * _STEP_Y

    mapped = set(prediction.mapped)
    cells = [
        Cell(
            *place(layout.layers[i], layout.lanes[i]),
            abbreviate(operator),
            _describe(operator, prediction),
            i in mapped,
            i == prediction.first_cut,
        )
        for i, operator in enumerate(graph.operators)
    ]
    width = 2 * _EDGE + _CELL_WH[0] + (min(_COLUMNS, layout.depth) - 1) * _STEP_X
    paths = []
    for layer, lane, next_lane in layout.segments:
        begin, end = place(layer, lane), place(layer + 1, next_lane)
        if (layer + 1) % _COLUMNS:
            paths.append(_curve(begin, end))
        else:
            # From the end of a row to the beginning of the next.
            paths.append(f"M{begin[0]} {begin[1]}H{width}")
            paths.append(f"M0 {end[1]}H{end[0]}")
    return Map(width, height, cells, sorted(set(paths)))


def abbreviate(operator: Operator) -> str:
    """Returns an operator's type in at most four letters."""
    name = operator.custom_code or operator.name
    if name in _CODES:
        return _CODES[name]
    words = name.replace("-", "_").split("_")
    if len(words) == 1:
        return name[:4].capitalize()
    return "".join(word[:1] for word in words)[:4].upper()


@dataclass(frozen=True)
class Kind:
    """Operators of one type and one status, for the legend."""

    code: str
    name: str
    count: int
    is_mapped: bool
    status: str


def list_kinds(graph: Graph, prediction: Prediction) -> list[Kind]:
    """Counts the operators of `graph`: mapped ones first, then by count."""
    counts = Counter(
        (abbreviate(op), op.custom_code or op.name, _status(op, prediction))
        for op in graph.operators
    )
    kinds = [
        Kind(code, name, count, status == MAPPED, status)
        for (code, name, status), count in counts.items()
    ]
    return sorted(kinds, key=lambda x: (not x.is_mapped, -x.count, x.name, x.status))


def name_of(operator: Operator) -> str:
    """Returns the number, the type and the name of the output of an operator."""
    output = operator.output()
    name = f" ({output.name.split(';')[0]})" if output else ""
    return f"{operator.index} {operator.custom_code or operator.name}{name}"


def _status(operator: Operator, prediction: Prediction) -> str:
    return prediction.status.get(operator.index, "runs on the CPU")


def _describe(operator: Operator, prediction: Prediction) -> str:
    output = operator.output()
    shape = " x ".join(map(str, output.shape)) if output else "-"
    return f"{name_of(operator)}: {shape}. {_status(operator, prediction)}"


def _place_rows(layout: Layout) -> tuple[list[int], int]:
    """Returns the top of each row, and the bottom of the last."""
    lanes = [0] * -(-layout.depth // _COLUMNS)
    used = list(zip(layout.layers, layout.lanes, strict=True))
    for layer, lane, next_lane in layout.segments:
        used += [(layer, lane), (layer + 1, next_lane)]
    for layer, lane in used:
        lanes[layer // _COLUMNS] = max(lanes[layer // _COLUMNS], lane)
    tops, top = [], 4
    for most in lanes:
        tops.append(top)
        top += most * _STEP_Y + _CELL_WH[1] + _ROW_GAP
    return tops, top - _ROW_GAP + 4


def _curve(begin: tuple[int, int], end: tuple[int, int]) -> str:
    (x0, y0), (x1, y1) = begin, end
    if y0 == y1:
        return f"M{x0} {y0}H{x1}"
    # Only the gap between the cells is crossed.
    left, right = x0 + _CELL_WH[0] // 2, x1 - _CELL_WH[0] // 2
    middle = (left + right) / 2
    return f"M{x0} {y0}H{left}C{middle:g} {y0} {middle:g} {y1} {right} {y1}H{x1}"
