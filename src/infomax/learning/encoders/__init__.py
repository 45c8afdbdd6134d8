"""Encoders: views to features."""
