"""Two models as one engine."""
