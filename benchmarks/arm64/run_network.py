"""Runs a network RUNS times with one thread; `instructions.py` counts it.

    python run_network.py FILE RUNS

It imports the runtime for the file's suffix, and nothing of corallite.
"""

import sys
from collections.abc import Callable

import numpy as np


def main() -> None:
    path, runs = sys.argv[1], int(sys.argv[2])
    loaders = {"tflite": load_litert, "onnx": load_onnxruntime, "xml": load_openvino}
    run = loaders[path.rsplit(".", 1)[1]](path)
    for _ in range(runs):
        run()


def load_litert(path: str) -> Callable[[], object]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    (image,) = interpreter.get_input_details()
    pixels = noise(image["shape"])
    if image["dtype"] == np.uint8:
        pixels = np.round(pixels * 255).astype(np.uint8)
    interpreter.set_tensor(image["index"], pixels)
    return interpreter.invoke


def load_onnxruntime(path: str) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    feed = {"image": noise(session.get_inputs()[0].shape)}
    return lambda: session.run(None, feed)


def load_openvino(path: str) -> Callable[[], object]:
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(path), "CPU", {"INFERENCE_NUM_THREADS": 1}
    )
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(noise(compiled.input().shape)))
    return request.infer


def noise(shape: object) -> np.ndarray:
    return np.random.default_rng(0).random(tuple(shape), np.float32)


if __name__ == "__main__":
    main()
