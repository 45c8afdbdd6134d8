"""Rung 2: information from samples; every estimator returns an `Estimate`.

`counting`, `binning`                      labels, and numbers cut into bins
`neighbors`, `kernel_density`, `gaussian`  numbers
`bounds`, `critics`, `neural`, `latent`    many columns, with learned critics (these need PyTorch)
`choosing`                                 `infomax.estimate`: an estimator that suits the samples
`learned`                                  networks trained on some rows, reported on others (PyTorch)
`lags`, `temporal`                         time series: lags, directed information, which drive which
`many`                                     more than two variables, decompositions, slices of many columns
`resampling`                               p-values, confidence intervals, sample-size curves
`tables`                                   the columns of a table
`choices`                                  estimators, critics and bounds by name

Start with `KSG` for numbers, `SuitedCounting` for labels, `pairwise` and `rank_columns` for a table. Names
are loaded when they are first used.
"""

from infomax.lazy import lazy_names

__getattr__, __dir__ = lazy_names(__name__, __file__)
