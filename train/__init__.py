"""From class folders to a trained Keras model."""
