"""Reads any `.tflite` file and reports its contents, without TensorFlow."""
