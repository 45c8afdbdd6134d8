"""Similarity maps: where other images, or another view, hold what a feature tells."""
