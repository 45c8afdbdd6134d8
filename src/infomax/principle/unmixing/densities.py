"""Densities of sources: log p(y), its score ψ = −(log p)′ and the slope ψ′, of every y.

    p(y) ∝ exp(−q u²/2) / cosh(u)ᵏ,   u = c y

c gives variance 1, so that densities differ only in shape and sources come out near unit variance.

Reference: Bell and Sejnowski (1995), An information-maximization approach to blind separation and blind
deconvolution; Lee, Girolami and Sejnowski (1999), Independent component analysis using an extended infomax
algorithm for mixed subgaussian and supergaussian sources.
"""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Values = Float[np.ndarray, "..."]
Density = Callable[[Values], tuple[Values, Values, Values]]


def logistic(y: Values) -> tuple[Values, Values, Values]:
    """Return log p, ψ and ψ′ of p = g′ for Bell and Sejnowski's sigmoid g: heavy tails, as speech has.

    Maximising the entropy of g(y) is maximising the likelihood of y under p.
    """
    return _log_cosh_family(y, q=0, k=2, c=math.pi / math.sqrt(12), log_normalizer=math.log(2))


def super_gaussian(y: Values) -> tuple[Values, Values, Values]:
    """Return log p, ψ and ψ′ of p ∝ exp(−u²/2) / cosh u: more peaked than a Gaussian, tails little heavier.

    The score is ψ = c (u + tanh u).
    """
    return _log_cosh_family(y, q=1, k=1, c=0.7693075554877723, log_normalizer=0.6195404611792749)


def sub_gaussian(y: Values) -> tuple[Values, Values, Values]:
    """Return log p, ψ and ψ′ of p ∝ exp(−u²/2) cosh u: half N(−√½, ½), half N(√½, ½).

    The score is ψ = c (u − tanh u).
    """
    log_normalizer = (1 + math.log(2 * math.pi)) / 2
    return _log_cosh_family(y, q=1, k=-1, c=math.sqrt(2), log_normalizer=log_normalizer)


SUPER_AND_SUB = (super_gaussian, sub_gaussian)
"""The densities of extended InfoMax."""


def _log_cosh_family(
    y: Values, q: int, k: int, c: float, log_normalizer: float
) -> tuple[Values, Values, Values]:
    """log_normalizer: log ∫ exp(−q u²/2) / cosh(u)ᵏ du."""
    u = c * y
    size, tanh = np.abs(u), np.tanh(u)
    log_cosh = size + np.log1p(np.exp(-2 * size)) - math.log(2)
    log_p = (math.log(c) - log_normalizer) - (k * log_cosh + (q / 2) * u * u)
    return log_p, c * (q * u + k * tanh), c**2 * (q + k - k * tanh * tanh)
