"""Rung 5: what features are worth. Functions of (features, labels) that know no encoder."""
