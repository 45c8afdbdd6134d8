"""Measures of order against loops and known maps; the theory of magnification against a search."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.manifold import trustworthiness

from infomax.principle.maps import lattice
from infomax.principle.topography import (
    cell_density_of_chain,
    continuity,
    magnification,
    topographic_product,
)


def slow_continuity(x, places, k):
    """1 − 2/(nk(2n − 3k − 1)) Σ over neighbours in x that are none on the map, of (rank on the map − k)."""
    n, lost = len(x), 0
    for i in range(n):
        near, on_map = (
            np.argsort(np.linalg.norm(rows - rows[i], axis=1))[1:].tolist() for rows in (x, places)
        )
        lost += sum(on_map.index(j) + 1 - k for j in near[:k] if j not in on_map[:k])
    return 1 - 2 * lost / (n * k * (2 * n - 3 * k - 1))


def test_continuity_by_loops():
    rng = np.random.default_rng(0)
    x, places = rng.standard_normal((40, 3)), rng.standard_normal((40, 2))
    assert continuity(x, places, num_neighbors=6) == pytest.approx(slow_continuity(x, places, 6))
    assert continuity(x, x @ [[0, 2], [2, 0], [0, 0]], num_neighbors=6) < 1
    assert continuity(x, 3 * x[:, ::-1], num_neighbors=6) == 1
    torn = np.where(x[:, :1] > 0, x + 100, x)  # what is torn apart can be trusted, but is not continuous
    assert trustworthiness(x, torn, n_neighbors=6) > continuity(x, torn, num_neighbors=6)


def slow_product(weights, positions):
    """⟨log P₁⟩ and ⟨log P₂⟩, product by product."""
    m, logs = len(weights), []
    for j in range(m):
        in_input, on_lattice = (np.linalg.norm(rows - rows[j], axis=1) for rows in (weights, positions))
        others = [i for i in range(m) if i != j]
        by_input = sorted(others, key=lambda i: (in_input[i], on_lattice[i]))
        by_lattice = sorted(others, key=lambda i: (on_lattice[i], in_input[i]))
        for k in range(1, m):
            pairs = list(zip(by_lattice[:k], by_input[:k], strict=True))
            logs.append(
                [math.log(math.prod(d[a] / d[b] for a, b in pairs)) / k for d in (in_input, on_lattice)]
            )
    return np.mean(logs, axis=0)


def test_topographic_product_by_loops():
    weights = np.random.default_rng(1).standard_normal((12, 3))
    found = topographic_product(weights, lattice((3, 4)))
    np.testing.assert_allclose([found.in_input, found.on_lattice], slow_product(weights, lattice((3, 4))))
    assert found.in_input > 0 > found.on_lattice


def test_topographic_product_of_known_maps():
    sheet = lattice((6, 6))
    turned = 3 * sheet @ [[0.6, 0.8], [-0.8, 0.6]] + 5
    assert abs(topographic_product(turned, sheet).value) < 1e-12
    snake = np.concatenate([row if i % 2 else row[::-1] for i, row in enumerate(sheet.reshape(6, 6, 2))])
    assert topographic_product(snake, lattice((36,))).value < -0.03  # an axis too few
    assert topographic_product(lattice((36,)), snake).value > 0.03  # an axis too many


def test_a_shuffled_map_shows_in_both_terms_and_not_in_the_product():
    sheet = lattice((6, 6))
    shuffled = topographic_product(np.random.default_rng(0).permutation(sheet), sheet)
    assert shuffled.in_input > 0.2
    assert shuffled.on_lattice < -0.2
    assert abs(shuffled.value) < 0.02


@pytest.mark.parametrize(("response_width", "expected"), [(1e-5, 1.0), (30.0, 1 / 3)])
def test_limits_of_the_magnification_in_theory(response_width, expected):
    density = np.linspace(1, 2, 50)
    cells = cell_density_of_chain(
        density / density.mean(), np.full(50, 1 / 50), 40, response_width=response_width, lateral_range=1
    )
    assert cells.mean() == pytest.approx(40)
    assert magnification(cells, density).exponent == pytest.approx(expected, abs=1e-3)


def test_density_of_cells_against_a_search():
    """The same functional, climbed: ∫ q log ρ − ½ ∫ q log(γ² + σ²ρ²) with as many cells."""
    density = np.array([0.4, 0.8, 1.2, 1.6])
    sigma, gamma, num_cells = 0.03, 0.8, 25

    def rho(free):
        share = np.exp(np.append(free, 0))
        return num_cells * share / share.mean()

    def lost(free):
        return -np.mean(density * (np.log(rho(free)) - np.log(gamma**2 + sigma**2 * rho(free) ** 2) / 2))

    best = rho(minimize(lost, np.zeros(3), tol=1e-12).x)
    found = cell_density_of_chain(
        density, np.full(4, 1 / 4), num_cells, response_width=sigma, lateral_range=gamma
    )
    np.testing.assert_allclose(found, best, rtol=1e-3)


def test_magnification_and_its_error():
    rng = np.random.default_rng(0)
    density = np.exp(rng.standard_normal(2000))
    fit = magnification(density**0.7 * np.exp(0.2 * rng.standard_normal(2000)), density)
    assert fit.exponent == pytest.approx(0.7, abs=4 * fit.standard_error)
    assert fit.standard_error == pytest.approx(0.2 / math.sqrt(2000), rel=0.1)
    assert fit.r_squared == pytest.approx(0.49 / 0.53, abs=0.02)
    assert abs(magnification(rng.permutation(density), density).exponent) < 0.1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: topographic_product([[0], [1]], [[0], [1]]),
            "expected three cells or more, got 2; two are always",
        ),
        (
            lambda: topographic_product([[0], [1], [1]], [[0], [1], [2]]),
            "topographic_product: two cells are at one place, and their distance is 0; leave one out",
        ),
        (lambda: topographic_product([[0], [1], [2]], [[0], [1]]), "must have equally many samples"),
        (lambda: magnification([1, 2], [1, 2]), "at three places or more, .* got 2 places, cells from 1,"),
        (
            lambda: magnification([1, 0, 2], [1, 2, 3]),
            "densities must be positive, .* cells from 0, inputs from 1",
        ),
        (
            lambda: magnification([1, 2, 3], [2, 2, 2]),
            "not all the same; got 3 places, .* inputs from 2 to 2",
        ),
        (lambda: continuity([[0], [np.nan]], [[0], [1]]), "continuity: x must be finite, got NaN"),
        (
            lambda: cell_density_of_chain([1, 0], [1, 1], 5, response_width=1, lateral_range=1),
            "cell_density_of_chain: input_density must be positive and finite, got 0",
        ),
        (
            lambda: cell_density_of_chain([1, 1], [1, 1], 5, response_width=1, lateral_range=-1),
            "cell_density_of_chain: lateral_range must be positive and finite, got -1",
        ),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
