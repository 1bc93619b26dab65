"""The networks: functions that each return a flat functional Keras model."""
