"""Choosing an estimator: what the samples are, the rule, and one call for both."""
