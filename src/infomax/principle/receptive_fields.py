"""Measures of receptive fields: roundness, selectivity for orientation, and likeness among neighbours.

A field holds the weights f [k] of a linear unit at offsets [k, 2] from its place. To a grating of wave vector
q that drifts across it, the unit's largest response is r = |Σ f exp(i q·offset)|.

Reference: Ringach, Shapley and Hawken (2002), Orientation selectivity in macaque V1, for the measures.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

Fields = Float[np.ndarray, "n k"]
Offsets = Int[np.ndarray, "k 2"]


@dataclass(frozen=True, eq=False)
class OrientationTuning:
    """Responses of units to gratings of all orientations, of the frequency that each unit prefers.

    Args:
        orientations: [o], from 0 to π.
        frequencies: [n], in cycles a place.
        responses: [n, o].
    """

    orientations: Float[np.ndarray, " o"]
    frequencies: Float[np.ndarray, " n"]
    responses: Float[np.ndarray, "n o"]

    @property
    def preferred(self) -> Float[np.ndarray, " n"]:
        """The orientation of the largest response, from 0 to π: that of the wave vector, across the bars."""
        return self.orientations[self.responses.argmax(axis=1)]

    @property
    def selectivity(self) -> Float[np.ndarray, " n"]:
        """(r − r⊥)/(r + r⊥), r⊥ across the preferred orientation: 0 for a round field, at most 1."""
        best = self.responses.argmax(axis=1)
        across = (best + len(self.orientations) // 2) % len(self.orientations)
        r, r_across = (np.take_along_axis(self.responses, i[:, None], axis=1)[:, 0] for i in (best, across))
        return (r - r_across) / (r + r_across)

    @property
    def circular_variance(self) -> Float[np.ndarray, " n"]:
        """1 − |Σ r exp(2iθ)|/Σ r: 1 if a unit responds to all orientations alike, 0 if to only one."""
        return 1 - np.abs(self.responses @ np.exp(2j * self.orientations)) / self.responses.sum(axis=1)


def orientation_tuning(
    fields: Fields, offsets: Offsets, frequencies: Float[np.ndarray, " f"], *, num_orientations: int = 24
) -> OrientationTuning:
    """Return responses to gratings: of each unit's best frequency, and of orientations evenly from 0 to π.

    Args:
        fields: f [n, k], of n units.
        offsets: where [k, 2] from a unit's place.
        frequencies: to choose from; cycles a place, above 0 and at most ½.
        num_orientations: even, so that each has one across it.
    Raises:
        ValueError: frequencies out of range, an odd number of orientations, or a unit without a response.
    Example:
        >>> bars = orientation_tuning(np.array([[-1.0, 2.0, -1.0]]), np.array([[0, -1], [0, 0], [0, 1]]),
        ...                           np.array([0.25, 0.5]))
        >>> bars.selectivity  # to a grating along the bar nothing responds, as the weights sum to 0
        array([1.])
    """
    frequencies = np.asarray(frequencies, dtype=float)
    if not (frequencies.size and (frequencies > 0).all() and (frequencies <= 0.5).all()):
        raise ValueError(
            "orientation_tuning: frequencies must be above 0 and at most 1/2, in cycles a place, "
            f"got {frequencies}"
        )
    if num_orientations < 2 or num_orientations % 2:
        raise ValueError(
            "orientation_tuning: num_orientations must be even, so that each has one across it, "
            f"got {num_orientations}"
        )
    orientations = np.arange(num_orientations) * math.pi / num_orientations
    waves = np.stack([np.sin(orientations), np.cos(orientations)])  # [2 (y, x), o]
    phases = 2 * math.pi * frequencies[:, None, None] * (offsets @ waves)  # [f, k, o]
    responses = np.abs(np.einsum("nk,fko->nfo", fields, np.exp(1j * phases), optimize=True))
    best = responses.max(axis=2).argmax(axis=1)
    if not (responses.max(axis=(1, 2)) > 0).all():
        silent = int(np.argmin(responses.max(axis=(1, 2))))
        raise ValueError(f"orientation_tuning: unit {silent} responds to no grating; leave it out")
    return OrientationTuning(orientations, frequencies[best], responses[np.arange(len(fields)), best])


def radial_profile(
    fields: Fields, offsets: Offsets
) -> tuple[Float[np.ndarray, " r"], Float[np.ndarray, "n r"]]:
    """Return the distances from the unit's own place, rising, and the mean of each field at each distance."""
    squared, ring = np.unique((offsets**2).sum(axis=1), return_inverse=True)
    sums = np.zeros((len(squared), len(ring)))
    sums[ring, np.arange(len(ring))] = 1
    return np.sqrt(squared), fields @ (sums / sums.sum(axis=1, keepdims=True)).T


def roundness(fields: Fields, offsets: Offsets) -> Float[np.ndarray, " n"]:
    """Return the share of a field's variance that the distance from its middle explains: 1 if it is round.

    Raises:
        ValueError: a field that is the same everywhere, so that there is nothing to explain.
    Example:
        >>> roundness(np.array([[-1.0, 2.0, -1.0], [-1.0, 0.0, 1.0]]), np.array([[0, -1], [0, 0], [0, 1]]))
        array([1., 0.])
    """
    variance = fields.var(axis=1)
    if not (variance > 0).all():
        raise ValueError(
            f"roundness: field {int(np.argmin(variance))} is the same at all places and has no shape that "
            "distance could explain; leave it out"
        )
    distances, profile = radial_profile(fields, offsets)
    ring = np.searchsorted(distances, np.sqrt((offsets**2).sum(axis=1)))
    return profile[:, ring].var(axis=1) / variance


def alignment_of_neighbours(angles: Float[np.ndarray, "side side"]) -> float:
    """Return the mean cos 2(θᵢ − θⱼ) of neighbours on a torus: 1 if all prefer the same, 0 at random."""
    return float(np.mean([np.cos(2 * (angles - np.roll(angles, 1, axis))) for axis in (0, 1)]))


def pictures(fields: Fields, offsets: Offsets) -> Float[np.ndarray, "n height width"]:
    """Return fields as pictures, 0 where there are no synapses."""
    y, x = (offsets - offsets.min(axis=0)).T
    images = np.zeros((len(fields), y.max() + 1, x.max() + 1))
    images[:, y, x] = fields
    return images
