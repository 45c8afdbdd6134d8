"""Decompositions of what several sources tell: the same, each its own, or only together."""
