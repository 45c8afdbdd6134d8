"""Files of embeddings that people open: a module for each kind, and the table of their suffixes."""
