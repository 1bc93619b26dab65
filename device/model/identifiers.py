"""What files of TFLite, the Edge TPU's part in them and itself are known by."""

# File identifiers: bytes 4 to 8 of a flatbuffer.
MODEL = b"TFL3"
EDGETPU_PACKAGE = b"DWN1"

# The custom operator that the Edge TPU compiler leaves in place of those it took.
EDGETPU_OPERATOR = "edgetpu-custom-op"
