"""Permutation tests, confidence intervals and sample-size curves, for any estimator."""
