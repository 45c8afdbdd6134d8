"""Rung 4: encoders learned without labels, by maximising information between views."""
