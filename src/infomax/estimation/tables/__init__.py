"""Tables: how much one column tells about another."""

DEFAULT_PERMUTATIONS = 199
"""Permutations behind each p-value of a ranking."""
