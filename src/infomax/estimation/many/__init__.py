"""Quantities of many variables, from samples: what all share, and what only several together tell."""
