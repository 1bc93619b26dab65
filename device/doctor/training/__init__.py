"""What TensorFlow finds on a machine that trains."""
