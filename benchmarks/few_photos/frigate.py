"""Images and model files as Frigate's runtime handles them.

As frigate/data_processing/real_time/custom_classification.py of Frigate 0.17 does: a
crop is stretched to 224x224 by OpenCV's default interpolation, and given to the model
as raw RGB.
"""

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from corallite.device.image.preprocess import Image

_SIDE = 224
_THREADS = 2


def stretch(image_rgb_u8: Image) -> Image:
    """Returns uint8 RGB [224, 224, 3]."""
    return cv2.resize(image_rgb_u8, (_SIDE, _SIDE))


def predict(content: bytes, images_rgb_u8: np.ndarray) -> np.ndarray:
    """Returns the label of each image, int `[n]`.

    Args:
        content: Of a `.tflite` file with uint8 input.
        images_rgb_u8: uint8 `[n, 224, 224, 3]`.
    """
    interpreter = Interpreter(model_content=content, num_threads=_THREADS)
    interpreter.allocate_tensors()
    (taken,), (given,) = (
        interpreter.get_input_details(),
        interpreter.get_output_details(),
    )
    labels = []
    for image in images_rgb_u8:
        interpreter.set_tensor(taken["index"], image[np.newaxis])
        interpreter.invoke()
        labels.append(int(interpreter.get_tensor(given["index"])[0].argmax()))
    return np.array(labels)
