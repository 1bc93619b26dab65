"""Export targets: one module for each format a model can leave in."""
