"""Files with random changes, and random graphs.

The problems that these tests found are separate tests in `test_hostile.py` and others.
"""

import json
import random
import struct

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corallite.convert.audit.audit_text import format_audit
from corallite.convert.audit.cost import count_macs, find_peak
from corallite.convert.audit.examine import audit_file
from corallite.convert.edgetpu.predict.compilers import (
    COMPILERS,
    LATER_SUBGRAPH,
    MAPPED,
)
from corallite.convert.edgetpu.predict.prediction import predict
from corallite.convert.edgetpu.predict.rules import RULES
from corallite.convert.tflite.dynamic import describe_dynamic
from corallite.convert.tflite.precision import find_not_int8
from corallite.convert.tflite.reader import decode
from corallite.device.model.flatbuffer import DamagedError
from corallite.device.system.errors import RequestError

# The same examples each time, so that failures are reproducible. The fixtures are not
# changed, or cleared first.
often = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def examine(content):
    """Does everything with a file that an audit does in its own process."""
    model = decode(content)
    find_peak(model.main)
    for operator in model.main.operators:
        count_macs(operator)
    list(describe_dynamic(model.main))
    find_not_int8(model.main)
    for compiler in COMPILERS:
        predict(model, compiler=compiler)


def check(model, **options):
    """Predicts, checks that the prediction is consistent, and returns it."""
    found, operators = predict(model, **options), model.main.operators
    assert list(found.mapped) == sorted(set(found.mapped))
    if not found.is_compiled:
        assert sorted(found.status) == list(range(len(operators)))
        logged = [i for i, status in sorted(found.status.items()) if status == MAPPED]
        assert logged == list(found.mapped)
        assert (found.first_cut is None and not found.failure) or found.suggestion
    assert (found.subgraphs == 0) is (found.mapped == ())
    if found.failure:
        assert found.mapped == ()
    json.dumps(found.to_json(), allow_nan=False)
    return found


def test_flipped_bytes_never_crash(content):
    rng = random.Random(0)
    for _ in range(400):
        damaged = bytearray(content)
        for _ in range(rng.choice((1, 2, 8, 64))):
            position = rng.randrange(8, len(content))
            damaged[position] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        try:
            examine(bytes(damaged))
        except DamagedError:
            pass


def test_absurd_offsets_never_crash(content):
    rng = random.Random(1)
    absurd = (0, 1, 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, len(content))
    for position in range(0, len(content) - 4, 4):
        damaged = bytearray(content)
        struct.pack_into("<I", damaged, position, rng.choice(absurd))
        try:
            examine(bytes(damaged))
        except DamagedError:
            pass


_ABSURD = (0, 1, 3, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
# Mostly single bytes; the others seldom leave a readable file.
_KINDS_OF_CHANGE = (*["byte"] * 8, "number", "offset", "lost", "twice")
_CHANGES = st.tuples(
    st.sampled_from(_KINDS_OF_CHANGE),
    # Ten thousandths of the file: not too often its beginning and its end.
    st.integers(0, 9_999),
    st.integers(0, 4_095),
)


def change(content, kind, place, value):
    """Returns `content` with a changed byte or number, or a lost or repeated piece."""
    # Not the identifier, without which nothing is read.
    start = 8 + place * (len(content) - 8) // 10_000
    if kind == "byte":
        return content[:start] + bytes([value % 256]) + content[start + 1 :]
    if kind in ("number", "offset"):
        start -= start % 4
        number = value if kind == "offset" else _ABSURD[value % len(_ABSURD)]
        return content[:start] + struct.pack("<I", number) + content[start + 4 :]
    end = start + 1 + value % 64
    put = content[start:end] * 2 if kind == "twice" else b""
    return content[:start] + put + content[end:]


@given(changes=st.lists(_CHANGES, min_size=1, max_size=6))
@often
def test_a_changed_file_has_a_prediction_or_is_damaged(content, changes):
    for one in changes:
        content = change(content, *one)
    try:
        model = decode(content)
    except DamagedError as error:
        assert str(error)
    else:
        check(model)


@given(changes=st.lists(_CHANGES, min_size=1, max_size=3))
@often
def test_an_audit_of_a_changed_file_is_text_and_json_or_one_error(
    tmp_path, content, changes
):
    path = tmp_path / "model.tflite"
    for one in changes:
        content = change(content, *one)
    path.write_bytes(content)
    try:
        found = audit_file(path, ask_xnnpack=False)
    except RequestError as error:
        assert str(error).startswith(str(path))
    else:
        assert max(map(len, format_audit(found, details=True).splitlines())) <= 80
        json.dumps(found.to_json(), allow_nan=False)


# Few of the last four, which stop a compiler.
_NAMES = (*RULES, "HARD_SWISH", "Own", "SHAPE", "WHERE", "FlexErf", "GELU")
_SHAPES = st.sampled_from(
    (*[(1, 8, 8, 4)] * 5, (), (9,), (1, 200), (2, 8, 8, 4), (1, 2, 3, 4, 8))
)
_KINDS = st.sampled_from((*["INT8"] * 8, "UINT8", "INT32", "FLOAT32"))
_OPERATORS = st.tuples(
    # Mostly supported types, so that there are several subgraphs.
    st.one_of(st.just("RELU"), st.just("ADD"), st.sampled_from(_NAMES)),
    # Any tensor, two axes, and up to two more inputs.
    st.tuples(st.integers(0, 30), st.one_of(st.just(1), st.integers(-1, 30))),
    st.lists(st.integers(-1, 30), max_size=2),
    _SHAPES,
    _KINDS,
    st.sampled_from((1, 1, 1, 2, 3)),
)


@given(
    operators=st.lists(_OPERATORS, min_size=1, max_size=12),
    compiler=st.sampled_from(list(COMPILERS)),
)
@often
def test_any_graph_has_a_consistent_prediction(make_writer, operators, compiler):
    writer = make_writer()
    writer.input()
    writer.integers(1, 2)
    for name, first, others, shape, kind, version in operators:
        # The graph's input replaces tensors that do not exist yet.
        count = len(writer.graph.tensors)
        there = [n if n < count else 0 for n in (*first, *others)]
        writer.operator(name, there, shape, kind, version=version)
    model = decode(writer.content())
    one = check(model, compiler=compiler)
    each = check(model, compiler=compiler, multiple_subgraphs=True)
    assert one.subgraphs <= 1
    if not (one.failure or each.failure):
        assert set(one.mapped) <= set(each.mapped)
        assert LATER_SUBGRAPH not in each.status.values()
