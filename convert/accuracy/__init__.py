"""Compares the accuracy of each step with its origin, and applies the limit."""
