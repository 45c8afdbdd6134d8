"""Estimators by nearest neighbours."""
