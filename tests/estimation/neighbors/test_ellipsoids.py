"""Log densities from ellipsoids."""

import math

import numpy as np
import pytest

from infomax.estimation.neighbors.ellipsoids import excess_where_uniform, log_density

GAUSSIAN_ENTROPY = 0.5 * math.log(2 * math.pi * math.e)


@pytest.mark.parametrize("thickness", [1.0, 1e-2, 1e-6])
def test_entropy_of_a_thin_gaussian(thickness):
    rows = np.random.default_rng(0).standard_normal((4000, 2)) * [1, thickness]
    turn = np.array([[0.8, 0.6], [-0.6, 0.8]])
    entropy = -log_density(rows @ turn, 5, 40, 1).mean()
    assert entropy == pytest.approx(2 * GAUSSIAN_ENTROPY + math.log(thickness), abs=0.08)


@pytest.mark.parametrize(("dim", "around"), [(2, 40), (3, 60)])
def test_unbiased_where_the_density_is_uniform(dim, around):
    """Away from the boundary: here the middle of a cube."""
    rng = np.random.default_rng(0)
    rows = rng.random((8000, dim)) * 1.5
    inside = (np.abs(rows - 0.75) < 0.4).all(axis=1)
    assert log_density(rows, 5, around, 1)[inside].mean() == pytest.approx(-dim * math.log(1.5), abs=0.06)


def test_excess_grows_with_the_dimension_and_falls_with_rows():
    assert abs(excess_where_uniform(5, 40, 2)) < 0.02
    assert excess_where_uniform(5, 40, 4) > excess_where_uniform(5, 80, 4) > 0
