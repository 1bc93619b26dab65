"""The HTTP routes of `serve`, and how they read a request."""
