"""From entropy to AMDIM: measure information, then learn by maximising it.

The ladder, a package each:

`information`   exact, from probability tables
`estimation`    from samples; every answer is an `Estimate`
`principle`     Linsker's InfoMax principle, in networks small enough to understand
`learning`      Deep InfoMax and AMDIM: encoders learned without labels
`evaluation`    what an encoder is worth, in accuracy and in bits

Names load when they are first used, so that ``import infomax`` is fast and needs no optional package.
"""

from infomax.lazy import lazy_names

__version__ = "0.2.0"

__getattr__, __dir__ = lazy_names(__name__, __file__)
