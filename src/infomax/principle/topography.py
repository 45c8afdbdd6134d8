"""Measures of a map: its order, and how many of its cells stand for which inputs.

A map has order where inputs that are near to each other are near on the lattice (continuity), and what is
near on the lattice is near in the input (scikit-learn's `trustworthiness`, of inputs and places). Its
magnification is the exponent of the density of cells ρ(x) as a power of the density of inputs q(x).

Reference: Venna and Kaski (2001), Neighborhood preservation in nonlinear projection methods; Bauer and
Pawelzik (1992), Quantifying the neighborhood preservation of self-organizing feature maps.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.spatial.distance import cdist
from scipy.stats import linregress

from infomax.estimation.samples import as_rows
from infomax.information.tables import Number


def continuity(x: Any, places: Any, *, num_neighbors: int = 5) -> float:
    """Return how far neighbours of each input x are neighbours on the map as well, from 0 to 1.

    It is trustworthiness with the spaces exchanged: neighbours in x that are not neighbours on the map count
    by their rank there.

    Args:
        x: inputs [n, d].
        places: where they fall on the map [n, axes].
        num_neighbors: below n/2.
    Raises:
        ValueError: rows of different number, or too many neighbours.
    Example:
        >>> x = np.array([1.0, 2, 4, 8, 16, 32, 64])
        >>> continuity(x, -x, num_neighbors=2), continuity(x, np.sin(x), num_neighbors=2) < 1
        (1.0, True)
    """
    from sklearn.manifold import trustworthiness

    x, places = as_rows("continuity", x=x, places=places)
    return float(trustworthiness(places, x, n_neighbors=num_neighbors))


@dataclass(frozen=True)
class TopographicProduct:
    """The mean log distortion of neighbourhoods, over all cells and all numbers k of neighbours.

    Args:
        in_input: ⟨log P₁⟩ ≥ 0: in the input, neighbours on the lattice are further apart than neighbours in
            the input, by so much. 0 where they are the same.
        on_lattice: ⟨log P₂⟩ ≤ 0: on the lattice, neighbours on the lattice are nearer than neighbours in the
            input, by so much. 0 where they are the same.
    """

    in_input: float
    on_lattice: float

    @property
    def value(self) -> float:
        """P = ⟨log P₃⟩ = (⟨log P₁⟩ + ⟨log P₂⟩) / 2: below 0, the lattice has too few axes; above, too many.

        A value near 0 is no proof of order: in a shuffled map the two terms are large and cancel.
        """
        return (self.in_input + self.on_lattice) / 2


def topographic_product(weights: Any, positions: Any) -> TopographicProduct:
    """Return P = 1/(m(m − 1)) Σⱼ Σₖ log P₃(j, k), from distances of cells in the input and on the lattice.

    log P₁(j, k) is the mean over l = 1, …, k of the log of two distances' ratio: from wⱼ to the w of the l-th
    neighbour on the lattice, and from wⱼ to the w of the l-th neighbour in the input. P₂ is the same for
    distances on the lattice. Cells equally far in one space are ordered by their distance in the other.

    Args:
        weights: of cells [m, d], all different.
        positions: of cells on the lattice [m, axes], all different.
    Raises:
        ValueError: fewer than three cells, or two cells at one place.
    Example:
        >>> chain = np.arange(6.0)[:, None]
        >>> topographic_product(chain**1.1, chain).value  # in order, near enough evenly
        0.0

    Reference: Bauer and Pawelzik (1992), equations 4–11.
    """
    weights, positions = as_rows("topographic_product", weights=weights, positions=positions)
    in_input, on_lattice = cdist(weights, weights), cdist(positions, positions)
    _check_cells(in_input, on_lattice)
    by_input, by_lattice = _neighbors(in_input, on_lattice), _neighbors(on_lattice, in_input)
    return TopographicProduct(
        _mean_log_ratio(in_input, by_lattice, by_input), _mean_log_ratio(on_lattice, by_lattice, by_input)
    )


def _check_cells(*distances: np.ndarray) -> None:
    m = len(distances[0])
    if m < 3:
        raise ValueError(
            f"topographic_product: expected three cells or more, got {m}; two are always in order"
        )
    if any((d + np.eye(m) == 0).any() for d in distances):
        raise ValueError(
            "topographic_product: two cells are at one place, and their distance is 0; leave one out"
        )


def _neighbors(distances: np.ndarray, ties: np.ndarray) -> np.ndarray:
    """The other cells for each cell, from the nearest to the furthest: [m, m − 1]."""
    return np.lexsort((ties, distances), axis=-1)[:, 1:]


def _mean_log_ratio(distances: np.ndarray, numerator: np.ndarray, denominator: np.ndarray) -> float:
    """⟨log (Π_{l ≤ k} d(j, numerator l) / d(j, denominator l))^{1/k}⟩ over j and k."""
    log = np.log(np.take_along_axis(distances, numerator, 1) / np.take_along_axis(distances, denominator, 1))
    return float((np.cumsum(log, axis=1) / np.arange(1, log.shape[1] + 1)).mean())


@dataclass(frozen=True)
class Magnification:
    """ρ(x) ∝ q(x)^exponent, fitted on logarithms, with its standard error and the squared correlation."""

    exponent: float
    standard_error: float
    r_squared: float


def magnification(cell_density: Any, input_density: Any) -> Magnification:
    """Return the exponent α of ρ ∝ q^α: 1 where all cells fire equally often, 0 where they are spaced evenly.

    Args:
        cell_density: ρ at some places [n], of any unit.
        input_density: q at the same places [n], of any unit.
    Raises:
        ValueError: fewer than three places, densities not positive, or all inputs of one density.
    Example:
        >>> magnification([1, 4, 9], [1, 2, 3]).exponent
        2.0
    """
    (rho,), (q,) = (
        rows.T for rows in as_rows("magnification", cell_density=cell_density, input_density=input_density)
    )
    if len(rho) < 3 or not (rho > 0).all() or not (q > 0).all() or np.ptp(q) == 0:
        raise ValueError(
            "magnification: densities must be positive, at three places or more, and the input's not all the "
            f"same; got {len(rho)} places, cells from {rho.min():.3g}, inputs from {q.min():.3g} to "
            f"{q.max():.3g}"
        )
    fit: Any = linregress(np.log(q), np.log(rho))
    return Magnification(float(fit.slope), float(fit.stderr), float(fit.rvalue**2))


def cell_density_of_chain(
    input_density: Any, widths: Any, num_cells: Number, *, response_width: Number, lateral_range: Number
) -> Float[np.ndarray, " n"]:
    """Return the density of cells ρ(x) of a chain that conveys most, where q(x) varies slowly.

    The firing cell is uncertain by σρ cells of the response and γ of the interaction, which leaves

        I(L; M) = h(L) + ∫ q log ρ − ½ ∫ q log 2πe (γ² + σ²ρ²),    so that    q γ² ∝ ρ (γ² + σ²ρ²):

    ρ ∝ q where the interaction decides (σρ ≪ γ), ρ ∝ q^⅓ where the response does.

    Args:
        input_density: q at the middle of each of n intervals.
        widths: of the intervals.
        num_cells: ∫ ρ.
        response_width: σ.
        lateral_range: γ, in cells.
    Returns:
        ρ, in cells for a unit of input.
    Raises:
        ValueError: anything that is not positive.
    Example:
        >>> cell_density_of_chain([1.0, 2.0], [0.5, 0.5], 30, response_width=1e-6, lateral_range=1).round(3)
        array([20., 40.])
    """
    q, dx = (
        rows[:, 0] for rows in as_rows("cell_density_of_chain", input_density=input_density, widths=widths)
    )
    _check_chain(q, dx, num_cells=num_cells, response_width=response_width, lateral_range=lateral_range)

    def density(log_scale: float) -> np.ndarray:
        return _root(q * np.exp(log_scale), float(response_width / lateral_range))

    log_scale: Any = brentq(lambda s: np.log(density(s) @ dx / num_cells), -50, 100)
    return density(log_scale)


def _check_chain(q: np.ndarray, dx: np.ndarray, **positive: Number) -> None:
    for name, value in {"input_density": q.min(), "widths": dx.min(), **positive}.items():
        if not 0 < value < np.inf:
            raise ValueError(f"cell_density_of_chain: {name} must be positive and finite, got {value:g}")


def _root(value: np.ndarray, ratio: float) -> np.ndarray:
    """ρ with ρ (1 + ratio² ρ²) = value."""
    return 2 / np.sqrt(3) / ratio * np.sinh(np.arcsinh(1.5 * np.sqrt(3) * ratio * value) / 3)
