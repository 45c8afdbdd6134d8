"""Verifies a run: the hashes of its files, its encoder, and the results of its evaluations."""
