"""Datasets: pictures, signals and pairs of them, as arrays, from any source."""

from infomax.lazy import lazy_names

__getattr__, __dir__ = lazy_names(__name__, __file__)
