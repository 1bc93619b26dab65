"""Export targets: the formats that a model can be exported to."""
