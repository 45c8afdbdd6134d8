"""Places on a square lattice, the synapses around each, and the covariances of what happens there.

The lattice is closed to a torus: its n = side² places have numbers y·side + x. A unit sits at a place and has
synapses at places around it in the layer below, its arbor. Covariances depend only on how far apart two
places are, and are then written as an autocovariance: the covariance of places apart by [y, x].
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from infomax.information.tables import Number
from infomax.ranges import Positive, check_numbers

Autocovariance = Float[np.ndarray, "side side"]  # of places apart by [y, x], on a torus

# ----------------------------------------------------------------------------------------- arbors


@dataclass(frozen=True, eq=False)
class Arbor:
    """The places where a unit has synapses, and how many it has there.

    Args:
        offsets: places [k, 2] relative to the unit's own.
        density: the share s [k] of the synapses at each.
    """

    offsets: Int[np.ndarray, "k 2"]
    density: Float[np.ndarray, " k"]

    @property
    def reach(self) -> int:
        """The distance of the furthest synapse, along an axis."""
        return int(np.abs(self.offsets).max())


def gaussian_arbor(spread: Number, *, reach: Number = 2.6) -> Arbor:
    """Return s ∝ exp(−r²/2 spread²) at the places within reach·spread.

    Args:
        spread: the standard deviation along an axis, in places.
        reach: where the arbor ends, in spreads.
    Raises:
        ValueError: not positive.
    Example:
        >>> gaussian_arbor(0.5, reach=2).density.round(3)  # the four nearest neighbours, and the place itself
        array([0.088, 0.088, 0.649, 0.088, 0.088])
    """
    check_numbers("gaussian_arbor", Positive, spread=spread, reach=reach)
    axis = np.arange(-int(reach * spread), int(reach * spread) + 1)
    offsets = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    squared = (offsets**2).sum(axis=1)
    kept = squared <= (reach * spread) ** 2
    density = np.exp(-squared[kept] / (2 * spread**2))
    return Arbor(offsets[kept], density / density.sum())


def places(side: int, offsets: Int[np.ndarray, "k 2"]) -> Int[np.ndarray, "n k"]:
    """Return the numbers of the places at `offsets` from each of the n places."""
    y, x = np.divmod(np.arange(side * side), side)
    return (y[:, None] + offsets[:, 0]) % side * side + (x[:, None] + offsets[:, 1]) % side


def response_matrix(weights: Float[np.ndarray, "n k"], arbor: Arbor, side: int) -> Float[np.ndarray, "n n"]:
    """Return W of y = W x: row i has s w of unit i at the places of its synapses, and 0 elsewhere.

    Raises:
        ValueError: not one unit at each place, or an arbor that reaches around the torus.
    """
    check_fits("response_matrix", arbor, side)
    if weights.shape != (side * side, len(arbor.density)):
        raise ValueError(
            f"response_matrix: weights must be [{side * side}, {len(arbor.density)}], a unit at each "
            f"place of the torus and a weight for each place of the arbor, got shape {weights.shape}"
        )
    matrix = np.zeros((side * side, side * side))
    np.put_along_axis(matrix, places(side, arbor.offsets), arbor.density * weights, axis=1)
    return matrix


def check_fits(operation: str, arbor: Arbor, side: int) -> None:
    """Make sure that an arbor does not reach around the torus.

    Raises:
        ValueError: it does.
    """
    if 2 * arbor.reach >= side:
        raise ValueError(
            f"{operation}: an arbor that reaches {arbor.reach} places does not fit on a torus of side "
            f"{side}; the side must be at least {2 * arbor.reach + 1}"
        )


# ------------------------------------------------------------------------------------ covariances


def white_noise(side: int) -> Autocovariance:
    """Return the autocovariance of independent activities of variance 1, those of layer A."""
    autocovariance = np.zeros((side, side))
    autocovariance[0, 0] = 1
    return autocovariance


def covariances_between(
    autocovariance: Autocovariance, offsets: Int[np.ndarray, "k 2"], others: Int[np.ndarray, "m 2"]
) -> Float[np.ndarray, "k m"]:
    """Return Q between places around a unit and other places around it."""
    apart = (others[None] - offsets[:, None]) % len(autocovariance)
    return autocovariance[apart[..., 0], apart[..., 1]]


def covariance_matrix(autocovariance: Autocovariance) -> Float[np.ndarray, "n n"]:
    """Return the covariances of all n places."""
    every = _every_place(len(autocovariance))
    return covariances_between(autocovariance, every, every)


def propagate(matrix: Float[np.ndarray, "m n"], autocovariance: Autocovariance) -> Float[np.ndarray, "m m"]:
    """Return W Q Wᵀ, the exact covariance of the units' responses; W Q is a convolution of every row."""
    rows = matrix.reshape(-1, *autocovariance.shape)  # [m, side, side]
    convolved = np.fft.irfft2(
        np.fft.rfft2(rows) * np.fft.rfft2(autocovariance).real, s=autocovariance.shape
    ).reshape(matrix.shape)
    return convolved @ matrix.T


def average_over_places(covariance: Float[np.ndarray, "n n"]) -> Autocovariance:
    """Return, for every d, the mean over places i of the covariance of i and i + d."""
    side = math.isqrt(len(covariance))
    partners = places(side, _every_place(side))  # [n, n distances]
    return np.take_along_axis(covariance, partners, axis=1).mean(axis=0).reshape(side, side)


def _every_place(side: int) -> Int[np.ndarray, "n 2"]:
    return np.stack(np.divmod(np.arange(side * side), side), axis=1)
