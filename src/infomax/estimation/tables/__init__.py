"""Tables: how much one column tells about another."""

DEFAULT_PERMUTATIONS = 199
"""Permutations behind each p-value of a ranking."""
DEFAULT_SAMPLED_ROWS = 100_000
"""Rows on which the numbers of a table that is read in parts are measured."""
