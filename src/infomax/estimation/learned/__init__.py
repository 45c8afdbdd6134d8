"""Estimators that train small networks on some rows and report on others."""
