"""An int8 file as C++ for microcontrollers, run by TensorFlow Lite Micro (TFLM)."""
