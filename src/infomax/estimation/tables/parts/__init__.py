"""Tables that are read in parts, because they do not fit into memory."""
