"""Model files: manifest, metadata, self-test."""
