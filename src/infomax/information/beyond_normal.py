"""The 40 tasks of "Beyond Normal", under their published names.

    >>> task = beyond_normal_tasks()["spiral-multinormal-sparse-25-25-2-2.0"]
    >>> round(task.mutual_information, 4)
    1.0217

A name gives the transforms, the last one first, then the family, its dimensions and parameters. Values are
computed from the distributions.

Reference: Czyż, Grabowski, Vogt, Beerenwinkel and Marx (2023), Beyond Normal: On the Evaluation of Mutual
Information Estimators.
"""

import math
from collections.abc import Callable
from typing import Annotated

import numpy as np

from infomax.information.distributions import (
    AdditiveUniform,
    Distribution,
    JointGaussian,
    StudentT,
    Transformed,
    correlated_gaussians,
)
from infomax.information.tables import Number
from infomax.ranges import Count, Finite, Range, check_numbers

# ------------------------------------------------------------------------------------- transforms of rows


def normal_cdf(values: np.ndarray) -> np.ndarray:
    """Return Φ of every coordinate: Gaussian margins become uniform."""
    from scipy.special import ndtr

    return ndtr(values)


def half_cube(values: np.ndarray) -> np.ndarray:
    """Return x √|x| of every coordinate, which lengthens the tails."""
    return values * np.sqrt(np.abs(values))


def wiggly_x(x: np.ndarray) -> np.ndarray:
    """Return a monotone function of x with waves; its slope is above 0.16."""
    return x + 0.4 * np.sin(x) + 0.2 * np.sin(1.7 * x + 1) + 0.03 * np.sin(3.3 * x - 2.5)


def wiggly_y(y: np.ndarray) -> np.ndarray:
    """Return another monotone function with waves; its slope is above 0.53."""
    return y - 0.4 * np.sin(0.4 * y) + 0.17 * np.sin(1.3 * y + 3.5) + 0.02 * np.sin(4.3 * y - 2.5)


def swiss_roll(x: np.ndarray) -> np.ndarray:
    """Return the place on a spiral band in the plane of numbers from (0, 1)."""
    angle = 1.5 * math.pi * (1 + 2 * x)
    return np.concatenate([angle * np.cos(angle), angle * np.sin(angle)], axis=1) / 21


def spiral(i: int, j: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that turns coordinates i and j by the angle ‖x‖²/d, from axis i towards axis j.

    It is invertible, since a rotation does not change ‖x‖.
    """

    def turn(x: np.ndarray) -> np.ndarray:
        angle = np.sum(x**2, axis=1) / x.shape[1]
        turned = x.copy()
        turned[:, i] = np.cos(angle) * x[:, i] - np.sin(angle) * x[:, j]
        turned[:, j] = np.cos(angle) * x[:, j] + np.sin(angle) * x[:, i]
        return turned

    return turn


def two_humps(weight: Number, left: Number, right: Number) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from standard Gaussian values to weight·N(left, 1) + (1 − weight)·N(right, 1).

    It maps quantiles to quantiles.
    """
    from scipy.special import ndtr

    def to_mixture(z: np.ndarray) -> np.ndarray:
        below, above = np.minimum(z + left, z + right), np.maximum(z + left, z + right)
        upper_half = z > 0  # the smaller of F and 1 − F is compared, which is more precise
        for _ in range(60):
            middle = (below + above) / 2
            sign = np.where(upper_half, -1.0, 1.0)
            mass = weight * ndtr(sign * (middle - left)) + (1 - weight) * ndtr(sign * (middle - right))
            too_low = np.where(upper_half, mass > ndtr(-z), mass < ndtr(z))
            below, above = np.where(too_low, middle, below), np.where(too_low, above, middle)
        return (below + above) / 2

    return to_mixture


# ------------------------------------------------------------------------------------- families


def dense_gaussians(dim_x: int, dim_y: int, correlation: Number) -> JointGaussian:
    """Return Gaussians of which every two coordinates, of X and Y, have the same correlation."""
    check_numbers("dense_gaussians", Count, dim_x=dim_x, dim_y=dim_y)
    check_numbers("dense_gaussians", Finite, correlation=correlation)
    dim = dim_x + dim_y
    return JointGaussian(correlation + (1 - correlation) * np.eye(dim), dim_x)


def sparse_gaussians(dim: int, num_interacting: int, strength: Number) -> JointGaussian:
    """Return Gaussians of which only the first pairs (xᵢ, yᵢ) correlate, by strength² / (1 + strength²)."""
    check_numbers("sparse_gaussians", Count, dim=dim)
    check_numbers("sparse_gaussians", Annotated[int, Range(0, dim)], num_interacting=num_interacting)
    check_numbers("sparse_gaussians", Finite, strength=strength)
    correlations = np.zeros(dim)
    correlations[:num_interacting] = strength**2 / (1 + strength**2)
    return JointGaussian(
        np.block([[np.eye(dim), np.diag(correlations)], [np.diag(correlations), np.eye(dim)]]), dim
    )


def uncorrelated_student(dim_x: int, dim_y: int, dof: Number) -> StudentT:
    """Return Student's t with unit dispersion: X and Y are uncorrelated, but dependent."""
    return StudentT(np.eye(dim_x + dim_y), dim_x, dof)


# ------------------------------------------------------------------------------------- the tasks


def beyond_normal_tasks() -> dict[str, Distribution]:
    """Return all 40 tasks by name."""
    return {**_one_dimensional(), **_gaussians(), **_students(), **_transformed_gaussians()}


def _one_dimensional() -> dict[str, Distribution]:
    normal = correlated_gaussians(0.75)
    uniform = Transformed(normal, normal_cdf, normal_cdf)
    return {
        "1v1-normal-0.75": normal,
        "normal_cdf-1v1-normal-0.75": uniform,
        "1v1-additive-0.1": AdditiveUniform(0.1),
        "1v1-additive-0.75": AdditiveUniform(0.75),
        "1v1-bimodal-0.75": Transformed(normal, two_humps(0.3, 0, 5), two_humps(0.5, -1, 3)),
        "wiggly-1v1-normal-0.75": Transformed(normal, wiggly_x, wiggly_y),
        "half_cube-1v1-normal-0.75": Transformed(normal, half_cube, half_cube),
        "swissroll_x-normal_cdf-1v1-normal-0.75": Transformed(uniform, x=swiss_roll),
    }


def _gaussians() -> dict[str, Distribution]:
    dense = {f"multinormal-dense-{d}-{d}-0.5": dense_gaussians(d, d, 0.5) for d in (2, 3, 5, 25, 50)}
    sparse = {f"multinormal-sparse-{d}-{d}-2-2.0": sparse_gaussians(d, 2, 2.0) for d in (2, 3, 5, 25)}
    return {**dense, **sparse}


def _students() -> dict[str, Distribution]:
    shapes = [(1, 1), (2, 1), (2, 2), (3, 2), (3, 3), (5, 2), (5, 3)]
    plain = {f"student-identity-{d}-{d}-{dof}": uncorrelated_student(d, d, dof) for d, dof in shapes}
    tamed = {
        f"asinh-{name}": Transformed(plain[name], np.arcsinh, np.arcsinh)
        for name in (f"student-identity-{d}-{d}-{dof}" for d, dof in [(1, 1), (2, 1), (3, 2), (5, 2)])
    }
    return {**plain, **tamed}


def _transformed_gaussians() -> dict[str, Distribution]:
    tasks: dict[str, Distribution] = {}
    turn_x, turn_y = spiral(0, 1), spiral(1, 2)
    for d in (3, 5, 25):
        name, base = f"multinormal-sparse-{d}-{d}-2-2.0", sparse_gaussians(d, 2, 2.0)
        uniform = Transformed(base, normal_cdf, normal_cdf)
        tasks[f"normal_cdf-{name}"] = uniform
        tasks[f"half_cube-{name}"] = Transformed(base, half_cube, half_cube)
        tasks[f"spiral-{name}"] = Transformed(base, turn_x, turn_y)
        tasks[f"spiral-normal_cdf-{name}"] = Transformed(uniform, turn_x, turn_y)
    return tasks
