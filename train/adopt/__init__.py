"""Makes a run of a Keras model that was trained elsewhere."""
