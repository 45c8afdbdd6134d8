"""The information bottleneck: the least I(X;T) with which T still tells of Y.

Inputs of any kind become float64 NumPy arrays, and results are NumPy.

Reference: Tishby, Pereira and Bialek (1999); Strouse and Schwab (2017).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeAlias

import numpy as np

from infomax.information.channels.channel import Channel
from infomax.information.channels.partitions import best_partition
from infomax.information.measures import entropy, mutual_information
from infomax.information.tables import Array, Number, as_probabilities, to_numpy
from infomax.ranges import Count, Range, check_numbers

Rate: TypeAlias = Callable[[np.ndarray, np.ndarray], float]
Beta = Annotated[float, Range(above=0, remedy="up to 1 nothing is kept")]
"""Worth of a nat about Y in nats about X."""


@dataclass(frozen=True, eq=False)
class Bottleneck:
    """An encoder P(t|x), its `rate`, its `relevance` I(T;Y), and the value of the `objective`, in nats.

    The problem is not concave: a better encoder may exist, but none has an objective above `upper`.
    """

    encoder: Channel
    rate: float
    relevance: float
    objective: float
    upper: float


def information_bottleneck(
    p_xy: Array,
    beta: Number,
    *,
    num_clusters: int | None = None,
    num_steps: int = 16,
    num_starts: int = 8,
) -> Bottleneck:
    """Return an encoder P(t|x) with large β I(T;Y) − I(X;T): it keeps what tells of Y, little else of X.

    Solutions obey P(t|x) ∝ p(t) exp(−β D(p(y|x)‖p(y|t))). The search starts from two partitions: the one with
    the largest I(T;Y), which is best at large β and is followed down to `beta` (reverse annealing), and the
    best one at `beta` itself. The result is at least as good as the latter. Where there are at most 5,000
    partitions (8 letters) all are tried; otherwise a good one is found by merging clusters and moving single
    letters.

    Args:
        p_xy: joint probabilities [x, y].
        beta: β, what a nat about Y is worth in nats about X; up to 1 nothing is worth keeping.
        num_clusters: how many values T may take; by default as many as X.
        num_steps: of annealing.
        num_starts: how many partitions the moves begin with, besides the merged one, where not all are tried.
    Returns:
        A Bottleneck; its `rate` is I(X;T).
    Raises:
        ValueError: not a joint table, β ≤ 0, a number of clusters outside 1 … |X|, no step, or fewer starts
            than 0.
    Example:
        >>> p_xy = [[.2, .05], [.2, .05], [.05, .2], [.05, .2]]
        >>> bottleneck = information_bottleneck(p_xy, beta=20, num_clusters=2)
        >>> bottleneck.encoder.transition.round(3)
        array([[1., 0.],
               [1., 0.],
               [0., 1.],
               [0., 1.]])
    """
    p_xy = _bottleneck_table("information_bottleneck", p_xy, beta, num_clusters, num_starts)
    check_numbers("information_bottleneck", Count, num_steps=num_steps)
    num_clusters = num_clusters or len(p_xy)
    relevant = best_partition(p_xy, num_clusters, math.inf, num_starts=num_starts)
    partition = best_partition(p_xy, num_clusters, beta, num_starts=num_starts)
    annealed = relevant
    for step in np.geomspace(8 * beta, beta, num_steps):
        annealed = _fixed_point(p_xy, step, annealed)
    encoders = [annealed, partition, *(_fixed_point(p_xy, beta, start) for start in (relevant, partition))]
    results = (_bottleneck(p_xy, beta, _with_clusters(encoder, num_clusters), _rate) for encoder in encoders)
    return max(results, key=lambda result: result.objective)


def _with_clusters(encoder: np.ndarray, num_clusters: int) -> np.ndarray:
    return np.pad(encoder, [(0, 0), (0, num_clusters - encoder.shape[1])])


def deterministic_information_bottleneck(
    p_xy: Array, beta: Number, *, num_clusters: int | None = None, num_starts: int = 8
) -> Bottleneck:
    """Return a partition t(x) with large β I(T;Y) − H(T): few clusters that tell much.

    Where there are at most 5,000 partitions (8 letters) it is the best of all. Otherwise clusters are merged
    and single letters moved while the objective gains, from several starts, and the best result is returned.

    Args:
        p_xy: joint probabilities [x, y].
        beta: β, what a nat about Y is worth in nats of H(T).
        num_clusters: how many values T may take; by default as many as X.
        num_starts: how many partitions the moves begin with, besides the merged one, where not all are tried.
    Returns:
        A Bottleneck; its `rate` is H(T).
    Raises:
        ValueError: as `information_bottleneck`.
    Example:
        >>> p_xy = [[.2, .05], [.2, .05], [.05, .2], [.05, .2]]
        >>> deterministic_information_bottleneck(p_xy, beta=10).encoder.transition
        array([[1., 0.],
               [1., 0.],
               [0., 1.],
               [0., 1.]])

    Reference: Strouse and Schwab (2017), The deterministic information bottleneck; Slonim, Friedman and
    Tishby (2002), for the moves.
    """
    operation = "deterministic_information_bottleneck"
    p_xy = _bottleneck_table(operation, p_xy, beta, num_clusters, num_starts)
    encoder = best_partition(p_xy, num_clusters or len(p_xy), beta, num_starts=num_starts)
    return _bottleneck(p_xy, beta, encoder, _cluster_entropy)


def _bottleneck_table(
    operation: str, p_xy: Array, beta: Number, num_clusters: int | None, num_starts: int
) -> np.ndarray:
    table = to_numpy(as_probabilities(operation, p_xy, axis=(-2, -1), num_axes=2))
    if table.ndim != 2:
        raise ValueError(f"{operation}: expected one table [x, y], got shape {table.shape}; loop over them")
    check_numbers(operation, Beta, beta=beta)
    if num_clusters is not None:
        check_numbers(operation, Annotated[int, Range(1, len(table))], num_clusters=num_clusters)
    check_numbers(operation, Annotated[int, Range(0)], num_starts=num_starts)
    return table / table.sum()


def _bottleneck(p_xy: np.ndarray, beta: Number, encoder: np.ndarray, rate: Rate) -> Bottleneck:
    relevance, cost = float(mutual_information(encoder.T @ p_xy)), rate(p_xy, encoder)
    upper = max(0.0, (beta - 1) * float(mutual_information(p_xy)))  # since I(T;Y) ≤ I(X;T), I(X;Y)
    return Bottleneck(Channel(encoder), cost, relevance, float(beta * relevance - cost), float(upper))


def _rate(p_xy: np.ndarray, encoder: np.ndarray) -> float:
    return float(mutual_information(p_xy.sum(axis=1, keepdims=True) * encoder))


def _cluster_entropy(p_xy: np.ndarray, encoder: np.ndarray) -> float:
    return float(entropy(p_xy.sum(axis=1) @ encoder))


def _fixed_point(
    p_xy: np.ndarray, beta: Number, encoder: np.ndarray, *, max_iterations: int = 3000
) -> np.ndarray:
    """Alternate p(t), p(y|t) and P(t|x) until the encoder stays the same; every turn raises the objective."""
    for _ in range(max_iterations):
        updated = _soft(_log_fit(p_xy, encoder, beta))
        change = np.abs(updated - encoder).max()
        encoder = updated
        if change < 1e-11:
            break
    return encoder


def _log_fit(p_xy: np.ndarray, encoder: np.ndarray, beta: Number) -> np.ndarray:
    """log p(t) + β Σ_y p(y|x) log p(y|t), up to a function of x; −∞ for empty or impossible clusters."""
    p_x = p_xy.sum(axis=1, keepdims=True)
    y_given_x = p_xy / np.where(p_x > 0, p_x, 1)
    p_ty = encoder.T @ p_xy
    p_t = p_ty.sum(axis=1, keepdims=True)
    y_given_t = p_ty / np.where(p_t > 0, p_t, 1)
    fit = y_given_x @ np.log(np.where(y_given_t > 0, y_given_t, 1)).T
    possible = (p_t[:, 0] > 0) & (y_given_x @ (y_given_t == 0).T == 0)
    return np.where(possible, np.log(np.where(p_t > 0, p_t, 1))[:, 0] + beta * fit, -math.inf)


def _soft(log_fit: np.ndarray) -> np.ndarray:
    weights = np.exp(log_fit - log_fit.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
