"""Differential entropies and divergences against closed forms."""

import math

import pytest
import scipy.stats

from infomax.information.differential import differential_entropy, differential_kl_divergence

INF = math.inf


@pytest.mark.parametrize(
    ("distribution", "lower", "upper", "nats"),
    [
        (scipy.stats.uniform(0, 3), 0, 3, math.log(3)),
        (scipy.stats.expon(scale=1 / 2), 0, INF, 1 - math.log(2)),
        (scipy.stats.laplace(scale=3), -INF, INF, 1 + math.log(6)),
        (scipy.stats.cauchy(scale=2), -INF, INF, math.log(8 * math.pi)),
        (scipy.stats.norm(scale=2), -INF, INF, math.log(2 * math.pi * math.e * 4) / 2),
    ],
)
def test_differential_entropies(distribution, lower, upper, nats):
    assert differential_entropy(distribution.logpdf, lower, upper) == pytest.approx(nats, abs=1e-7)
    assert differential_entropy(distribution.logpdf, lower, upper, base=2) == pytest.approx(
        nats / math.log(2), abs=1e-7
    )


def test_divergences_of_exponentials_and_gaussians():
    a, b = 2.0, 0.5
    value = differential_kl_divergence(
        scipy.stats.expon(scale=1 / a).logpdf, scipy.stats.expon(scale=1 / b).logpdf, 0, INF
    )
    assert value == pytest.approx(math.log(a / b) + b / a - 1)
    value = differential_kl_divergence(
        scipy.stats.norm(1, 2).logpdf, scipy.stats.norm(-1, 3).logpdf, -INF, INF
    )
    assert value == pytest.approx(math.log(3 / 2) + (4 + 4) / 18 - 0.5)


def test_an_unreliable_quadrature_is_an_error():
    with pytest.raises(RuntimeError, match="split the interval where the density is not smooth"):
        differential_entropy(lambda x: -math.log(x) if x > 0 else 0.0, 0, 1)
