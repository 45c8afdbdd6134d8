"""Pixels as they were measured: files of many kinds, their pages and channels, and one range for a set."""
