"""Features in several files, larger than memory: reading, probing, and the nearest of them."""
