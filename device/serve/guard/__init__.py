"""Access control of `serve`, and its limits on requests and connections."""
