"""Rung 2: information from samples. A variational objective is a function of a score matrix."""
