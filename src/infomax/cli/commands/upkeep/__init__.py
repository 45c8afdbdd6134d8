"""The commands that keep runs and the cache in order."""
