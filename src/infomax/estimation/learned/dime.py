"""f-DIME: a discriminator of joint pairs from others, whose log ratio is read at the joint pairs alone.

    I(X;Y) = E₊ log r,      log r = s − 1 (KL), s (GAN), 2 s (Hellinger)

s is trained by the variational form of an f-divergence, whose best critic is a function of r (`bounds`). The
value then needs no mean of e^s over other pairs, which is what makes the variational bounds scatter like e^I.
Pairs of different rows stand for the product of the margins: no row is ever its own negative, which in the
paper is the derangement.

Each constant is an objective for `Neural`: ``Neural(bound=GAN_DIME)``. All are of kind "neither": a critic
that is too large at the joint pairs raises the value.

Cost: that of `Neural`.

Reference: Letizia, Novello and Tonello (2024), Mutual information estimation via f-divergence and data
derangements, equations 8 to 12.
"""

from jaxtyping import Float

from infomax.errors import naming_extras
from infomax.estimation import bounds
from infomax.estimation.critics import CriticObjective

with naming_extras("infomax.estimation.learned.dime"):
    from torch import Tensor


def log_ratio_of_kl(scores: Float[Tensor, "n n"]) -> Float[Tensor, ""]:
    """Return E₊ s − 1: the best critic of `bounds.nwj` is 1 + log r."""
    return scores.diagonal().mean() - 1


def log_ratio_of_gan(scores: Float[Tensor, "n n"]) -> Float[Tensor, ""]:
    """Return E₊ s: the best critic of `bounds.jensen_shannon` is log r."""
    return scores.diagonal().mean()


def log_ratio_of_hellinger(scores: Float[Tensor, "n n"]) -> Float[Tensor, ""]:
    """Return 2 E₊ s: the best critic of `bounds.squared_hellinger` is ½ log r."""
    return 2 * scores.diagonal().mean()


KL_DIME = CriticObjective(bounds.nwj, log_ratio_of_kl, "neither")
"""Trained by NWJ."""
GAN_DIME = CriticObjective(bounds.jensen_shannon, log_ratio_of_gan, "neither")
"""Trained by the Jensen–Shannon divergence; the paper's best."""
HELLINGER_DIME = CriticObjective(bounds.squared_hellinger, log_ratio_of_hellinger, "neither")
"""Trained by the squared Hellinger distance."""
