"""One real variable: differential entropies and divergences of densities, by adaptive quadrature."""

import math
from collections.abc import Callable

from infomax.information.tables import Number, in_base


def differential_entropy(
    log_density: Callable[[float], float], lower: Number, upper: Number, *, base: Number = math.e
) -> float:
    """Return h(X) = −∫ f log f, where f = exp(log_density) on (lower, upper); ±∞ are allowed.

    Args:
        log_density: log f of a number.
        lower: where the support begins.
        upper: where it ends.
        base: 2 for bits.
    Raises:
        RuntimeError: the quadrature estimates its own error as more than 1e-6.
    Example:
        >>> round(differential_entropy(lambda x: -x, 0, math.inf), 9)  # of the exponential density
        1.0
    """
    return float(in_base(-_expectation("differential_entropy", log_density, log_density, lower, upper), base))


def differential_kl_divergence(
    log_p: Callable[[float], float],
    log_q: Callable[[float], float],
    lower: Number,
    upper: Number,
    *,
    base: Number = math.e,
) -> float:
    """Return D(p‖q) = ∫ p log(p/q) over (lower, upper), the support of p.

    Args:
        log_p: log p of a number.
        log_q: log q of a number.
        lower: where the support of p begins.
        upper: where it ends.
        base: 2 for bits.
    Raises:
        RuntimeError: the quadrature estimates its own error as more than 1e-6.
    Example:
        >>> round(differential_kl_divergence(lambda x: math.log(2) - 2 * x, lambda x: -x, 0, math.inf), 6)
        0.193147
    """

    def log_ratio(x: float) -> float:
        return log_p(x) - log_q(x)

    return float(in_base(_expectation("differential_kl_divergence", log_p, log_ratio, lower, upper), base))


def _expectation(
    operation: str, log_density: Callable, function: Callable, lower: Number, upper: Number
) -> float:
    from scipy.integrate import quad

    def integrand(x: float) -> float:
        density = math.exp(log_density(x))
        return density * function(x) if density > 0 else 0.0

    value, error, *_ = quad(integrand, lower, upper, epsabs=1e-11, epsrel=1e-11, limit=500, full_output=1)
    if not error <= 1e-6:
        raise RuntimeError(
            f"{operation}: the integral is {value:.6g} ± {error:.2g}, expected an error of at most 1e-6; "
            "split the interval where the density is not smooth"
        )
    return value
