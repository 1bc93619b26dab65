"""From Keras to full-int8 TFLite, with accuracy measured at each step."""
