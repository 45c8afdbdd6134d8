"""Decoded values on disk, found again while their files stay as they are: one folder an entry."""
