"""Export targets: one module for each format that models are exported to."""
