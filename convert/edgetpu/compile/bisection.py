"""Finds the operator that the Edge TPU compiler fails at by bisection."""

from dataclasses import dataclass

from absl import logging

from corallite.convert.edgetpu.compile.compiler import Compile
from corallite.convert.tflite.truncate import truncate


@dataclass(frozen=True)
class Breaking:
    """The operator at which compilation fails.

    Attributes:
        prefix: How many of the first operators compile, 0 or more.
        operator: The next operator; with it, compilation fails.
        failure: The compiler's error message.
        splits: How many truncated models were compiled to find it.
    """

    prefix: int
    operator: int
    failure: str
    splits: int


def find_breaking(
    content: bytes, operator_count: int, failure: str, compile_it: Compile
) -> Breaking:
    """Compiles the model truncated to its first operators, log2(operators) times.

    Args:
        content: Content of a file that does not compile.
        operator_count: Operators of its first graph, at least 1.
        failure: The compiler's error message for it.
        compile_it: Compiles the content of a file.

    Returns:
        A prefix that compiles but fails with one more operator. There can be several,
        if longer prefixes compile again.
    """
    compiles, fails, tries = 0, operator_count, 0
    most = (operator_count - 1).bit_length()
    while fails - compiles > 1:
        middle = (compiles + fails) // 2
        tries += 1
        attempt = compile_it(truncate(content, middle))
        result = attempt.failure or "compiles"
        progress = f"{tries} of at most {most}: the first {middle} of {operator_count}"
        logging.info("Bisection %s operators: %s", progress, result)
        if attempt.failure:
            fails, failure = middle, attempt.failure
        else:
            compiles = middle
    return Breaking(compiles, fails - 1, failure, tries)
