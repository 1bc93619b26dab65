"""When the second of two models is asked."""
