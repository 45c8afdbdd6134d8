"""The decomposition of Williams and Beer, by the least specific information.

A group A of sources tells of one value y of the target, on average over its own values a,

    I(Y=y; A) = Σ_a p(a|y) log p(a|y) / p(a),

the specific information. What all groups of a node tell is measured as the expected least of these:

    I_min(α) = Σ_y p(y) min_{A ∈ α} I(Y=y; A)

All atoms are nonnegative. The measure compares amounts, not what is told: two independent bits, copied into Y
as a pair, have a redundancy of 1 bit (Harder, Salge and Polani 2013). `broja` finds none there.

Cost: one marginal for each of the 2^m − 1 groups, then 18 minima for 3 sources, 166 for 4.

Reference: Williams and Beer (2010), Nonnegative decomposition of multivariate information.
"""

import math
from itertools import combinations

import numpy as np

from infomax.information.decomposition.lattice import Decomposition, Group, Node, atoms, checked_table
from infomax.information.tables import Array, Number, in_base, safe_log


def williams_beer_decomposition(p: Array, *, base: Number = math.e) -> Decomposition:
    """Return the atoms of I(X₁, …, X_m; Y), redundancy by I_min, for 2 to 4 sources.

    Args:
        p: joint probabilities [x₁, …, x_m, y], the target last.
        base: 2 for bits.
    Raises:
        ValueError: not probabilities, or not 3 to 5 axes.
    Example:
        The AND of two fair bits: half a bit is told by both together alone.

        >>> found = williams_beer_decomposition([[[1/4, 0], [1/4, 0]], [[1/4, 0], [0, 1/4]]], base=2)
        >>> {name: round(amount, 4) for name, amount in found.atoms.items()}
        {'{1}{2}': 0.3113, '{1}': 0.0, '{2}': 0.0, '{12}': 0.5}
    """
    table = checked_table("williams_beer_decomposition", p, base)
    num_sources = table.ndim - 1
    groups = [frozenset(c) for size in range(num_sources) for c in combinations(range(num_sources), size + 1)]
    specific = {group: _specific_information(table, group) for group in groups}
    p_y = table.sum(axis=tuple(range(num_sources)))

    def least(node: Node) -> float:
        return float(p_y @ np.min([specific[group] for group in node], axis=0))

    nats = atoms(num_sources, least)
    return Decomposition({name: float(in_base(value, base)) for name, value in nats.items()}, "Williams–Beer")


def _specific_information(table: np.ndarray, group: Group) -> np.ndarray:
    """Return Σ_a p(a|y) log p(a|y) / p(a) of each y; 0 where p(y) is 0."""
    others = tuple(axis for axis in range(table.ndim - 1) if axis not in group)
    p_ay = table.sum(axis=others).reshape(-1, table.shape[-1])  # [values of A, y]
    p_y = p_ay.sum(axis=0)
    p_a_of_y = np.divide(p_ay, p_y, out=np.zeros_like(p_ay), where=p_y > 0)
    log_ratio = safe_log(p_a_of_y) - safe_log(p_ay.sum(axis=1, keepdims=True))
    return (p_a_of_y * log_ratio).sum(axis=0)
