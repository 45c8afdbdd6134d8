"""Entropy and information of labels, from how often each occurs."""
