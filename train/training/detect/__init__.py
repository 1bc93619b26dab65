"""Training of models that find boxes."""
