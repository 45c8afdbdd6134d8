"""Where data comes from: each kind of source gives a stream of named items, which nothing has decoded yet."""
