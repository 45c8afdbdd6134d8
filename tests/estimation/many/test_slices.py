"""Sliced information against integrals and averages of the Gaussian formula, and the best direction known."""

import math

import numpy as np
import pytest

from infomax.estimation import KSG, Gaussian, max_sliced_information, sliced_information


def coupled(n, rho, dim, seed=0):
    """dim pairs of columns with correlation ρ: a projection of each has ρ times the cosine of their angle."""
    x, noise = np.random.default_rng(seed).standard_normal((2, n, dim))
    return x, rho * x + math.sqrt(1 - rho**2) * noise


def sliced_gaussian(rho, dim, num=200_000):
    """E −½ log(1 − ρ² c²), c the cosine of two random directions: the first entry of one of them."""
    first = np.random.default_rng(1).standard_normal((num, dim))
    cosine = first[:, 0] / np.linalg.norm(first, axis=1)
    return float(-np.log1p(-((rho * cosine) ** 2)).mean() / 2)


@pytest.mark.parametrize("rho", [0.3, 0.8, 0.95])
def test_two_columns_in_closed_form(rho):
    """∫ −½ log(1 − ρ² cos² a) da / 2π = −log (1 + √(1 − ρ²)) / 2."""
    truth = -math.log((1 + math.sqrt(1 - rho**2)) / 2)
    assert sliced_gaussian(rho, 2) == pytest.approx(truth, rel=0.01)
    found = sliced_information(*coupled(5000, rho, 2), Gaussian(), num_slices=400)
    assert found.value == pytest.approx(truth, abs=3 * found.standard_error)
    assert found.standard_error < 0.1 * truth
    assert found.kind == "model estimate" and "sliced" in found.method


def test_more_columns_and_neighbours():
    truth = sliced_gaussian(0.9, 4)
    for estimator in (Gaussian(), KSG(num_workers=1)):
        found = sliced_information(*coupled(1000, 0.9, 4), estimator, num_slices=60)
        assert found.value == pytest.approx(truth, abs=3 * found.standard_error)
        assert found.standard_error < 0.03


def test_error_is_the_spread_over_samples_and_slices():
    truth = sliced_gaussian(0.8, 3)
    found = [
        sliced_information(*coupled(300, 0.8, 3, seed), Gaussian(), num_slices=30, seed=seed)
        for seed in range(40)
    ]
    values, errors = (np.array([getattr(one, name) for one in found]) for name in ("value", "standard_error"))
    assert 0.7 < errors.mean() / values.std(ddof=1) < 1.6
    assert (np.abs(values - truth) < 1.96 * errors).sum() >= 34


def test_as_many_directions_as_columns_are_everything():
    x, y = coupled(500, 0.7, 3)
    found = sliced_information(x, y, Gaussian(), num_directions=3, num_slices=5)
    assert found.value == pytest.approx(Gaussian().estimate(x, y).value)
    assert "3-sliced" in found.method
    one, two = (sliced_information(x, y, Gaussian(), num_directions=k).value for k in (1, 2))
    assert one < two < found.value


def test_independent_columns():
    x, y = np.random.default_rng(0).standard_normal((2, 1000, 5))
    found = sliced_information(x, y, Gaussian())
    assert abs(found.value) < 3 * found.standard_error


CANONICAL = (0.8, 0.4, 0.1)


def mixed(n, seed=0):
    """Three pairs of these correlations, turned and stretched."""
    rng = np.random.default_rng(seed)
    x, noise = rng.standard_normal((2, n, 3))
    y = np.array(CANONICAL) * x + np.sqrt(1 - np.square(CANONICAL)) * noise
    return x @ rng.standard_normal((3, 3)), y @ rng.standard_normal((3, 3))


@pytest.mark.parametrize("estimator", [Gaussian(), KSG(5, num_workers=1)])
def test_largest_slice_of_gaussians_is_the_first_canonical_pair(estimator):
    found = max_sliced_information(*mixed(3000), estimator, num_evaluations=100)
    truth = -math.log(1 - CANONICAL[0] ** 2) / 2
    assert found.estimate.value == pytest.approx(truth, abs=3 * found.estimate.standard_error)
    assert found.estimate.num_samples == 1500 and found.estimate.kind == "neither"


def test_two_directions_of_gaussians_are_two_canonical_pairs():
    found = max_sliced_information(*mixed(4000), Gaussian(), num_directions=2)
    truth = -sum(math.log(1 - rho**2) for rho in CANONICAL[:2]) / 2
    assert found.estimate.value == pytest.approx(truth, abs=3 * found.estimate.standard_error)
    assert found.x_directions.T @ found.x_directions == pytest.approx(np.eye(2), abs=1e-9)


def test_a_direction_without_correlation_is_found():
    x, y = np.random.default_rng(0).standard_normal((2, 2000, 3))
    y[:, 1] = x[:, 0] ** 2 + 0.3 * y[:, 1]
    found = max_sliced_information(x, y, KSG(num_workers=1), num_evaluations=200)
    best = KSG().estimate(x[:, 0], y[:, 1]).value
    assert found.estimate.value > 0.8 * best
    assert abs(found.x_directions[0, 0]) > 0.95 and abs(found.y_directions[1, 0]) > 0.95


def test_noise_is_not_raised_by_the_search():
    values = []
    for seed in range(20):
        x, y = np.random.default_rng(seed).standard_normal((2, 100, 5))
        values.append(max_sliced_information(x, y, Gaussian(), num_evaluations=20, seed=seed).estimate.value)
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(20)


def test_what_is_refused():
    x, y = coupled(50, 0.5, 3)
    with pytest.raises(ValueError, match="4 directions need as many columns in x and in y, got 3 and 3"):
        sliced_information(x, y, Gaussian(), num_directions=4)
    with pytest.raises(ValueError, match="num_slices must be at least 2, got 1"):
        sliced_information(x, y, Gaussian(), num_slices=1)
    with pytest.raises(ValueError, match="max_sliced_information: 6 columns need 16 rows, got 10; give more"):
        max_sliced_information(x[:10], y[:10], Gaussian())
