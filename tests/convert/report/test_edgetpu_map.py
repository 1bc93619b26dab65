"""Where operators are drawn, and how lines run between them."""

from corallite.convert.edgetpu.predict.prediction import predict
from corallite.convert.report.edgetpu_map import abbreviate, draw_map, list_kinds
from corallite.convert.report.graph_layout import lay_out
from corallite.convert.tflite.model import Model

BRANCHED = (
    ("CONV_2D", ["in"], "a"),
    ("CONV_2D", ["a"], "b"),
    ("CONV_2D", ["b"], "c"),
    ("ADD", ["a", "c"], "d"),
)


def test_a_chain_is_one_straight_line(make_graph):
    chain = [("CONV_2D", ["in"], "0")]
    chain += [("CONV_2D", [str(i)], str(i + 1)) for i in range(5)]
    layout = lay_out(make_graph(*chain))
    assert layout.layers == (0, 1, 2, 3, 4, 5)
    assert set(layout.lanes) == {0}
    assert layout.segments == tuple((i, 0, 0) for i in range(5))


def test_a_line_past_operators_has_a_lane_of_its_own(make_graph):
    layout = lay_out(make_graph(*BRANCHED))
    assert layout.layers == (0, 1, 2, 3)
    occupied = {(layout.layers[i], layout.lanes[i]) for i in range(4)}
    # From `a` to the sum, past layers 1 and 2, in which it crosses no operator.
    passing = [s for s in layout.segments if s[0] == 1 and s[1] == s[2]]
    assert any((1, lane) not in occupied for _, lane, _ in passing)
    assert len(occupied) == 4


def test_slices_of_one_tensor_are_drawn_before_what_reads_them(make_graph):
    graph = make_graph(
        ("CONV_2D", ["in"], "a"),
        ("SLICE", ["a"], "left"),
        ("SLICE", ["a"], "right"),
        ("CONV_2D", ["left"], "b"),
        ("CONV_2D", ["b"], "c"),
        ("CONCATENATION", ["c", "right"], "d"),
    )
    assert lay_out(graph).layers == (0, 1, 3, 2, 3, 4)


def test_every_operator_has_a_place_of_its_own_inside_the_drawing(make_graph):
    wide = [("CONV_2D", ["in"], f"x{i}") for i in range(40)]
    graph = make_graph(*wide, ("ADD", [f"x{i}" for i in range(40)], "y"))
    drawn = draw_map(graph, predict(Model(3, "", (graph,), (), {}, b"")))
    assert len({(cell.x, cell.y) for cell in drawn.cells}) == 41
    assert max(cell.y for cell in drawn.cells) < drawn.height
    assert max(cell.x for cell in drawn.cells) < drawn.width


def test_a_long_graph_is_folded_into_rows(make_graph):
    chain = [("CONV_2D", ["in"], "0")]
    chain += [("CONV_2D", [str(i)], str(i + 1)) for i in range(199)]
    graph = make_graph(*chain)
    drawn = draw_map(graph, predict(Model(3, "", (graph,), (), {}, b"")))
    assert len({cell.y for cell in drawn.cells}) == 9
    assert drawn.width < 1100


def test_kinds_count_every_operator_once(make_graph):
    graph = make_graph(*BRANCHED, ("ELU", ["d"], "e"))
    kinds = list_kinds(graph, predict(Model(3, "", (graph,), (), {}, b"")))
    assert [(x.name, x.count, x.is_mapped) for x in kinds] == [
        ("CONV_2D", 3, True),
        ("ADD", 1, True),
        ("ELU", 1, False),
    ]


def test_types_are_abbreviated_in_four_letters(make_graph):
    names = ("CONV_2D", "ELU", "RESIZE_NEAREST_NEIGHBOR", "edgetpu-custom-op")
    graph = make_graph(*((name, ["in"], name) for name in names))
    assert [abbreviate(x) for x in graph.operators] == ["Conv", "Elu", "RNN", "ECO"]
