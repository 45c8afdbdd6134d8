"""The lattice of partial information: its atoms, and how amounts at its nodes become amounts in its atoms.

A node is a collection of groups of sources of which none contains another, such as {1}{23}: what source 1 and
the pair 2, 3 both tell. α is below β if each group of β contains a group of α. Information I(α) that all
groups of α tell is a sum over atoms; Möbius inversion finds them:

    I(α) = Σ_{β ≤ α} Π(β),      Π(α) = I(α) − Σ_{β < α} Π(β)

There are 4 nodes for 2 sources, 18 for 3, 166 for 4.

Reference: Williams and Beer (2010), Nonnegative decomposition of multivariate information.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations

from array_api_compat import array_namespace

from infomax.information.tables import Array, Number, as_probabilities, in_base, rank, to_numpy

Group = frozenset[int]
Node = frozenset[Group]

MAX_SOURCES = 4
"""Most sources; 5 would have 7,579 atoms."""


@dataclass(frozen=True)
class Decomposition:
    """The atoms of I(X₁, …, X_m; Y), which sum to it.

    Args:
        atoms: amounts by name: "{1}{2}" is told by source 1 and by source 2, "{1}" by source 1 alone, "{12}"
            only by both together.
        measure: how redundancy is measured.
        error: the largest error of an atom, where they come from an optimisation; else 0.

    Example:
        >>> Decomposition({"{1}{2}": 0.0, "{1}": 0.0, "{2}": 0.0, "{12}": 1.0}, "Williams–Beer").synergy
        1.0
    """

    atoms: Mapping[str, float]
    measure: str
    error: float = 0.0

    @property
    def num_sources(self) -> int:
        """m, the number of sources."""
        return sum(name.count("}") == 1 and len(name) == 3 for name in self.atoms)

    @property
    def information(self) -> float:
        """I(X₁, …, X_m; Y), the sum of all atoms."""
        return math.fsum(self.atoms.values())

    @property
    def redundancy(self) -> float:
        """The amount that each source tells: the atom {1}{2}…{m}."""
        return self.atoms[redundancy_name(self.num_sources)]

    @property
    def unique(self) -> tuple[float, ...]:
        """The amounts that one source tells and no others, not even together: the atoms {1}, {2}, …."""
        return tuple(self.atoms[f"{{{source}}}"] for source in range(1, self.num_sources + 1))

    @property
    def synergy(self) -> float:
        """The amount that only all sources together tell: the atom {12…m}."""
        return self.atoms[synergy_name(self.num_sources)]


def redundancy_name(num_sources: int) -> str:
    """Return {1}{2}…{m}."""
    return "".join(f"{{{source}}}" for source in range(1, num_sources + 1))


def synergy_name(num_sources: int) -> str:
    """Return {12…m}."""
    return f"{{{''.join(map(str, range(1, num_sources + 1)))}}}"


def nodes(num_sources: int) -> list[Node]:
    """Return the nodes of the lattice, each after all that are below it.

    Example:
        >>> [name_of(node) for node in nodes(2)]
        ['{1}{2}', '{1}', '{2}', '{12}']
    """
    sources = range(num_sources)
    groups = [frozenset(c) for size in sources for c in combinations(sources, size + 1)]
    found = _antichains(groups)
    return sorted(found, key=lambda node: (sum(is_below(other, node) for other in found), name_of(node)))


def _antichains(groups: list[Group]) -> list[Node]:
    """Return all sets of groups, not empty, of which none contains another."""
    if not groups:
        return []
    first, rest = groups[0], groups[1:]
    apart = [group for group in rest if not (first <= group or group <= first)]
    return [frozenset([first]), *(node | {first} for node in _antichains(apart)), *_antichains(rest)]


def is_below(one: Node, other: Node) -> bool:
    """Return whether each group of `other` contains a group of `one`, which is so for a node and itself."""
    return all(any(small <= group for small in one) for group in other)


def name_of(node: Node) -> str:
    """Return a node as text, sources counted from 1.

    Example:
        >>> name_of(frozenset([frozenset([0]), frozenset([1, 2])]))
        '{1}{23}'
    """
    groups = sorted((sorted(group) for group in node), key=lambda group: (len(group), group))
    return "".join(f"{{{''.join(str(source + 1) for source in group)}}}" for group in groups)


def atoms(num_sources: int, information_at: Callable[[Node], float]) -> dict[str, float]:
    """Return Π(α) = I(α) − Σ_{β < α} Π(β) of each node by name.

    Args:
        num_sources: m.
        information_at: I of a node.
    """
    found: dict[Node, float] = {}
    for node in nodes(num_sources):
        below = (amount for other, amount in found.items() if is_below(other, node))
        found[node] = information_at(node) - math.fsum(below)
    return {name_of(node): amount for node, amount in found.items()}


def checked_table(operation: str, p: Array, base: Number, *, max_sources: int = MAX_SOURCES) -> Array:
    """Return a table of two sources or more and a target as NumPy's float64, which sums to 1.

    Raises:
        ValueError: not probabilities; too few or too many axes; a base that is not more than 1.
    """
    num_axes = rank(p)
    if not 3 <= num_axes <= max_sources + 1:
        raise ValueError(
            f"{operation}: expected 2 to {max_sources} sources and the target, each an axis, got {num_axes} "
            "axes; join sources into one, as in p.reshape(-1, size of y)"
            if max_sources > 2
            else f"{operation}: expected the axes of 2 sources and the target, got {num_axes} axes; join "
            "sources into one by reshape, or use williams_beer_decomposition"
        )
    in_base(1.0, base)  # checks it
    table = to_numpy(as_probabilities(operation, p, axis=tuple(range(num_axes)), num_axes=num_axes))
    return table / array_namespace(table).sum(table)
