"""Objectives: what is maximised, as a function of features."""
