"""Predicts the errors that stop the Edge TPU compiler; then nothing is mapped."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from corallite.convert.edgetpu.predict.compilers import Compiler
from corallite.convert.edgetpu.predict.operator_versions import is_known
from corallite.convert.tflite.dynamic import is_sized_by_values
from corallite.convert.tflite.model import EIGHT_BIT, Model
from corallite.convert.tflite.schema import code_of


@dataclass(frozen=True)
class Failure:
    """An error of the compiler, which then writes no file.

    Attributes:
        operator: The operator that causes it, if a single one does.
        text: The compiler's error message.
        status: The status of operators that would be mapped without the error.
        suggestion: What to change.
    """

    operator: int | None
    text: str
    status: str
    suggestion: str


def find_failure(
    model: Model, compiler: Compiler, mapped: Collection[int]
) -> Failure | None:
    """Returns the error that stops the compiler; None if no known one does.

    Args:
        model: The model.
        compiler: The release.
        mapped: The operators that it would map without the error; it translates only
            these.
    """
    found = (find(model, compiler) for find in _STOPS)
    first = next((failure for failure in found if failure), None)
    return first or _find_strided_channels(model, compiler, mapped)


def _find_unparseable(model: Model, compiler: Compiler) -> Failure | None:
    """Finds an operator code that the compiler's runtime does not know.

    The runtime looks up all declared codes. The operators of the main graph come first,
    so that the error can name one.
    """
    running = [(op.name, op.version, op.index) for op in model.main.operators]
    declared = [(*code, None) for code in model.operator_codes]
    for name, version, index in (*running, *declared):
        if not is_known(name, version, compiler.tensorflow):
            text = f"Didn't find op for builtin opcode '{name}' version '{version}'."
            if not is_known(name, 1, compiler.tensorflow):
                text = f"Op builtin_code out of range: {code_of(name)}."
            return Failure(
                index,
                text,
                "Model could not be parsed",
                _OLDER.get(name, "convert with a TensorFlow as old as the compiler"),
            )
    return None


def _find_flex(model: Model, compiler: Compiler) -> Failure | None:
    """Finds TensorFlow operators, which need the Flex delegate."""
    for operator in model.main.operators:
        if operator.custom_code.startswith("Flex"):
            return Failure(
                operator.index,
                "Regular TensorFlow ops are not supported by this interpreter.",
                _NOT_RUN,
                "convert without SELECT_TF_OPS",
            )
    return None


def _find_sized_by_values(model: Model, compiler: Compiler) -> Failure | None:
    for operator in model.main.operators:
        if is_sized_by_values(operator):
            return Failure(
                operator.index,
                "Attempting to use a delegate that only supports static-sized tensors "
                "with a graph that has dynamic-sized tensors.",
                _NOT_RUN,
                "convert with a batch of 1, so that all sizes are constants",
            )
    return None


def _find_unquantized(model: Model, compiler: Compiler) -> Failure | None:
    computed = (t for operator in model.main.operators for t in operator.written)
    if any(tensor.type in EIGHT_BIT for tensor in computed):
        return None
    return Failure(
        None,
        "Invalid model: Model not quantized",
        "Model not quantized",
        "convert to full int8: corallite convert",
    )


def _find_strided_channels(
    model: Model, compiler: Compiler, mapped: Collection[int]
) -> Failure | None:
    """Finds strides over channels; only compiler 16 has other strides (i828)."""
    for operator in (model.main.operators[index] for index in mapped):
        strides = model.integers(operator.input(3))
        slices = operator.name == "STRIDED_SLICE" and compiler.number >= 16
        if slices and len(strides) > 1 and strides[-1] != 1:
            return Failure(
                operator.index,
                "'tfl.strided_slice' op is not supported on DarwiNN.",
                "Compilation failed!",
                "select channels by a 1x1 convolution, or slice them without strides",
            )
    return None


_NOT_RUN = "Model failed in Tflite interpreter"
_OLDER = {
    "CONV_2D": "split grouped convolutions: SPLIT, one per group, CONCATENATION",
    "FULLY_CONNECTED": "convert with per-tensor scales for the weights of dense layers",
    "GELU": "replace it with ReLU or ReLU6",
}
_STOPS: tuple[Callable[[Model, Compiler], Failure | None], ...] = (
    _find_unparseable,
    _find_flex,
    _find_sized_by_values,
    _find_unquantized,
)
