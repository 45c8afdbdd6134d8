"""Tables: how much one column tells about another."""
