"""Files, errors, logs, signals and processes."""
