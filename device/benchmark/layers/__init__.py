"""Measures single operators, for tables that predict the latency of a network."""
