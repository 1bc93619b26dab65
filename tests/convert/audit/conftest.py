"""Small models made without TensorFlow, operator by operator."""

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from corallite.convert.audit.model_file import decode
from corallite.convert.edgetpu.prediction import predict

_TYPES = {
    name: code for name, code in vars(schema.TensorType).items() if name.isupper()
}
_CODES = {
    name: code for name, code in vars(schema.BuiltinOperator).items() if name.isupper()
}
_NUMPY = {"INT8": np.int8, "UINT8": np.uint8, "INT32": np.int32, "FLOAT32": np.float32}


class ModelWriter:
    """Writes a model with one graph. Tensors and operators are known by their number.

    `model` and `graph` are objects of the schema, for what the methods do not do.
    """

    def __init__(self):
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.description = "by hand"
        self.model.subgraphs, self.model.operatorCodes = [self.graph], []
        # The first buffer is the one of tensors that are no constants.
        self.model.buffers = [schema.BufferT()]

    def tensor(self, shape, kind="INT8", *, data=None, scales=(0.5,), name=None):
        """Adds a tensor; with `data`, an array or a number to fill it, a constant."""
        tensor = schema.TensorT()
        number = len(self.graph.tensors)
        tensor.name = name or f"tensor_{number}"
        tensor.shape, tensor.type, tensor.buffer = list(shape), _TYPES[kind], 0
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = list(scales)
        tensor.quantization.zeroPoint = [0] * len(scales)
        if data is not None:
            buffer = schema.BufferT()
            values = np.broadcast_to(np.asarray(data, _NUMPY[kind]), shape)
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.graph.tensors.append(tensor)
        return number

    def input(self, shape=(1, 8, 8, 4), kind="INT8"):
        number = self.tensor(shape, kind, name=f"input_{len(self.graph.inputs)}")
        self.graph.inputs.append(number)
        return number

    def integers(self, *values):
        """Adds an INT32 constant, such as axes."""
        return self.tensor((len(values),), "INT32", data=values, scales=())

    def scalar(self, value):
        """Adds an INT32 constant of no dimensions, such as the axis of a SPLIT."""
        return self.tensor((), "INT32", data=value, scales=())

    def operator(self, name, inputs, shape, kind="INT8", *, version=1, **options):
        """Adds an operator and returns its output.

        Args:
            name: Of the type; any other than the schema's is a custom one.
            inputs: Numbers of tensors.
            shape: Of the output, or None to reuse that of the first input.
            kind: Type of the output.
            version: Of the type.
            options: `options="Conv2DOptions"` and what to set in them.
        """
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(name, version)
        if shape is None:
            shape = self.graph.tensors[inputs[0]].shape
        output = self.tensor(shape, kind)
        operator.inputs, operator.outputs = list(inputs), [output]
        if "options" in options:
            kind_name = options.pop("options")
            operator.builtinOptions = getattr(schema, f"{kind_name}T")()
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind_name)
            vars(operator.builtinOptions).update(options)
        self.graph.operators.append(operator)
        return output

    def conv(self, x, channels=4, kernel=(1, 1), *, version=3, **options):
        """Adds a CONV_2D with padding and stride 1."""
        *outer, depth = self.graph.tensors[x].shape
        weights = self.tensor((channels, *kernel, depth), data=1)
        bias = self.tensor((channels,), "INT32", data=0)
        shape = (*outer, channels)
        return self.operator(
            "CONV_2D",
            [x, weights, bias],
            shape,
            version=version,
            options="Conv2DOptions",
            strideW=1,
            strideH=1,
            **options,
        )

    def dense(self, x, outputs, *, version=4, scales=(0.5,), **options):
        """Adds a FULLY_CONNECTED on one row."""
        depth = self.graph.tensors[x].shape[-1]
        weights = self.tensor((outputs, depth), data=1, scales=scales)
        bias = self.tensor((outputs,), "INT32", data=0)
        return self.operator(
            "FULLY_CONNECTED",
            [x, weights, bias],
            (1, outputs),
            version=version,
            options="FullyConnectedOptions",
            **options,
        )

    def reshape(self, x, shape):
        return self.operator("RESHAPE", [x, self.integers(*shape)], shape)

    def chain(self, *names):
        """Adds an input and one operator after another, each of the type named."""
        x = self.input()
        for name in names:
            x = self.conv(x) if name == "CONV_2D" else self.operator(name, [x], None)
        return x

    def shuffle(self, x, *, four_d=False):
        """Adds a channel shuffle of two groups, as published or with three axes."""
        batch, height, width, channels = self.graph.tensors[x].shape
        half, version = channels // 2, 4
        outer = [batch, height, width]
        if four_d:
            outer, version = [batch, height * width], 2
        split, swapped = [*outer, 2, half], [*outer, half, 2]
        last = len(outer) + 1
        order = self.integers(*range(len(outer)), last, last - 1)
        x = self.reshape(x, split)
        x = self.operator("TRANSPOSE", [x, order], swapped, version=version)
        return self.reshape(x, (batch, height, width, channels))

    def content(self, *outputs):
        """Returns the file; `outputs` are the graph's, by default the last tensor."""
        self.graph.outputs = list(outputs) or [len(self.graph.tensors) - 1]
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _code(self, name, version):
        code = schema.OperatorCodeT()
        code.version = version
        code.builtinCode = _CODES.get(name, schema.BuiltinOperator.CUSTOM)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.customCode = None if name in _CODES else name
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1


@pytest.fixture
def writer():
    """An empty model to add operators to."""
    return ModelWriter()


@pytest.fixture
def make_writer():
    """A function that returns another empty model each time."""
    return ModelWriter


@pytest.fixture
def status_of_last(writer):
    """A function that returns what a compiler is predicted to say of what came last."""

    def predict_last(compiler="16.0"):
        model = decode(writer.content())
        said = predict(model, compiler=compiler).status
        return said[len(model.main.operators) - 1]

    return predict_last


@pytest.fixture
def check_cut(writer):
    """A function that checks that an operator cuts off those behind it.

    It takes what adds the operator, by (writer, x), and what is to be said of it.
    """

    def check(build, status):
        # So that there is something quantized in every model.
        x = writer.input()
        writer.operator("RELU", [x], None)
        last = build(writer, x) or len(writer.graph.tensors) - 1
        writer.operator("RELU", [last], None)
        model = decode(writer.content())
        prediction = predict(model)
        assert prediction.status[len(model.main.operators) - 2] == status
        assert prediction.first_cut is not None
        assert prediction.cure

    return check


@pytest.fixture
def write_file(tmp_path):
    """A function that writes the bytes of a model and returns the file's path."""

    def write(content, name="model.tflite"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def content(writer):
    """A file of a network with a bit of everything; its weights are a small part."""
    x = writer.conv(writer.input((1, 8, 8, 4)), 8, (3, 3))
    x = writer.shuffle(x)
    x = writer.operator("PAD", [x, writer.integers(0, 0, 1, 1, 1, 1, 0, 0)], None)
    x = writer.operator("CONCATENATION", [x, x], (1, 8, 8, 16), options="AddOptions")
    x = writer.operator("MEAN", [x, writer.integers(1, 2)], (1, 16))
    return writer.content(writer.dense(x, 3))
