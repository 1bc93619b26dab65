"""From Keras to full-int8 TFLite, and the proof that nothing was lost on the way."""
