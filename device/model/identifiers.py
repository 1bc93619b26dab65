"""Names and numbers by which files of TFLite and the Edge TPU are recognized."""

# File identifiers: bytes 4 to 8 of a flatbuffer.
MODEL = b"TFL3"
EDGETPU_PACKAGE = b"DWN1"
TFLITE_METADATA = b"M001"

# The entry of a model's metadata table that MediaPipe and ML Kit look for.
TFLITE_METADATA_NAME = "TFLITE_METADATA"

# The custom operator that the Edge TPU compiler leaves in place of those it took.
EDGETPU_OPERATOR = "edgetpu-custom-op"
# The same of Arm's Vela, for Ethos-U NPUs.
ETHOSU_OPERATOR = "ethos-u"
COMPILED_OPERATORS = (EDGETPU_OPERATOR, ETHOSU_OPERATOR)
