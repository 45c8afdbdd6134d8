"""Tapping: the layers of any module, what they give, and how that is read as maps and vectors."""
