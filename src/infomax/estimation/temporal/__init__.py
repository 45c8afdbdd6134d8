"""Information between many series, or with long memories: which past of which series tells about a target."""
