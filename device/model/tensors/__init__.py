"""The inputs and outputs that a manifest describes, one module for each kind."""
