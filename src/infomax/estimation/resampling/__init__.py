"""Permutation tests, intervals and sample-size curves."""
