"""Shannon's measures of information, exactly, from tables of probabilities.

The last axes of a table ``p_xy`` are its variables, in order; axes before them are a batch. NumPy arrays give
NumPy results; Torch tensors give Torch results, on any device, and differentiable. Results are in nats unless
`base` says otherwise: ``base=2`` gives bits. A cell of zero probability contributes nothing (0 log 0 = 0),
and its gradient is zero.

Reference: Cover and Thomas (2006), Elements of Information Theory, chapter 2.
"""

import math
from collections.abc import Callable, Sequence
from itertools import combinations

from array_api_compat import array_namespace

from infomax.information.tables import (
    Array,
    Axis,
    Number,
    as_integer,
    as_number,
    as_probabilities,
    in_base,
    other_axes,
    rank,
    safe_log,
)

ROUNDING = 64
"""Units in the last place of 1 up to which the entropy of a constant is off."""

# ---------------------------------------------------------------------------------------- one variable


def entropy(p: Array, *, axis: Axis = -1, base: Number = math.e) -> Array:
    """Return H(X) = −Σₓ p(x) log p(x), the mean surprise, between 0 and the log of the number of values.

    Args:
        p: probabilities that sum to one over `axis`; the other axes are a batch.
        axis: the axis, or the tuple of axes, of the table.
        base: of the logarithm: e for nats, 2 for bits, 10 for hartleys.
    Returns:
        The entropy, of the shape of the batch.
    Raises:
        ValueError: negative, NaN, empty, or not summing to one.
    Example:
        A fair coin, an unfair coin, and an unfair die:

        >>> round(float(entropy([1/2, 1/2], base=2)), 6)
        1.0
        >>> round(float(entropy([3/4, 1/4], base=2)), 11)
        0.81127812446
        >>> round(float(entropy([1/2, 1/4, 0, 0, 1/8, 1/8], base=2)), 6)
        1.75

    Reference: Shannon (1948), section 6.
    """
    p = as_probabilities("entropy", p, axis=axis)
    return in_base(_entropy(p, axis), base)


def _entropy(p: Array, axis: Axis) -> Array:
    return 0.0 - array_namespace(p).sum(p * safe_log(p), axis=axis)  # never −0.0


def renyi_entropy(p: Array, order: Number, *, axis: int = -1, base: Number = math.e) -> Array:
    """Return Rényi's entropy of order α: log(Σₓ p(x)^α) / (1 − α), non-increasing in α.

    Orders 0, 1 and ∞ are the limits: log of the number of possible values, Shannon's entropy, and
    −log of the largest probability.

    Args:
        p: probabilities that sum to one over `axis`.
        order: α ≥ 0, `math.inf` included.
        axis: the axis of the table.
        base: 2 for bits.
    Raises:
        ValueError: a negative order, or not probabilities.
    Example:
        >>> round(float(renyi_entropy([1/2, 1/4, 1/4], order=2, base=2)), 6)
        1.415037

    Reference: Rényi (1961).
    """
    _check_order("renyi_entropy", order)
    p = as_probabilities("renyi_entropy", p, axis=axis)
    return in_base(_renyi(p, order, axis), base)


def _renyi(p: Array, order: Number, axis: int) -> Array:
    if order == 1:
        return _entropy(p, axis)
    xp = array_namespace(p)
    largest = xp.max(p, axis=axis, keepdims=True)
    if order == math.inf:
        return 0.0 - xp.log(xp.squeeze(largest, axis=axis))
    if abs(order - 1) < 0.5:  # Σ p^α = 1 + Σ p (p^(α−1) − 1), which does not cancel as α → 1
        log_sum = xp.log1p(xp.sum(p * xp.expm1((order - 1) * safe_log(p)), axis=axis))
    else:
        log_sum = order * xp.log(xp.squeeze(largest, axis=axis)) + xp.log(
            _power_sum(p / largest, order, axis)
        )
    return 0.0 - log_sum / (order - 1)


def _power_sum(p: Array, order: Number, axis: int) -> Array:
    """Σ p^α over the support, where 0⁰ does not occur."""
    xp = array_namespace(p)
    powers = xp.exp(order * safe_log(p))
    return xp.sum(xp.where(p > 0, powers, xp.zeros_like(p)), axis=axis)


def tsallis_entropy(p: Array, order: Number, *, axis: int = -1) -> Array:
    """Return Tsallis' entropy of order q: (1 − Σₓ p(x)^q) / (q − 1); order 1 is Shannon's, in nats.

    It has no base: order 2 is the probability that two draws differ (Gini's impurity).

    Raises:
        ValueError: a negative or infinite order, or not probabilities.
    Example:
        >>> round(float(tsallis_entropy([1/2, 1/4, 1/4], order=2)), 6)
        0.625

    Reference: Tsallis (1988).
    """
    _check_order("tsallis_entropy", order)
    if order == math.inf:
        raise ValueError("tsallis_entropy: order must be finite, got inf; the limit is 0 for every p")
    p = as_probabilities("tsallis_entropy", p, axis=axis)
    if order == 1:
        return _entropy(p, axis)
    xp = array_namespace(p)
    support = xp.where(p > 0, p, xp.zeros_like(p))
    return 0.0 - xp.sum(support * xp.expm1((order - 1) * safe_log(p)), axis=axis) / (order - 1)


def _check_order(operation: str, order: Number) -> None:
    if not as_number(operation, "order", order) >= 0:
        raise ValueError(f"{operation}: order must be at least 0, got {order}; 1 is Shannon's entropy")


# ---------------------------------------------------------------------------------------- two variables


def joint_entropy(p_xy: Array, *, num_variables: int = 2, base: Number = math.e) -> Array:
    """Return H(X, Y) = −Σ p(x, y) log p(x, y), the entropy of two variables together, or of more.

    Args:
        p_xy: joint probabilities, one axis for each variable.
        num_variables: how many of the last axes are variables.
        base: 2 for bits.
    Example:
        >>> round(float(joint_entropy([[1/2, 0], [1/4, 1/4]], base=2)), 6)
        1.5
    """
    num_variables = as_integer("joint_entropy", "num_variables", num_variables)
    if num_variables < 1:
        raise ValueError(f"joint_entropy: expected at least 1 variable, got {num_variables}")
    axes = tuple(range(-num_variables, 0))
    p_xy = as_probabilities("joint_entropy", p_xy, axis=axes, num_axes=num_variables)
    return in_base(_entropy(p_xy, axes), base)


def conditional_entropy(p_xy: Array, *, given: int = -1, base: Number = math.e) -> Array:
    """Return H(X|Y) = H(X, Y) − H(Y), what remains unknown of one variable when the other is known.

    Args:
        p_xy: joint probabilities [..., x, y].
        given: the axis of the variable that is known. The default −1 gives H(X|Y), the equivocation of a
            channel from X to Y; −2 gives H(Y|X), the channel's noise.
        base: 2 for bits.
    Example:
        >>> p_xy = [[1/2, 0], [1/4, 1/4]]
        >>> round(float(conditional_entropy(p_xy, given=-1, base=2)), 6)  # H(X|Y)
        0.688722
        >>> round(float(conditional_entropy(p_xy, given=-2, base=2)), 6)  # H(Y|X)
        0.5
    """
    _check_given("conditional_entropy", given, 2)
    p_xy = as_probabilities("conditional_entropy", p_xy, axis=(-2, -1), num_axes=2)
    p_given = array_namespace(p_xy).sum(p_xy, axis=-3 - given)
    return in_base(_entropy(p_xy, (-2, -1)) - _entropy(p_given, -1), base)


def _check_given(operation: str, given: int, num_variables: int) -> None:
    if not -num_variables <= as_integer(operation, "given", given) <= -1:
        raise ValueError(
            f"{operation}: given must be an axis from -{num_variables} to -1, got {given}; "
            "-1 is the last variable, -2 the one before"
        )


def mutual_information(p_xy: Array, *, base: Number = math.e) -> Array:
    """Return I(X;Y) = H(X) + H(Y) − H(X, Y) = Σ p(x,y) log p(x,y)/(p(x)p(y)), what X tells of Y.

    It is zero if and only if X and Y are independent, and at most min(H(X), H(Y)). It is computed from the
    entropies, exact to rounding, and not clipped: for an independent table it may be −1e-16.

    Args:
        p_xy: joint probabilities [..., x, y].
        base: 2 for bits.
    Returns:
        The information, of the shape of the batch.
    Raises:
        ValueError: negative, NaN, empty, not summing to one, or fewer than two axes.
    Example:
        A fair bit through a channel that flips one bit in ten:

        >>> round(float(mutual_information([[.45, .05], [.05, .45]], base=2)), 6)
        0.531004

    Reference: Shannon (1948), section 12.
    """
    p_xy = as_probabilities("mutual_information", p_xy, axis=(-2, -1), num_axes=2)
    h_x, h_y, h_xy = _entropies(p_xy)
    return in_base(h_x + h_y - h_xy, base)


def _entropies(p_xy: Array) -> tuple[Array, Array, Array]:
    xp = array_namespace(p_xy)
    p_x, p_y = xp.sum(p_xy, axis=-1), xp.sum(p_xy, axis=-2)
    return _entropy(p_x, -1), _entropy(p_y, -1), _entropy(p_xy, (-2, -1))


def pointwise_mutual_information(p_xy: Array, *, base: Number = math.e) -> Array:
    """Return i(x;y) = log p(x,y)/(p(x)p(y)) of every pair: how much likelier it is than if independent.

    Its mean under p(x,y) is the mutual information. Pairs that never occur have −∞.

    Returns:
        Values of the shape of `p_xy`.
    Example:
        >>> pointwise_mutual_information([[1/2, 0], [1/4, 1/4]], base=2).round(3)
        array([[ 0.415,   -inf],
               [-0.585,  1.   ]])

    Reference: Fano (1961); Church and Hanks (1990).
    """
    p_xy = as_probabilities("pointwise_mutual_information", p_xy, axis=(-2, -1), num_axes=2)
    xp = array_namespace(p_xy)
    log_p_x = safe_log(xp.sum(p_xy, axis=-1, keepdims=True))
    log_p_y = safe_log(xp.sum(p_xy, axis=-2, keepdims=True))
    nats = xp.where(p_xy > 0, safe_log(p_xy) - log_p_x - log_p_y, xp.full_like(p_xy, -math.inf))
    return in_base(nats, base)


def variation_of_information(p_xy: Array, *, base: Number = math.e) -> Array:
    """Return VI(X;Y) = H(X|Y) + H(Y|X), a metric: zero if and only if each variable determines the other.

    Example:
        >>> round(float(variation_of_information([[1/4, 1/4], [1/4, 1/4]], base=2)), 6)
        2.0

    Reference: Meilă (2003).
    """
    p_xy = as_probabilities("variation_of_information", p_xy, axis=(-2, -1), num_axes=2)
    h_x, h_y, h_xy = _entropies(p_xy)
    return in_base(2 * h_xy - h_x - h_y, base)


def arithmetic_mean(h_x: Array, h_y: Array) -> Array:
    """Return (H(X) + H(Y)) / 2, the usual yardstick of `normalized_mutual_information`."""
    return (h_x + h_y) / 2


def geometric_mean(h_x: Array, h_y: Array) -> Array:
    """Return √(H(X) H(Y)), a yardstick of `normalized_mutual_information`."""
    return (h_x * h_y) ** 0.5


def normalized_mutual_information(
    p_xy: Array, *, yardstick: Callable[[Array, Array], Array] = arithmetic_mean
) -> Array:
    """Return I(X;Y) / yardstick(H(X), H(Y)), from 0 (independent) to 1 (each determines the other).

    Args:
        p_xy: joint probabilities [..., x, y].
        yardstick: a function of the two entropies: `arithmetic_mean`, `geometric_mean`, `numpy.minimum`,
            `numpy.maximum` or another.
    Raises:
        ValueError: the yardstick is zero, as for a constant variable, and 0/0 has no value.
    Example:
        >>> normalized_mutual_information([[1/2, 0], [0, 1/2]]).item()
        1.0

    Reference: Vinh, Epps and Bailey (2010), table 2.
    """
    p_xy = as_probabilities("normalized_mutual_information", p_xy, axis=(-2, -1), num_axes=2)
    h_x, h_y, h_xy = _above_rounding(*_entropies(p_xy))
    return _ratio("normalized_mutual_information", h_x + h_y - h_xy, yardstick(h_x, h_y))


def uncertainty_coefficient(p_xy: Array, *, given: int = -1) -> Array:
    """Return U(X|Y) = I(X;Y) / H(X), the share of X's entropy that Y explains (Theil's U).

    Args:
        p_xy: joint probabilities [..., x, y].
        given: the axis of the variable that is known, as in `conditional_entropy`.
    Raises:
        ValueError: the explained variable is constant, and 0/0 has no value.
    Example:
        >>> round(float(uncertainty_coefficient([[1/4, 0], [1/4, 0], [0, 1/4], [0, 1/4]])), 6)  # U(X|Y)
        0.5

    Reference: Theil (1970).
    """
    _check_given("uncertainty_coefficient", given, 2)
    p_xy = as_probabilities("uncertainty_coefficient", p_xy, axis=(-2, -1), num_axes=2)
    h_x, h_y, h_xy = _above_rounding(*_entropies(p_xy))
    return _ratio("uncertainty_coefficient", h_x + h_y - h_xy, h_x if given == -1 else h_y)


def normalized_variation_of_information(p_xy: Array) -> Array:
    """Return VI(X;Y) / H(X, Y) = 1 − I(X;Y) / H(X, Y), a metric from 0 to 1.

    Raises:
        ValueError: both variables are constant, and 0/0 has no value.
    Example:
        >>> round(float(normalized_variation_of_information([[1/4, 1/4], [1/4, 1/4]])), 6)
        1.0

    Reference: Kraskov et al. (2005).
    """
    p_xy = as_probabilities("normalized_variation_of_information", p_xy, axis=(-2, -1), num_axes=2)
    h_x, h_y, h_xy = _above_rounding(*_entropies(p_xy))
    return _ratio("normalized_variation_of_information", 2 * h_xy - h_x - h_y, h_xy)


def _above_rounding(*entropies: Array) -> list[Array]:
    """Return entropies, 0 for those that rounding alone makes: of a constant whose probabilities sum to 1."""
    xp = array_namespace(*entropies)
    return [xp.where(abs(h) > ROUNDING * xp.finfo(h.dtype).eps, h, xp.zeros_like(h)) for h in entropies]


def _ratio(operation: str, information: Array, yardstick: Array) -> Array:
    if not array_namespace(yardstick).min(yardstick).item() > 0:
        raise ValueError(
            f"{operation}: a variable is constant, its entropy is 0, and 0/0 has no value; "
            "leave such variables out"
        )
    return information / yardstick


# ---------------------------------------------------------------------------------------- more variables


def conditional_mutual_information(p_xyz: Array, *, given: int = -1, base: Number = math.e) -> Array:
    """Return I(X;Y|Z) = H(X,Z) + H(Y,Z) − H(X,Y,Z) − H(Z), what X tells of Y when Z is known.

    Args:
        p_xyz: joint probabilities [..., x, y, z].
        given: the axis of the known variable, −1, −2 or −3; the default is the last.
        base: 2 for bits.
    Example:
        Two fair bits and their XOR tell nothing of each other in pairs, and one bit when the third is known:

        >>> xor = [[[1/4, 0], [0, 1/4]], [[0, 1/4], [1/4, 0]]]
        >>> round(float(conditional_mutual_information(xor, base=2)), 6)
        1.0
    """
    _check_given("conditional_mutual_information", given, 3)
    p_xyz = as_probabilities("conditional_mutual_information", p_xyz, axis=(-3, -2, -1), num_axes=3)
    z = given + 3
    x, y = (k for k in range(3) if k != z)
    h_xz, h_yz, h_z = (_marginal_entropy(p_xyz, keep, 3) for keep in [(x, z), (y, z), (z,)])
    return in_base(h_xz + h_yz - _entropy(p_xyz, (-3, -2, -1)) - h_z, base)


def total_correlation(p: Array, *, num_variables: int | None = None, base: Number = math.e) -> Array:
    """Return TC = Σᵢ H(Xᵢ) − H(X₁, …, X_m), all dependence together; zero if and only if all are independent.

    Args:
        p: joint probabilities.
        num_variables: how many of the last axes are variables, the others being a batch; by default all are.
        base: 2 for bits.
    Example:
        >>> xor = [[[1/4, 0], [0, 1/4]], [[0, 1/4], [1/4, 0]]]
        >>> round(float(total_correlation(xor, base=2)), 6)
        1.0

    Reference: Watanabe (1960).
    """
    p, m = _joint_of("total_correlation", p, num_variables)
    singles = sum(_marginal_entropy(p, (k,), m) for k in range(m))
    return in_base(singles - _entropy(p, tuple(range(-m, 0))), base)


def dual_total_correlation(p: Array, *, num_variables: int | None = None, base: Number = math.e) -> Array:
    """Return DTC = H(X₁, …, X_m) − Σᵢ H(Xᵢ | the others), the entropy that two or more share.

    Example:
        >>> xor = [[[1/4, 0], [0, 1/4]], [[0, 1/4], [1/4, 0]]]
        >>> round(float(dual_total_correlation(xor, base=2)), 6)
        2.0

    Reference: Han (1978).
    """
    p, m = _joint_of("dual_total_correlation", p, num_variables)
    without_one = sum(_marginal_entropy(p, [j for j in range(m) if j != k], m) for k in range(m))
    return in_base(without_one - (m - 1) * _entropy(p, tuple(range(-m, 0))), base)


def interaction_information(
    p_xyz: Array, *, num_variables: int | None = None, base: Number = math.e
) -> Array:
    """Return I(X;Y|Z) − I(X;Y), how much knowing Z adds to what X tells of Y; symmetric in the three.

    It is positive for synergy (XOR: 1 bit), negative for redundancy (three copies of a bit: −1 bit). With m
    variables it is −Σ_S (−1)^(m−|S|) H(S) over their subsets; with two it is the mutual information. The
    co-information, as in ``Joint.I("x ; y ; z")``, has the other sign for odd m.

    Example:
        >>> xor = [[[1/4, 0], [0, 1/4]], [[0, 1/4], [1/4, 0]]]
        >>> round(float(interaction_information(xor, base=2)), 6)
        1.0

    Reference: McGill (1954).
    """
    p, m = _joint_of("interaction_information", p_xyz, num_variables)
    subsets = (keep for size in range(1, m + 1) for keep in combinations(range(m), size))
    return in_base(-sum((-1) ** (m - len(keep)) * _marginal_entropy(p, keep, m) for keep in subsets), base)


def o_information(p: Array, *, num_variables: int | None = None, base: Number = math.e) -> Array:
    """Return Ω = TC − DTC, above 0 where redundancy prevails among the variables, below 0 for synergy.

    With three variables it is the co-information, I(X;Y) − I(X;Y|Z); with two it is 0.

    Args:
        p: joint probabilities.
        num_variables: how many of the last axes are variables, the others being a batch; by default all are.
        base: 2 for bits.
    Example:
        >>> xor = [[[1/4, 0], [0, 1/4]], [[0, 1/4], [1/4, 0]]]
        >>> round(float(o_information(xor, base=2)), 6)
        -1.0

    Reference: Rosas, Mediano, Gastpar and Jensen (2019).
    """
    p, m = _joint_of("o_information", p, num_variables)
    correlations = (measure(p, num_variables=m) for measure in (total_correlation, dual_total_correlation))
    return in_base(next(correlations) - next(correlations), base)


def directed_information(p: Array, *, num_variables: int | None = None, base: Number = math.e) -> Array:
    """Return I(Xⁿ→Yⁿ) = Σₜ I(X₁, …, Xₜ; Yₜ | Y₁, …, Yₜ₋₁), what flows from X to Y in n steps of time.

    It counts X only up to the present, and I(Xⁿ;Yⁿ) counts all of X. The two are equal if X does not depend
    on earlier Y (no feedback). I(Xⁿ;Yⁿ) = I(Xⁿ→Yⁿ) + I(0Yⁿ⁻¹→Xⁿ) is the conservation law; the last term is
    the directed information of Y, delayed by a step, to X.

    Args:
        p: joint probabilities [x₁, y₁, x₂, y₂, …, xₙ, yₙ]; within a step X comes first.
        num_variables: 2n, if axes before them are a batch; by default all are variables.
        base: 2 for bits.
    Raises:
        ValueError: an odd number of axes, or not probabilities.
    Example:
        Y repeats what X was a step before:

        >>> p = [[[[1/4, 0], [1/4, 0]]], [[[0, 1/4], [0, 1/4]]]]  # y₁ is constant, y₂ is x₁
        >>> round(float(directed_information(p, base=2)), 6)
        1.0

    Reference: Massey (1990), Causality, feedback and directed information.
    """
    p, m = _joint_of("directed_information", p, num_variables)
    if m % 2:
        raise ValueError(
            f"directed_information: expected an even number of axes, x₁, y₁, x₂, y₂, …, got {m}; "
            "give a series of one value an axis of size 1"
        )
    entropies = (
        _entropy_or_zero(p, [*range(0, t + 1, 2), *range(1, t - 1, 2)], m)  # H(Xᵗ, Yᵗ⁻¹)
        + _entropy_or_zero(p, range(1, t + 1, 2), m)  # H(Yᵗ)
        - _entropy_or_zero(p, range(t + 1), m)  # H(Xᵗ, Yᵗ)
        - _entropy_or_zero(p, range(1, t - 1, 2), m)  # H(Yᵗ⁻¹)
        for t in range(1, m, 2)
    )
    return in_base(sum(entropies), base)


def _entropy_or_zero(p: Array, keep: Sequence[int], num_variables: int) -> Array:
    return _marginal_entropy(p, sorted(keep), num_variables) if keep else 0.0


def _joint_of(operation: str, p: Array, num_variables: int | None) -> tuple[Array, int]:
    m = rank(p) if num_variables is None else as_integer(operation, "num_variables", num_variables)
    if m < 2:
        raise ValueError(f"{operation}: expected at least 2 variables, got {m}; one axis is one variable")
    return as_probabilities(operation, p, axis=tuple(range(-m, 0)), num_axes=m), m


def _marginal_entropy(p: Array, keep: Sequence[int], num_variables: int) -> Array:
    summed = other_axes(keep, num_variables)
    marginal = array_namespace(p).sum(p, axis=summed) if summed else p
    return _entropy(marginal, tuple(range(-len(keep), 0)))
