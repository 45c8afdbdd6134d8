"""One real variable: differential entropies and divergences of densities, by adaptive quadrature."""

import math
from collections.abc import Callable
from typing import TypeAlias

from infomax.information.tables import Number, as_number, in_base

Function: TypeAlias = Callable[[float], float]
Interval: TypeAlias = tuple[float, float]


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
        ValueError: exp(log_density) does not integrate to 1 within 1e-6; the density itself may be given.
        RuntimeError: the quadrature estimates its own error as more than 1e-6.
    Example:
        >>> round(differential_entropy(lambda x: -x, 0, math.inf), 9)  # of the exponential density
        1.0
    """
    name = "differential_entropy"
    interval = _interval(name, lower, upper)
    _check_density(name, "log_density", log_density, interval)
    return float(in_base(-_expectation(name, log_density, log_density, interval), base))


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
        ValueError: exp(log_p) does not integrate to 1 within 1e-6, or exp(log_q) to more than 1.
        RuntimeError: the quadrature estimates its own error as more than 1e-6.
    Example:
        >>> round(differential_kl_divergence(lambda x: math.log(2) - 2 * x, lambda x: -x, 0, math.inf), 6)
        0.193147
    """

    def log_ratio(x: float) -> float:
        return log_p(x) - log_q(x)

    name = "differential_kl_divergence"
    interval = _interval(name, lower, upper)
    _check_density(name, "log_p", log_p, interval)
    _check_density(name, "log_q", log_q, interval, or_less=True)
    return float(in_base(_expectation(name, log_p, log_ratio, interval), base))


MASS_TOLERANCE = 1e-6  # how far from 1 the integral of a density may be


def _interval(operation: str, lower: Number, upper: Number) -> Interval:
    a, b = as_number(operation, "lower", lower), as_number(operation, "upper", upper)
    if not a < b:
        raise ValueError(f"{operation}: lower must be below upper, got {lower} and {upper}")
    return a, b


def _check_density(
    operation: str, name: str, log_density: Function, interval: Interval, *, or_less: bool = False
) -> None:
    """Make sure that exp(log_density) integrates to 1, `or_less` if some of it may lie elsewhere."""
    try:
        mass = _integral(operation, lambda x: math.exp(log_density(x)), interval)
    except OverflowError:
        mass = math.inf
    if mass <= 1 + MASS_TOLERANCE and (or_less or mass >= 1 - MASS_TOLERANCE):
        return
    expected = f"{'at most ' if or_less else ''}1 within {MASS_TOLERANCE:g}"
    raise ValueError(
        f"{operation}: exp({name}) integrates to {mass:.6g} over ({interval[0]:g}, {interval[1]:g}), "
        f"expected {expected}; {name} must be the logarithm of a density, such as scipy.stats.norm.logpdf, "
        "not the density itself, and the interval must hold all its mass and not be much wider"
    )


def _expectation(operation: str, log_density: Function, function: Function, interval: Interval) -> float:
    def integrand(x: float) -> float:
        density = math.exp(log_density(x))
        return density * function(x) if density > 0 else 0.0

    return _integral(operation, integrand, interval)


def _integral(operation: str, integrand: Function, interval: Interval) -> float:
    from scipy.integrate import quad

    value, error, *_ = quad(integrand, *interval, epsabs=1e-11, epsrel=1e-11, limit=500, full_output=1)
    if not error <= 1e-6:
        raise RuntimeError(
            f"{operation}: the integral is {value:.6g} ± {error:.2g}, expected an error of at most 1e-6; "
            "split the interval where the density is not smooth; where p has mass and q has none, D = ∞"
        )
    return value
