"""Rung 4: encoders that learn without labels, by maximising information.

`data`          what is seen, as arrays, from any source
`views`         what an encoder sees of it
`encoders`      views to features
`distributed`   several processes that work together
`objectives`    features to what is maximised
`methods`       AMDIM and DIM: an encoder, an objective, and how they learn
`training`      a recipe to a run
"""

from infomax.lazy import lazy_names

__getattr__, __dir__ = lazy_names(__name__, __file__)
