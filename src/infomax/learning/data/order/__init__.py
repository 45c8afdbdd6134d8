"""The order in which the rows of a dataset are seen, epoch after epoch."""
