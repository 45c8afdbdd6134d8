"""Sources of data: each kind is a stream of named items that are not decoded yet."""
