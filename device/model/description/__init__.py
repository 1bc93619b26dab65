"""What a model file says about itself: inputs, outputs, labels."""
