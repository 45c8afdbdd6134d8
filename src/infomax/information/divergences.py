"""Divergences of one distribution from another: Kullback and Leibler's, and others of its family.

``kl_divergence(p, q)`` is D(p‖q): p is the truth, q the description. All but `cross_entropy` are
f-divergences D_f(p‖q) = Σ q f(p/q) with f convex and f(1) = 0: none is negative, and none grows under a
channel (data processing). Where p has mass and q has none, D(p‖q) = ∞, and ∞ is returned.

Reference: Csiszár and Shields (2004), Information Theory and Statistics, section 4.
"""

import math

from array_api_compat import array_namespace

from infomax.information.tables import (
    Array,
    Axis,
    Number,
    as_probabilities,
    as_real,
    check_same_shape,
    in_base,
    safe_log,
    same_namespace,
)


def kl_divergence(p: Array, q: Array, *, axis: Axis = -1, base: Number = math.e) -> Array:
    """Return D(p‖q) = Σₓ p(x) log p(x)/q(x), the extra cost of a code made for q on data from p.

    It is zero if and only if p = q, and ∞ where p(x) > 0 = q(x). It is not symmetric.

    Args:
        p: probabilities that sum to one over `axis`.
        q: probabilities of the same shape.
        axis: the axis, or the tuple of axes, of the table.
        base: 2 for bits.
    Raises:
        ValueError: different shapes, or not probabilities.
    Example:
        >>> round(float(kl_divergence([1/2, 1/2], [1/4, 3/4], base=2)), 6)
        0.207519
        >>> float(kl_divergence([1/2, 1/2], [1, 0]))
        inf

    Reference: Kullback and Leibler (1951).
    """
    p, q = _pair("kl_divergence", p, q, axis)
    return in_base(_kl(p, q, axis), base)


def reverse_kl_divergence(p: Array, q: Array, *, axis: Axis = -1, base: Number = math.e) -> Array:
    """Return D(q‖p) = Σₓ q(x) log q(x)/p(x), `kl_divergence` with p and q exchanged.

    Example:
        >>> round(float(reverse_kl_divergence([1/4, 3/4], [1/2, 1/2], base=2)), 6)
        0.207519
    """
    p, q = _pair("reverse_kl_divergence", p, q, axis)
    return in_base(_kl(q, p, axis), base)


def cross_entropy(p: Array, q: Array, *, axis: Axis = -1, base: Number = math.e) -> Array:
    """Return H(p, q) = −Σₓ p(x) log q(x) = H(p) + D(p‖q), the length of a code made for q on data from p.

    Example:
        >>> round(float(cross_entropy([1/2, 1/2], [1/4, 3/4], base=2)), 6)
        1.207519
    """
    p, q = _pair("cross_entropy", p, q, axis)
    return in_base(array_namespace(p).sum(_infinite_outside(q, p, -p * safe_log(q)), axis=axis), base)


def js_divergence(
    p: Array, q: Array, *others: Array, weights: Array | None = None, axis: Axis = -1, base: Number = math.e
) -> Array:
    """Return H(Σᵢ wᵢ pᵢ) − Σᵢ wᵢ H(pᵢ) of two distributions or more, from 0 to H(w) ≤ log of how many.

    It is Σᵢ wᵢ D(pᵢ‖m), m = Σᵢ wᵢ pᵢ being their mixture: the information that a draw from the mixture gives
    about which of them it came from. Of two with equal weights it is ½ D(p‖m) + ½ D(q‖m), at most log 2, and
    its square root is a metric.

    Args:
        p: probabilities that sum to one over `axis`.
        q: probabilities of the same shape.
        others: more of them.
        weights: probabilities w, one for each distribution; equal by default.
        axis: the axis, or the tuple of axes, of the table.
        base: 2 for bits.
    Raises:
        ValueError: different shapes, not probabilities, or another number of weights than of distributions.
    Example:
        >>> float(js_divergence([1, 0], [0, 1], base=2))
        1.0
        >>> round(float(js_divergence([1, 0], [0, 1], weights=[3/4, 1/4], base=2)), 6)
        0.811278

    Reference: Lin (1991), section IV.
    """
    parts = [as_probabilities("js_divergence", part, axis=axis) for part in (p, q, *others)]
    for part in parts[1:]:
        same_namespace("js_divergence", parts[0], part)
        check_same_shape("js_divergence", parts[0], part)
    pairs = [(w, part) for w, part in zip(_weights(weights, parts), parts, strict=True) if w > 0]
    mixture = _total([weight * part for weight, part in pairs])
    return in_base(_total([weight * _kl(part, mixture, axis) for weight, part in pairs]), base)


def _weights(weights: Array | None, parts: list[Array]) -> list[Array]:
    if weights is None:
        return [1 / len(parts)] * len(parts)
    checked = as_probabilities("js_divergence", as_real("js_divergence", weights, like=parts[0]))
    same_namespace("js_divergence", checked, parts[0])
    if tuple(checked.shape) != (len(parts),):
        raise ValueError(
            f"js_divergence: expected one weight for each of the {len(parts)} distributions, got shape "
            f"{tuple(checked.shape)}"
        )
    return [checked[k] for k in range(len(parts))]


def _total(arrays: list[Array]) -> Array:
    return sum(arrays[1:], arrays[0])


def chi_squared_divergence(p: Array, q: Array, *, axis: Axis = -1) -> Array:
    """Return χ²(p‖q) = Σₓ (p(x) − q(x))² / q(x), at least exp D(p‖q) − 1; ∞ where p(x) > 0 = q(x).

    Example:
        >>> round(float(chi_squared_divergence([1/2, 1/2], [1/4, 3/4])), 6)
        0.333333

    Reference: Pearson (1900).
    """
    p, q = _pair("chi_squared_divergence", p, q, axis)
    xp = array_namespace(p)
    divisor = xp.where(q > 0, q, xp.ones_like(q))
    return xp.sum(_infinite_outside(q, p, (p - q) ** 2 / divisor), axis=axis)


def squared_hellinger(p: Array, q: Array, *, axis: Axis = -1) -> Array:
    """Return Σₓ (√p(x) − √q(x))², from 0 to 2; half of it is the other common convention.

    Example:
        >>> float(squared_hellinger([1, 0], [0, 1]))
        2.0

    Reference: Nowozin, Cseke and Tomioka (2016), table 1.
    """
    p, q = _pair("squared_hellinger", p, q, axis)
    return array_namespace(p).sum((_root(p) - _root(q)) ** 2, axis=axis)


def total_variation(p: Array, q: Array, *, axis: Axis = -1) -> Array:
    """Return ½ Σₓ |p(x) − q(x)|, the largest difference of the probabilities of an event; from 0 to 1.

    Example:
        >>> float(total_variation([1/2, 1/2], [1/4, 3/4]))
        0.25
    """
    p, q = _pair("total_variation", p, q, axis)
    xp = array_namespace(p)
    return xp.sum(xp.abs(p - q), axis=axis) / 2


def _pair(operation: str, p: Array, q: Array, axis: Axis) -> tuple[Array, Array]:
    p, q = (as_probabilities(operation, r, axis=axis) for r in (p, q))
    same_namespace(operation, p, q)
    check_same_shape(operation, p, q)
    return p, q


def _kl(p: Array, q: Array, axis: Axis) -> Array:
    terms = p * (safe_log(p) - safe_log(q))
    return array_namespace(p).sum(_infinite_outside(q, p, terms), axis=axis)


def _infinite_outside(q: Array, p: Array, terms: Array) -> Array:
    """`terms`, but ∞ where p has mass and q has none."""
    xp = array_namespace(terms)
    if xp.min(q).item() > 0:
        return terms
    return xp.where((q > 0) | (p == 0), terms, xp.full_like(terms, math.inf))


def _root(p: Array) -> Array:
    """√p with gradient 0, not ∞, at p = 0."""
    xp = array_namespace(p)
    return xp.where(p > 0, xp.sqrt(xp.where(p > 0, p, xp.ones_like(p))), xp.zeros_like(p))
