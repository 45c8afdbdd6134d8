"""Views: what an encoder sees of the data."""
