"""What can be chosen of an ONNX model; without the packages that write it."""

# The axes of the input: as in TensorFlow, or as in PyTorch.
NHWC, NCHW = LAYOUTS = ("nhwc", "nchw")
# What tf2onnx 1.17 is tested with; 13 is the first with scales of channels.
OPSETS = range(13, 19)
DEFAULT_OPSET = 17
