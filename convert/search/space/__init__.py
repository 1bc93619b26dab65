"""The networks among which is searched, and what they cost."""
