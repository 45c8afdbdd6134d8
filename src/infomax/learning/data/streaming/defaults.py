"""Defaults of streams, which configurations take without importing the rest."""

DEFAULT_WINDOW = 4096
"""Images that are put in a random order together."""
