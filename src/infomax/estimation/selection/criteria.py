"""Criteria by which the next feature is chosen, from information of pairs and triples.

All approximate I(X;Y|S), what a feature X adds about Y to the selected features S, for which there are hardly
ever rows enough. Each takes

- ``relevance`` [m]: I(X;Y) of every candidate X;
- ``redundancy`` [s, m]: I(X;X') of every selected feature X' and every candidate;
- ``conditional`` [s, m]: I(X;Y|X'),

in nats, and returns the gain [m] of every candidate. Before the first feature is selected, each is I(X;Y). A
criterion of your own is a function of the same three arrays.

Reference: Brown, Pocock, Zhao and Luján (2012), Conditional likelihood maximisation: a unifying framework for
information theoretic feature selection.
"""

import numpy as np
from jaxtyping import Float


def cmim(
    relevance: Float[np.ndarray, "m"],
    redundancy: Float[np.ndarray, "s m"],
    conditional: Float[np.ndarray, "s m"],
) -> Float[np.ndarray, "m"]:
    """Return min I(X;Y|X') over the selected features X': what X adds to each of them at least.

    Example:
        >>> relevance = np.array([0.5, 0.3])
        >>> conditional = np.array([[0.0, 0.2]])  # the first candidate repeats what is selected
        >>> cmim(relevance, conditional, conditional)
        array([0. , 0.2])

    Reference: Fleuret (2004), Fast binary feature selection with conditional mutual information.
    """
    return conditional.min(axis=0) if len(conditional) else relevance


def jmi(
    relevance: Float[np.ndarray, "m"],
    redundancy: Float[np.ndarray, "s m"],
    conditional: Float[np.ndarray, "s m"],
) -> Float[np.ndarray, "m"]:
    """Return the mean of I(X;Y|X'), which is that of the joint information I(X,X';Y) less a constant.

    Reference: Yang and Moody (1999), Data visualization and feature selection: new algorithms for
    nongaussian data.
    """
    return conditional.mean(axis=0) if len(conditional) else relevance


def mrmr(
    relevance: Float[np.ndarray, "m"],
    redundancy: Float[np.ndarray, "s m"],
    conditional: Float[np.ndarray, "s m"],
) -> Float[np.ndarray, "m"]:
    """Return I(X;Y) − mean I(X;X'): the most relevance with the least redundancy.

    Reference: Peng, Long and Ding (2005), Feature selection based on mutual information: criteria of
    max-dependency, max-relevance, and min-redundancy.
    """
    return relevance - redundancy.mean(axis=0) if len(redundancy) else relevance
