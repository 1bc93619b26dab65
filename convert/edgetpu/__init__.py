"""What the Edge TPU compiler makes of a model, predicted without the compiler."""
