"""Linsker's principle: choose the map from inputs L to outputs M that maximises I(L; M).

Four kinds of maps, and the experiments that measure what is said of them:

`linear`       Gaussian units, exactly; their `optima` in closed form, or by `climbing`
`ica`          independent components, by `unmixing`
`maps`         ordered layers of cells; measures of their order in `topography`
`network`      layers of local units that grow by the rule of `hebb`, on the places of `arbors`
`experiments`  one for each statement, and the page that shows what they found

`receptive_fields` and `gabor` describe what a unit has become.

Reference: Linsker (1988), Self-organization in a perceptual network, IEEE Computer 21(3).
"""

from infomax.lazy import lazy_names

__getattr__, __dir__ = lazy_names(__name__, __file__)
