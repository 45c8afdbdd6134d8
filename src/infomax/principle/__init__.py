"""Linsker's principle: choose the map from inputs L to outputs M that maximises I(L; M).

`linear` (Gaussian units, exactly), `ica` (independent components), `maps` (ordered layers), `network`
(layers of local units that organise themselves), and the `experiments` that measure what is said of them.

Reference: Linsker (1988), Self-organization in a perceptual network, IEEE Computer 21(3).
"""
