"""Processes and GPUs that train one model together."""
