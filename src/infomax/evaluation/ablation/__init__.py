"""Ablations: what each part of AMDIM is worth, by the same training without it, over several seeds."""
