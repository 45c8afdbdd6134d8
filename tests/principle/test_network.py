"""The self-adaptive network: its rule against loops, covariances against samples, regimes against modes."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infomax.principle.arbors import (
    average_over_places,
    covariance_matrix,
    covariances_between,
    gaussian_arbor,
    places,
    propagate,
    response_matrix,
    white_noise,
)
from infomax.principle.climbing import climb_within_arbors, gradient_at_fixed_norms
from infomax.principle.hebb import HebbRule, grow, growth_modes, hebbian_growth
from infomax.principle.linear import LinearUnits
from infomax.principle.network import develop, linsker_plans
from infomax.principle.optima import best_units_of_norm
from infomax.principle.receptive_fields import roundness

SMALL = gaussian_arbor(0.8, reach=2)  # 9 places


def smooth_noise(side, spread=1.2):
    """Autocovariance of white noise summed over Gaussian arbors."""
    arbor = gaussian_arbor(spread)
    matrix = response_matrix(np.ones((side**2, len(arbor.density))), arbor, side)
    autocovariance = average_over_places(propagate(matrix, white_noise(side)))
    return autocovariance / autocovariance[0, 0]


def some_weights(side, arbor=SMALL, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (side**2, len(arbor.density)))


# ------------------------------------------------------------------------------------ places


@given(st.floats(0.5, 3), st.floats(1, 3))
def test_arbors_are_gaussian_and_end(spread, reach):
    arbor = gaussian_arbor(spread, reach=reach)
    squared = (arbor.offsets**2).sum(axis=1)
    assert arbor.density.sum() == pytest.approx(1)
    assert squared.max() <= (reach * spread) ** 2 + 1e-9
    middle = arbor.density[squared == 0]
    np.testing.assert_allclose(arbor.density / middle, np.exp(-squared / (2 * spread**2)))


def test_response_matrix_against_a_loop():
    side, weights = 6, some_weights(6)
    image = np.random.default_rng(1).standard_normal((side, side))
    responses = [
        sum(
            s * w * image[(i + dy) % side, (j + dx) % side]
            for s, w, (dy, dx) in zip(SMALL.density, weights[i * side + j], SMALL.offsets, strict=True)
        )
        for i in range(side)
        for j in range(side)
    ]
    np.testing.assert_allclose(response_matrix(weights, SMALL, side) @ image.ravel(), responses)
    assert places(side, SMALL.offsets).shape == (36, 9)


# -------------------------------------------------------------------------------- covariances


def test_propagation_is_that_of_matrices():
    autocovariance = smooth_noise(9)
    matrix = response_matrix(some_weights(9), SMALL, 9)
    dense = covariance_matrix(autocovariance)
    assert np.linalg.eigvalsh(dense).min() > -1e-12
    np.testing.assert_allclose(propagate(matrix, autocovariance), matrix @ dense @ matrix.T, atol=1e-12)


def test_propagation_against_samples():
    """Activities of noise sent through two layers have the covariance that is propagated."""
    side, n = 7, 40_000
    first, second = (response_matrix(some_weights(side, seed=seed), SMALL, side) for seed in (1, 2))
    noise = np.random.default_rng(3).standard_normal((n, side**2))
    sampled = np.cov(noise @ first.T @ second.T, rowvar=False)
    exact = second @ propagate(first, white_noise(side)) @ second.T
    spread = np.sqrt((np.outer(np.diag(exact), np.diag(exact)) + exact**2) / n)  # of Wishart's entries
    assert np.abs((sampled - exact) / spread).max() < 5
    assert ((sampled - exact) / spread).std() == pytest.approx(1, abs=0.1)


def test_average_over_places_against_a_loop():
    side = 4
    covariance = np.random.default_rng(0).standard_normal((16, 16))
    for dy, dx in ((0, 0), (1, 0), (3, 2)):
        pairs = [
            covariance[y * side + x, (y + dy) % side * side + (x + dx) % side]
            for y in range(side)
            for x in range(side)
        ]
        assert average_over_places(covariance)[dy, dx] == pytest.approx(np.mean(pairs))


def test_average_leaves_what_is_the_same_everywhere():
    autocovariance = smooth_noise(9)
    np.testing.assert_allclose(
        average_over_places(covariance_matrix(autocovariance)), autocovariance, atol=1e-12
    )


# -------------------------------------------------------------------------------- Hebb's rule


def slow_growth(weights, arbor, autocovariance, rule):
    """⟨y x⟩ term by term, lateral connections added to y."""
    side = len(autocovariance)
    covariance = covariance_matrix(autocovariance)
    matrix = response_matrix(weights, arbor, side)
    lateral = np.eye(side**2)
    if rule.lateral is not None:
        for i in range(side**2):
            for (dy, dx), strength in zip(rule.lateral.offsets, rule.lateral.density, strict=True):
                lateral[i, (i // side + dy) % side * side + (i % side + dx) % side] += (
                    rule.strength * strength
                )
    grown = np.empty_like(weights)
    for i in range(len(weights)):
        for j, (dy, dx) in enumerate(arbor.offsets):
            place = (i // side + dy) % side * side + (i % side + dx) % side
            hebb = sum(
                lateral[i, k] * matrix[k, m] * covariance[m, place]
                for k in np.flatnonzero(lateral[i])
                for m in np.flatnonzero(matrix[k])
            )
            grown[i, j] = rule.k1 + rule.k2 * (arbor.density @ weights[i]) + hebb
    return grown


@pytest.mark.parametrize("lateral", [None, gaussian_arbor(0.7, reach=1.5)])
def test_growth_against_a_loop(lateral):
    autocovariance, weights = smooth_noise(7, 0.8), some_weights(7)
    rule = HebbRule(0.3, -2.0, lateral=lateral, strength=0.6)
    np.testing.assert_allclose(
        hebbian_growth(weights, SMALL, autocovariance, rule),
        slow_growth(weights, SMALL, autocovariance, rule),
        atol=1e-12,
    )


def test_growth_is_the_ensemble_average_of_hebb():
    """⟨y x⟩ of samples, with k₁ and k₂ added, for one unit."""
    side, n = 7, 100_000
    weights, rule = some_weights(side)[:1], HebbRule(0.2, -1.0)
    autocovariance = smooth_noise(side, 0.8)
    inputs = np.random.default_rng(0).multivariate_normal(
        np.zeros(side**2), covariance_matrix(autocovariance), n
    )
    arriving = inputs[:, places(side, SMALL.offsets)[0]]
    response = arriving @ (SMALL.density * weights[0])
    sampled = 0.2 - SMALL.density @ weights[0] + (response[:, None] * arriving).mean(axis=0)
    np.testing.assert_allclose(
        hebbian_growth(weights, SMALL, autocovariance, rule)[0],
        sampled,
        atol=5 * response.std() / math.sqrt(n),
    )


@pytest.mark.parametrize("lateral", [None, gaussian_arbor(0.7, reach=1.5)])
def test_growth_climbs_a_quadratic_form(lateral):
    """s dw/dt is the gradient of ½ Σ L⟨y y⟩ + ½ k₂ Σ(Σ s w)² + k₁ Σ s w, by finite differences."""
    side, autocovariance, rng = 7, smooth_noise(7, 0.8), np.random.default_rng(5)
    rule = HebbRule(0.3, -2.0, lateral=lateral)
    neighbours = np.eye(side**2)
    if lateral is not None:
        neighbours += response_matrix(np.ones((side**2, len(lateral.density))), lateral, side)

    def form(weights):
        covariance = propagate(response_matrix(weights, SMALL, side), autocovariance)
        totals = weights @ SMALL.density
        return (neighbours * covariance).sum() / 2 + rule.k2 * (totals**2).sum() / 2 + rule.k1 * totals.sum()

    weights, direction = some_weights(side), rng.standard_normal((side**2, 9))
    step = 1e-4
    numeric = (form(weights + step * direction) - form(weights - step * direction)) / (2 * step)
    growth = SMALL.density * hebbian_growth(weights, SMALL, autocovariance, rule)
    assert (growth * direction).sum() == pytest.approx(numeric, rel=1e-6)


def test_modes_are_eigenvectors_of_growth():
    arbor, autocovariance = gaussian_arbor(1.5), smooth_noise(16)
    rates, modes = growth_modes(arbor, autocovariance, -3.0)
    assert (np.diff(rates) <= 1e-12).all()
    grown = hebbian_growth(modes, arbor, autocovariance, HebbRule(0.0, -3.0))
    np.testing.assert_allclose(grown, rates[:, None] * modes, atol=1e-8)


@pytest.mark.parametrize(("k2", "num_leading"), [(0.0, 1), (-3.0, 2)])
def test_without_limits_the_leading_modes_win(k2, num_leading):
    """MacKay and Miller: of one sign, or bilobed in two orientations once k₂ has slowed the first."""
    arbor, autocovariance = gaussian_arbor(1.2 * math.sqrt(3)), smooth_noise(20)
    rule, weights = HebbRule(0.0, k2), some_weights(20, arbor)[:5]
    for _ in range(1000):
        weights = weights + 0.3 * hebbian_growth(weights, arbor, autocovariance, rule)
        weights /= np.abs(weights).max()
    root = np.sqrt(arbor.density)
    rates, modes = growth_modes(arbor, autocovariance, k2)
    leading = modes[:num_leading] * root  # orthonormal
    np.testing.assert_allclose(leading @ leading.T, np.eye(num_leading), atol=1e-12)
    share = ((weights * root @ leading.T) ** 2).sum(axis=1) / ((weights * root) ** 2).sum(axis=1)
    assert (share > 0.999).all()
    assert rates[num_leading] < 0.9 * rates[0]
    upside_down = modes[:num_leading, ::-1]  # offsets are in order, so that the last is opposite the first
    np.testing.assert_allclose(modes[:num_leading], upside_down * (1 if num_leading == 1 else -1), atol=1e-8)


def test_k1_and_k2_hold_the_sum_of_weights():
    arbor, autocovariance = gaussian_arbor(1.2 * math.sqrt(3)), smooth_noise(20)
    covariance = covariances_between(autocovariance, arbor.offsets, arbor.offsets)
    mean = arbor.density @ covariance @ arbor.density
    assert mean == pytest.approx(0.25, abs=0.01)  # C/(C + 2A) with C = 2A/3: the layer B of MacKay and Miller
    for k1 in (0.3, 0.45, 0.6):
        weights = grow(arbor, autocovariance, HebbRule(k1, -3.0), seed=1, num_units=20)
        assert weights @ arbor.density == pytest.approx(np.full(20, k1 / (3 - mean)), abs=0.02)


@pytest.mark.parametrize(
    ("k1", "kind"), [(0.0, "bilobed"), (0.45, "opponent"), (2.0, "excitatory"), (-2.0, "inhibitory")]
)
def test_regimes_of_layer_c(k1, kind):
    arbor = gaussian_arbor(1.2 * math.sqrt(3))
    weights = grow(arbor, smooth_noise(20), HebbRule(k1, -3.0), seed=0, num_units=30)
    assert np.abs(weights).max() == 0.5
    assert (np.abs(weights) > 0.499).mean() > 0.85  # matured
    if kind in ("excitatory", "inhibitory"):
        assert (weights == (0.5 if kind == "excitatory" else -0.5)).all()
        return
    distance = np.hypot(*arbor.offsets.T)
    centre, surround = weights[:, distance < 1.5].mean(axis=1), weights[:, distance > 4].mean(axis=1)
    round_enough = roundness(weights, arbor.offsets)
    if kind == "opponent":
        assert (round_enough > 0.8).all()
        assert (centre > 0.3).all() and (surround < -0.4).all()
    else:
        assert np.median(round_enough) < 0.2
        odd = (weights - weights[:, ::-1]) / 2
        assert np.median((odd**2).sum(axis=1) / (weights**2).sum(axis=1)) > 0.8


def test_growing_is_reproducible_and_of_its_seed():
    autocovariance, rule = smooth_noise(12), HebbRule(0.0, -3.0)
    once, again, other = (
        grow(gaussian_arbor(1.5), autocovariance, rule, seed=seed, num_units=3) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)


# -------------------------------------------------------------------------------- the network


def test_develop_hands_covariances_on():
    plans = linsker_plans(0.8)[:3]
    layers = develop(plans, 12, seed=0)
    assert [layer.plan.name for layer in layers] == ["B", "C", "D"]
    np.testing.assert_array_equal(layers[0].received, white_noise(12))
    assert (layers[0].weights == 0.5).all()
    for below, above in pairwise(layers):
        average = average_over_places(below.covariance)
        np.testing.assert_allclose(above.received, average / average[0, 0])
        dense = below.matrix @ covariance_matrix(below.received) @ below.matrix.T
        np.testing.assert_allclose(below.covariance, dense, atol=1e-12)


def test_overlapping_arbors_make_gaussian_correlations():
    """Layer B's correlation at distance r is exp(−r²/4 spread²)."""
    distance = np.arange(5)
    np.testing.assert_allclose(smooth_noise(24, 2.0)[0, :5], np.exp(-(distance**2) / 16), atol=0.02)


def test_linsker_plans_are_in_proportion():
    plans = linsker_plans(1.0, lateral=SMALL)
    assert [plan.name for plan in plans] == list("BCDEFG")
    np.testing.assert_array_equal(plans[1].arbor.offsets, gaussian_arbor(math.sqrt(3)).offsets)
    assert plans[-1].rule.lateral is SMALL


def test_lateral_connections_align_neighbours():
    """Fields overlap more, as they lie in the layer below, than those of units that grow alone."""
    arbor, autocovariance = gaussian_arbor(1.5), smooth_noise(14)

    def correlation_of_neighbours(lateral):
        weights = grow(arbor, autocovariance, HebbRule(0.0, -3.0, lateral=lateral), seed=0)
        covariance = propagate(response_matrix(weights, arbor, 14), autocovariance)
        average = average_over_places(covariance)
        return average[0, 1] / average[0, 0]

    assert correlation_of_neighbours(gaussian_arbor(0.8, reach=2)) > 0.5
    assert abs(correlation_of_neighbours(None)) < 0.2


# ------------------------------------------------------------------------- most information


def start_units(side=6, seed=0, input_noise=0.1, output_noise=0.2):
    weights = response_matrix(some_weights(side, seed=seed), SMALL, side)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    return LinearUnits(weights, covariance_matrix(smooth_noise(side, 0.8)), input_noise, output_noise)


@settings(max_examples=10)
@given(st.integers(0, 1000), st.floats(0.01, 2), st.floats(0.05, 2))
def test_gradient_at_fixed_norms_by_finite_differences(seed, input_noise, output_noise):
    units = start_units(5, seed % 7, input_noise, output_noise)
    units = replace(units, weights=3 * units.weights)
    direction = np.random.default_rng(seed).standard_normal(units.weights.shape)

    def turned(step):
        weights = units.weights + step * direction
        return replace(units, weights=3 * weights / np.linalg.norm(weights, axis=1, keepdims=True))

    numeric = (turned(1e-5).information() - turned(-1e-5).information()) / 2e-5
    assert (gradient_at_fixed_norms(units) * direction).sum() == pytest.approx(numeric, rel=1e-4, abs=1e-7)


def test_climbing_keeps_arbors_and_norms_and_comes_to_a_maximum():
    start = start_units()
    start = replace(start, weights=np.linspace(0.5, 1.5, 36)[:, None] * start.weights)
    units = climb_within_arbors(start, tolerance=1e-12)
    np.testing.assert_array_equal(units.weights != 0, start.weights != 0)
    np.testing.assert_allclose(
        np.linalg.norm(units.weights, axis=1), np.linalg.norm(start.weights, axis=1), atol=1e-12
    )
    assert units.information() > start.information() + 1
    slope = gradient_at_fixed_norms(units)[start.weights != 0]
    assert np.abs(slope).max() < 1e-3 * np.abs(gradient_at_fixed_norms(start)).max()


def test_local_units_convey_nearly_what_any_could():
    """The closed form without arbors is a bound, and the ascent comes within two percent of it."""
    start = start_units(8)
    units = climb_within_arbors(start)
    bound = best_units_of_norm(start.signal, 64, 64, input_noise=0.1, output_noise=0.2).information()
    assert 0.98 * bound < units.information() <= bound
    assert start.information() < 0.9 * bound


def test_information_of_equal_units_is_a_sum_over_frequencies():
    """½ Σ log(1 + |w|² S/(|w|² ν + σ²)), where all units have the same weights."""
    side, noise, own = 8, 0.3, 0.5
    autocovariance = smooth_noise(side, 0.8)
    weights = np.tile(some_weights(side)[0], (side**2, 1))
    matrix = response_matrix(weights, SMALL, side)
    gain = np.abs(np.fft.fft2(matrix[0].reshape(side, side))) ** 2
    spectrum = np.fft.fft2(autocovariance).real
    expected = np.log1p(gain * spectrum / (gain * noise + own)).sum() / 2
    units = LinearUnits(matrix, covariance_matrix(autocovariance), noise, own)
    assert units.information() == pytest.approx(expected)


# -------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gaussian_arbor(0), "gaussian_arbor: spread must be above 0, got 0"),
        (lambda: gaussian_arbor(1, reach=-1), "reach must be above 0, got -1"),
        (lambda: HebbRule(math.nan, 0), "HebbRule: k1 must be finite, got nan"),
        (lambda: HebbRule(0, 0, limit=0), "limit must be above 0"),
        (
            lambda: HebbRule(0, 0, lateral=SMALL, strength=-1),
            "HebbRule: strength must be at least 0, got -1",
        ),
        (
            lambda: response_matrix(np.ones((4, 9)), SMALL, 6),
            r"response_matrix: weights must be \[36, 9\], a unit at each place .* got shape \(4, 9\)",
        ),
        (
            lambda: response_matrix(np.ones((4, 9)), SMALL, 2),
            "response_matrix: an arbor that reaches 1 places does not fit on a torus of side 2; "
            "the side must be at least 3",
        ),
        (
            lambda: grow(gaussian_arbor(4), white_noise(12), HebbRule(0.5, 0), seed=0),
            "grow: an arbor that reaches 10 places does not fit",
        ),
        (
            lambda: grow(SMALL, white_noise(6), HebbRule(0.5, 0), seed=0, num_units=0),
            "grow: num_units must be at least 1.* got 0",
        ),
        (
            lambda: grow(SMALL, white_noise(6), HebbRule(0.5, 0, lateral=SMALL), seed=0, num_units=5),
            "grow: .*with lateral connections one at each of the 36 places, got 5",
        ),
        (lambda: develop([], 12, seed=0), "develop: there must be at least one layer to grow, got no plans"),
        (
            lambda: climb_within_arbors(LinearUnits([[1.0, 0.0], [0.0, 0.0]], np.eye(2))),
            "climb_within_arbors: unit 1 has no synapses: all its weights are 0",
        ),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_weights_that_go_on_changing_are_reported():
    with pytest.raises(
        RuntimeError, match="grow: weights still change after 3 steps; allow more, or a larger"
    ):
        grow(gaussian_arbor(1.5), smooth_noise(12), HebbRule(0.0, -3.0), seed=0, num_units=2, max_steps=3)


def test_no_convergence_is_reported():
    with pytest.raises(RuntimeError, match=r"climb_within_arbors: no convergence .*; allow more iterations"):
        climb_within_arbors(start_units(), max_iterations=1)
