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


NORM = scipy.stats.norm


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: differential_entropy(NORM.pdf, -10, 10),
            r"exp\(log_density\) integrates to 21\.1.* over \(-10, 10\), expected 1 within 1e-06; "
            r"log_density must be the logarithm of a density, such as scipy\.stats\.norm\.logpdf, not the "
            "density itself",
        ),
        (lambda: differential_entropy(NORM.logpdf, -1, 1), r"integrates to 0\.682689.*hold all its mass"),
        (lambda: differential_entropy(lambda x: 1000.0, 0, 1), "integrates to inf"),
        (
            lambda: differential_kl_divergence(NORM.pdf, NORM.logpdf, -10, 10),
            r"differential_kl_divergence: exp\(log_p\) integrates to 21\.1",
        ),
        (
            lambda: differential_kl_divergence(NORM.logpdf, NORM.pdf, -10, 10),
            r"differential_kl_divergence: exp\(log_q\) integrates to 21\.1.*expected at most 1",
        ),
        (lambda: differential_entropy(NORM.logpdf, 10, -10), "lower must be below upper, got 10 and -10"),
        (lambda: differential_entropy(NORM.logpdf, -1e7, 1e7), "integrates to .*not be much wider"),
    ],
)
def test_densities_must_integrate_to_one(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_q_may_have_mass_outside_the_support_of_p():
    uniform = scipy.stats.uniform(0, 1)
    value = differential_kl_divergence(uniform.logpdf, NORM.logpdf, 0, 1)
    assert value == pytest.approx(math.log(2 * math.pi) / 2 + 1 / 6)
