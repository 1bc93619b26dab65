"""Finds the operator that the Edge TPU compiler fails at, by compiling parts."""

from dataclasses import dataclass

from absl import logging

from corallite.convert.edgetpu.compile.compiler import Compile
from corallite.convert.tflite.truncate import truncate


@dataclass(frozen=True)
class Breaking:
    """Where a model stops to compile.

    Attributes:
        prefix: How many of its first operators compile; it may be none.
        operator: The one behind them, with which they do not.
        failure: What the compiler says of it.
        splits: How many parts were compiled to find it.
    """

    prefix: int
    operator: int
    failure: str
    splits: int


def find_breaking(
    content: bytes, operator_count: int, failure: str, compile_part: Compile
) -> Breaking:
    """Compiles log2 of `operator_count` parts, of each the first operators.

    Args:
        content: Of a file that does not compile.
        operator_count: Of its first graph, at least 1.
        failure: What the compiler says of it.
        compile_part: Compiles the content of a file.

    Returns:
        The longest part that was seen to compile; the next longer one was seen to
        fail. Where failing comes and goes with the length, there can be others.
    """
    compiles, fails, parts = 0, operator_count, 0
    most = (operator_count - 1).bit_length()
    while fails - compiles > 1:
        middle = (compiles + fails) // 2
        parts += 1
        attempt = compile_part(truncate(content, middle))
        said = attempt.failure or "compiles"
        logging.info(
            "Part %d of at most %d: the first %d of %d operators: %s",
            parts,
            most,
            middle,
            operator_count,
            said,
        )
        if attempt.failure:
            fails, failure = middle, attempt.failure
        else:
            compiles = middle
    return Breaking(compiles, fails - 1, failure, parts)
