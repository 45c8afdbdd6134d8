"""Methods: an encoder, an objective, and how they learn."""
