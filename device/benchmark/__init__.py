"""Times model files side by side."""
