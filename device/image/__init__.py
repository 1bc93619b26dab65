"""Image decoding and fitting to the model's input."""
