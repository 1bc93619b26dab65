"""Measures stages and files: accuracy, latency, memory."""
