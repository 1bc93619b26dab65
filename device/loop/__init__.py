"""The device loop: frames in, predictions out."""
