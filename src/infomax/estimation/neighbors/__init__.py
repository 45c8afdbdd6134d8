"""Nearest-neighbour estimators of entropy and mutual information."""
