"""The channel that maximises information: given p(x), determine P(y|x) so that I(X;Y) is largest.

For a given source I(X;Y) is convex in P(y|x), so some deterministic channel y = t(x) is best: added noise
never helps. Then I(X;Y) = H(Y), and the letters must be shared out among the outputs so that these are used
as equally as possible. For letters in order the best channel is a quantiser with bins of nearly equal mass;
in the limit, histogram equalisation. `best_channel_before` takes into account a noisy channel that follows.

Without order this is number partitioning, which is NP-hard. It is solved by branch and bound. The answer is
exact if the search ends within `max_nodes`, as it does for a dozen letters and often for many more; otherwise
it comes with the upper bound that the search has reached.

Reference: Linsker (1988), Self-organization in a perceptual network; Laughlin (1981), A simple coding
procedure enhances a neuron's information capacity.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from infomax.information.channels.channel import Channel
from infomax.information.measures import entropy
from infomax.information.tables import Array, Number, as_probabilities, in_base, to_numpy
from infomax.ranges import Count, Size, check_numbers

Loads: TypeAlias = tuple[float, ...]
Labels: TypeAlias = tuple[int, ...]
Value: TypeAlias = Callable[[Loads], float]
Bound: TypeAlias = Callable[[Loads, float], float]
Choices: TypeAlias = Callable[[Loads, Labels], Iterable[int]]
Node: TypeAlias = tuple[float, Loads, Labels]


@dataclass(frozen=True, eq=False)
class BestChannel:
    """A deterministic channel, its `information`, and an `upper` bound on the information of any channel."""

    channel: Channel
    information: float
    upper: float

    @property
    def is_exact(self) -> bool:
        """True if no channel carries more, beyond rounding."""
        return self.upper - self.information <= 1e-12


def best_channel(
    p_x: Array, num_outputs: int, *, base: Number = math.e, max_nodes: int = 50_000
) -> BestChannel:
    """Return the channel of `num_outputs` outputs that carries most information about a source: max H(t(X)).

    Args:
        p_x: the source.
        num_outputs: how many letters the receiver has.
        base: 2 for bits.
        max_nodes: of the search; more may close the gap between `information` and `upper`.
    Raises:
        ValueError: not probabilities, fewer than one output, or no node.
    Example:
        >>> best = best_channel([.4, .3, .2, .1], 2, base=2)
        >>> best.channel.transition
        array([[1., 0.],
               [0., 1.],
               [0., 1.],
               [1., 0.]])
        >>> round(best.information, 6), best.is_exact
        (1.0, True)
    """
    source = _source("best_channel", p_x, num_outputs, max_nodes)
    order = np.argsort(-source, kind="stable")
    result = _search(
        source[order].tolist(), num_outputs, _sum_of_surprise, _levelled_surprise, _one_of_each, max_nodes
    )
    return _best_channel(result, order, num_outputs, base)


def best_channel_before(
    p_x: Array, noise: Channel, *, ordered: bool = False, base: Number = math.e, max_nodes: int = 50_000
) -> BestChannel:
    """Return the deterministic encoder z = t(x) for which most information passes x → z → `noise` → y.

    Args:
        p_x: the source.
        noise: the fixed channel from z to y.
        ordered: whether t must not decrease, as a neuron's response to an intensity.
        base: 2 for bits.
        max_nodes: of the search; more may close the gap between `information` and `upper`.
    Returns:
        A BestChannel whose channel is the encoder; follow it with ``.then(noise)``.
    Raises:
        ValueError: not probabilities, or no node.
    Example:
        The two ends of three places are easiest to distinguish:

        >>> blur = Channel([[.8, .2, 0], [.2, .6, .2], [0, .2, .8]])
        >>> best_channel_before([1/2, 1/2], blur).channel.transition
        array([[1., 0., 0.],
               [0., 0., 1.]])
    """
    source = _source("best_channel_before", p_x, noise.num_inputs, max_nodes)
    rows = to_numpy(noise.transition)
    order = np.arange(len(source)) if ordered else np.argsort(-source, kind="stable")
    value, bound = _passed_information(rows)
    choices = _not_before_the_last if ordered else _any
    result = _search(source[order].tolist(), len(rows), value, bound, choices, max_nodes)
    return _best_channel(result, order, len(rows), base)


def best_quantizer(p_x: Array, num_outputs: int, *, base: Number = math.e) -> BestChannel:
    """Return the best channel that keeps order: contiguous bins, by dynamic programming; exact.

    Args:
        p_x: the source, its letters in order.
        num_outputs: how many bins.
        base: 2 for bits.
    Raises:
        ValueError: not probabilities, or fewer than one output.
    Example:
        >>> best_quantizer([.1, .2, .3, .2, .2], 3).channel.transition.argmax(axis=1)
        array([0, 0, 1, 2, 2])
    """
    source = _source("best_quantizer", p_x, num_outputs)
    edges = np.concatenate([[0.0], np.cumsum(source)])
    masses = np.clip(edges[None, :] - edges[:, None], 0, None)  # [from, to], 0 where to < from
    surprise = -masses * np.log(np.where(masses > 0, masses, 1))
    surprise[np.tril_indices(len(edges), -1)] = -math.inf
    best, starts = surprise[0], []
    for _ in range(num_outputs - 1):
        totals = best[:, None] + surprise
        starts.append(totals.argmax(axis=0))
        best = totals.max(axis=0)
    labels = _labels_of_bins(starts, len(source))
    information = float(entropy(np.bincount(labels, source, num_outputs)))
    return _best_channel((labels, information, information), np.arange(len(source)), num_outputs, base)


def equal_mass_thresholds(quantile: Callable[[np.ndarray], np.ndarray], num_outputs: int) -> np.ndarray:
    """Return the thresholds of the best quantiser of a continuous X: F⁻¹(1/k), …, F⁻¹((k−1)/k).

    Its bins are equally likely, so that I(X;Y) = log k, all that k outputs can carry. As k grows the
    quantiser becomes y = F(x), histogram equalisation: the best noiseless response to X.

    Args:
        quantile: F⁻¹, such as ``scipy.stats.norm.ppf``.
        num_outputs: k.
    Raises:
        ValueError: fewer than one output.
    Example:
        >>> equal_mass_thresholds(lambda u: 2 * u, 4)  # X uniform on (0, 2)
        array([0.5, 1. , 1.5])
    """
    check_numbers("equal_mass_thresholds", Size, num_outputs=num_outputs)
    return np.asarray(quantile(np.arange(1, num_outputs) / num_outputs))


def _source(operation: str, p_x: Array, num_outputs: int, max_nodes: int = 1) -> np.ndarray:
    source = to_numpy(as_probabilities(operation, p_x))
    if source.ndim != 1:
        raise ValueError(f"{operation}: expected one source [x], got shape {source.shape}; loop over them")
    check_numbers(operation, Size, num_outputs=num_outputs)
    check_numbers(operation, Count, max_nodes=max_nodes)
    return source / source.sum()


def _best_channel(
    result: tuple[np.ndarray, float, float], order: np.ndarray, num_outputs: int, base: Number
) -> BestChannel:
    labels, information, upper = result
    transition = np.zeros((len(order), num_outputs))
    transition[order, labels] = 1.0
    bounds = (float(in_base(nats, base)) for nats in (information, max(upper, information)))
    return BestChannel(Channel(transition), *bounds)


def _labels_of_bins(starts: list[np.ndarray], num_letters: int) -> np.ndarray:
    """Follow the best starts of the bins back from the last."""
    labels, end = np.zeros(num_letters, dtype=int), num_letters
    for output in range(len(starts), 0, -1):
        start = int(starts[output - 1][end])
        labels[start:end] = output
        end = start
    return labels


# ------------------------------------------------------------------------------------- branch and bound


def _search(
    atoms: list[float],
    num_bins: int,
    value: Value,
    bound: Bound,
    choices: Choices,
    max_nodes: int,
) -> tuple[np.ndarray, float, float]:
    """Share atoms out among bins so that `value` of the loads is greatest: labels, value, upper bound.

    The search is depth first. It takes the most promising bin first, and of equals the last of `choices`. It
    leaves a branch whose bound does not improve on the best.
    """
    left = np.append(np.cumsum(atoms[::-1])[::-1], 0.0)
    empty = (0.0,) * num_bins
    stack: list[Node] = [(bound(empty, left[0]), empty, ())]
    best, best_labels = -math.inf, ()
    for _ in range(max_nodes + len(atoms)):  # enough for one complete sharing
        if not stack:
            break
        promise, loads, labels = stack.pop()
        if promise <= best + 1e-14:
            continue
        if len(labels) == len(atoms):
            best, best_labels = value(loads), labels
            continue
        children = _children(atoms[len(labels)], left[len(labels) + 1], loads, labels, bound, choices)
        stack.extend(sorted(children, key=lambda child: child[0]))
    upper = max([best, *(promise for promise, _, _ in stack)])
    return np.array(best_labels), best, upper


def _children(
    atom: float, left: float, loads: Loads, labels: Labels, bound: Bound, choices: Choices
) -> list[Node]:
    children: list[Node] = []
    for z in choices(loads, labels):
        fuller = (*loads[:z], loads[z] + atom, *loads[z + 1 :])
        children.append((bound(fuller, left), fuller, (*labels, z)))
    return children


def _one_of_each(loads: Loads, labels: Labels) -> Iterable[int]:
    """Bins, fullest first, and one bin of those equally full: the others would give the same."""
    return sorted({load: z for z, load in reversed(list(enumerate(loads)))}.values(), key=lambda z: -loads[z])


def _not_before_the_last(loads: Loads, labels: Labels) -> Iterable[int]:
    return reversed(range(labels[-1] if labels else 0, len(loads)))


def _any(loads: Loads, labels: Labels) -> Iterable[int]:
    return reversed(range(len(loads)))


def _sum_of_surprise(loads: Loads) -> float:
    return -sum((load * math.log(load) for load in loads if load > 0), 0.0)


def _levelled_surprise(loads: Loads, left: float) -> float:
    """The entropy if what is left could be divided freely: it fills the emptiest bins to one level."""
    rising = sorted(loads)
    k, level = 0, 0.0
    for k in range(1, len(rising) + 1):
        level = (sum(rising[:k]) + left) / k
        if k == len(rising) or level <= rising[k]:
            break
    return _sum_of_surprise((level,) * k + tuple(rising[k:]))


def _passed_information(rows: np.ndarray) -> tuple[Value, Bound]:
    """Two functions: I(loads, noise), and an upper bound on it when some mass is still to be shared out.

    I is concave in the loads with gradient D_z = D(P(·|z)‖q), so for any q it is at most
    Σ_z loads_z D_z + left · max_z D_z; the lesser of two choices of q is taken.
    """
    from infomax.information.channels.capacity import maximize_information

    ideal = maximize_information(rows, tolerance=1e-10).point
    log_rows = np.log(np.where(rows > 0, rows, 1))

    def divergences(q: np.ndarray) -> np.ndarray:
        unreachable = np.any((rows > 0) & (q == 0), axis=1)
        return np.where(
            unreachable, math.inf, np.sum(rows * (log_rows - np.log(np.where(q > 0, q, 1))), axis=1)
        )

    at_ideal = divergences(ideal @ rows)

    def value(loads: Loads) -> float:
        p = np.array(loads)
        return float(p[p > 0] @ divergences(p @ rows)[p > 0])

    def bound(loads: Loads, left: float) -> float:
        p = np.array(loads)
        if left == 0:
            return value(loads)
        here = divergences((p + left * ideal) @ rows)
        return float(min(p @ at_ideal + left * at_ideal.max(), p @ here + left * here.max()))

    return value, bound
