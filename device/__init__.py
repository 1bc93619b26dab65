"""What runs on the board: preprocessing, manifest, interpreter, camera, loop.

Never imports TensorFlow: NumPy, OpenCV, absl and a TFLite runtime only.
"""
