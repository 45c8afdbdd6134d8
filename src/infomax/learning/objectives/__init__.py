"""Objectives: features to what is maximised."""
