"""Makes ONNX models; needs the extra `onnx`."""
