"""Labels: where they stand, and what they mean."""
