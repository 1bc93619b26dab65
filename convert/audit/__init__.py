"""Reads any `.tflite` file and says what is in it; nothing of TensorFlow is loaded."""
