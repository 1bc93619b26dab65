"""Training: recipe, loop, state that survives an interruption."""
