"""The networks: plain functions that return one flat functional Keras model."""
