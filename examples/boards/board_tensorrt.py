"""Builds and runs model_int8.onnx with TensorRT 10 or 11.

    python3 board.py

builds a plan for this GPU, TensorRT and file, as verify.py does on first use. It
needs only the Python package `tensorrt`, which JetPack has, NumPy, and CUDA's runtime.
"""

import ctypes
import ctypes.util
import hashlib
import sys
from pathlib import Path

import numpy as np
from verify import BoardError

# Scratch memory of a layer, in MiB: an Orin Nano shares 4 or 8 GB with the CPU.
WORKSPACE_MIB = 512
_TO_DEVICE, _TO_HOST = 1, 2


def import_tensorrt():
    try:
        import tensorrt
    except ImportError as error:
        raise BoardError(
            "the Python package tensorrt is missing; on a Jetson: sudo apt install "
            "python3-libnvinfer (it is for the system's python3, not for a venv)"
        ) from error
    if int(tensorrt.__version__.split(".")[0]) < 10:
        raise BoardError(
            f"TensorRT {tensorrt.__version__} is too old; install 10 or 11 (JetPack "
            "6.1 or later)"
        )
    return tensorrt


def build(folder):
    """Builds a plan from model_int8.onnx; returns its path."""
    trt = import_tensorrt()
    model = (folder / "model_int8.onnx").read_bytes()
    digits = hashlib.sha256(model).hexdigest()[:8]
    plan_path = folder / f"model_int8.{digits}.{trt.__version__}.plan"
    if plan_path.exists():
        return plan_path
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    network = builder.create_network(_flags(trt))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model):
        errors = "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise BoardError(f"TensorRT does not take model_int8.onnx ({errors})")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_MIB << 20)
    # How fast each kernel is here: the next build takes seconds.
    cache_path = folder / f"timing.{trt.__version__}.cache"
    known = cache_path.read_bytes() if cache_path.exists() else b""
    config.set_timing_cache(config.create_timing_cache(known), ignore_mismatch=False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BoardError(
            "TensorRT built no plan; its messages above say why. If memory is short, "
            "lower WORKSPACE_MIB in board.py"
        )
    cache_path.write_bytes(config.get_timing_cache().serialize())
    plan_path.write_bytes(plan)
    return plan_path


def _flags(trt):
    """Types come from the file: int8 between Q/DQ. TensorRT 11 knows nothing else."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


class Cuda:
    """The few functions of CUDA's runtime that are needed."""

    def __init__(self):
        name = ctypes.util.find_library("cudart") or "libcudart.so"
        try:
            self.library = ctypes.CDLL(name)
        except OSError as error:
            raise BoardError(
                "CUDA's runtime libcudart.so is not found; add "
                "/usr/local/cuda/lib64 to LD_LIBRARY_PATH"
            ) from error

    def call(self, name, *arguments):
        status = getattr(self.library, name)(*arguments)
        if status != 0:
            raise BoardError(f"{name} of CUDA failed with error {status}")

    def allocate(self, size):
        pointer = ctypes.c_void_p()
        self.call("cudaMalloc", ctypes.byref(pointer), ctypes.c_size_t(size))
        return pointer

    def copy(self, to, source, size, kind):
        self.call("cudaMemcpy", to, source, ctypes.c_size_t(size), kind)


class Board:
    def __init__(self, folder):
        self.trt = import_tensorrt()
        self.model = build(folder)
        self.cuda = Cuda()
        runtime = self.trt.Runtime(self.trt.Logger(self.trt.Logger.WARNING))
        engine = runtime.deserialize_cuda_engine(self.model.read_bytes())
        if engine is None:
            self.model.unlink()
            raise BoardError("the plan is of another GPU; run this again to build one")
        self.keep = (runtime, engine)  # They have to outlive the context.
        self.context = engine.create_execution_context()
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        is_input = self.trt.TensorIOMode.INPUT
        self.input = next(x for x in names if engine.get_tensor_mode(x) == is_input)
        self.output = next(x for x in names if x != self.input)
        self.shape = tuple(engine.get_tensor_shape(self.input))
        self.result = np.empty(tuple(engine.get_tensor_shape(self.output)), np.float32)
        self.pointers = [
            self.cuda.allocate(4 * int(np.prod(self.shape))),
            self.cuda.allocate(self.result.nbytes),
        ]
        for name, pointer in zip((self.input, self.output), self.pointers, strict=True):
            self.context.set_tensor_address(name, pointer.value)

    def run(self, image):
        """Returns the probabilities of an image, uint8 [height, width, 3], RGB."""
        values = (image.transpose(2, 0, 1) / 255).astype(np.float32).reshape(self.shape)
        values = np.ascontiguousarray(values)
        device_input, device_output = self.pointers
        address = values.ctypes.data_as(ctypes.c_void_p)
        self.cuda.copy(device_input, address, values.nbytes, _TO_DEVICE)
        if not self.context.execute_async_v3(0):
            raise BoardError("TensorRT could not run the plan; see its messages above")
        self.cuda.call("cudaStreamSynchronize", ctypes.c_void_p(0))
        address = self.result.ctypes.data_as(ctypes.c_void_p)
        self.cuda.copy(address, device_output, self.result.nbytes, _TO_HOST)
        return self.result.copy()

    def versions(self):
        return {"tensorrt": self.trt.__version__}


if __name__ == "__main__":
    try:
        print(build(Path(__file__).resolve().parent))
    except BoardError as error:
        sys.exit(f"board: {error}")
