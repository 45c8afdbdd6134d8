"""A run folder to one page."""
