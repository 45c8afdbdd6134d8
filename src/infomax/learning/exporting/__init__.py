"""Encoders for other tools: as files that need no infomax, in scikit-learn's pipelines, and on a hub."""
