"""Rung 1: exact information, from probability tables.

`measures`, `divergences`        of probability tables
`joint`, `expressions`           distributions of named variables, and the language to measure them
`decomposition`                  what several sources tell: the same, each its own, or only together
`gaussian`, `differential`       continuous variables
`channels`                       what they carry, at most and at least
`distributions`                  joints whose information is known, to test estimators; 40 in `beyond_normal`

Start with `entropy`, `mutual_information`, `Joint` and `Channel`. Importing this does not import Torch.
"""

from infomax.lazy import lazy_names

__getattr__, __dir__ = lazy_names(__name__, __file__)
