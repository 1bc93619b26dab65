"""The live camera behind `serve`."""
