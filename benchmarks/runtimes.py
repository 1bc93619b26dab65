"""Loads a network in the runtimes that `shufflenet.py` compares.

A maker takes the number of threads and loads the network; it returns a function that
runs one inference on the first image and returns the output. Images are float32
`[n, height, width, 3]`, 0 to 1.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from corallite.device.engine.runtime import load_interpreter
from corallite.device.system.native_log import withholding_native_log

Run = Callable[[], Any]
Maker = Callable[[int], Run]


def run_litert(path: Path, image: np.ndarray, kind: str) -> Maker:
    """Returns the maker of a `.tflite` file; its input is uint8 if `kind` is "int8"."""

    def make(threads: int) -> Run:
        with withholding_native_log():
            interpreter = load_interpreter(path, threads)
        pixels = np.round(image * 255).astype(np.uint8) if kind == "int8" else image
        interpreter.set_tensor(
            interpreter.get_input_details()[0]["index"], pixels[np.newaxis]
        )
        output = interpreter.tensor(interpreter.get_output_details()[0]["index"])

        def run() -> np.ndarray:
            interpreter.invoke()
            return output()

        return run

    return make


def run_onnxruntime(path: Path, images: np.ndarray) -> dict[str, Maker]:
    """Quantizes a float `.onnx` file with `images`; returns the makers of both."""
    import onnxruntime
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared, int8_path = (path.with_suffix(f".{x}.onnx") for x in ("prepared", "int8"))
    quant_pre_process(path, prepared, skip_symbolic_shape=True)

    class Reader(quantization.CalibrationDataReader):
        feeds = iter([{"image": x} for x in _planar(images)])

        def get_next(self) -> Any:
            return next(self.feeds, None)

    quantization.quantize_static(
        prepared,
        int8_path,
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        # As ONNX Runtime's documentation recommends for x86.
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )

    def maker(model_path: Path) -> Maker:
        def make(threads: int) -> Run:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            # Otherwise its threads still spin while the next network is timed.
            options.add_session_config_entry("session.force_spinning_stop", "1")
            session = onnxruntime.InferenceSession(
                model_path, options, providers=["CPUExecutionProvider"]
            )
            feed = {"image": _planar(images)[0]}
            return lambda: session.run(None, feed)[0]

        return make

    return {"int8": maker(int8_path), "float": maker(path)}


def run_openvino(path: Path, images: np.ndarray) -> dict[str, Maker]:
    """Quantizes a float `.onnx` file with `images`; returns the makers of both."""
    import nncf
    import openvino

    core = openvino.Core()
    network = core.read_model(path)
    dataset = nncf.Dataset(_planar(images))
    quantized = nncf.quantize(network, dataset, subset_size=len(images))
    openvino.save_model(network, path.with_suffix(".xml"), compress_to_fp16=False)
    openvino.save_model(quantized, path.with_suffix(".int8.xml"))

    def maker(network: Any, settings: dict[str, Any]) -> Maker:
        def make(threads: int) -> Run:
            compiled = core.compile_model(
                network,
                "CPU",
                {
                    "INFERENCE_NUM_THREADS": threads,
                    "PERFORMANCE_HINT": "LATENCY",
                    **settings,
                },
            )
            request = compiled.create_infer_request()
            request.set_input_tensor(openvino.Tensor(_planar(images)[0]))
            output = request.get_output_tensor()

            def run() -> np.ndarray:
                request.infer()
                return output.data

            return run

        return make

    # Float is 32 bits in all runtimes; OpenVINO would use bfloat16 if the CPU has it.
    float_settings = {"INFERENCE_PRECISION_HINT": "f32"}
    return {"int8": maker(quantized, {}), "float": maker(network, float_settings)}


def _planar(images: np.ndarray) -> list[np.ndarray]:
    """Returns each image as [1, 3, height, width]."""
    return [np.ascontiguousarray(x.transpose(2, 0, 1)[np.newaxis]) for x in images]
