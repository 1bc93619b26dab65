"""A finished network teaches another one: where it is, and what is learnt from it."""
