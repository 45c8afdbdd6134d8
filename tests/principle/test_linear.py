"""Linear units against determinants, finite differences, slow searches and known optima."""

import math

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from infomax import principle
from infomax.information import gaussian_mutual_information, parallel_gaussian_capacity
from infomax.principle import climbing


def random_covariance(d, seed=0):
    a = np.random.default_rng(seed).normal(size=(d, d + 3))
    return a @ a.T / d


def random_units(k, d, seed=0, **keywords):
    keywords = {"input_noise": 0.3, "output_noise": 0.7, **keywords}
    weights = np.random.default_rng(100 + seed).normal(size=(k, d))
    return principle.LinearUnits(weights, random_covariance(d, seed), **keywords)


def rescaled(weights, gram, limit):
    return weights * math.sqrt(limit / np.trace(weights @ gram @ weights.T))


# ------------------------------------------------------------------ what units convey


@pytest.mark.parametrize(("k", "d"), [(1, 1), (2, 3), (3, 3), (5, 2)])
@pytest.mark.parametrize("matrix", [False, True])
def test_information_is_that_of_the_joint_covariance(k, d, matrix):
    units = random_units(k, d, input_noise=random_covariance(d, 7) if matrix else 0.3)
    signal, w = units.signal, units.weights
    joint = np.block([[signal, signal @ w.T], [w @ signal, units.output_covariance]])
    assert units.information() == pytest.approx(float(gaussian_mutual_information(joint, d)))
    assert units.information(base=2) == pytest.approx(units.information() / math.log(2))


def test_the_two_terms_are_those_of_samples():
    rng = np.random.default_rng(0)
    units = random_units(2, 3)
    x = rng.multivariate_normal(np.zeros(3), units.signal, 400_000)
    y = (x + rng.normal(0, math.sqrt(0.3), x.shape)) @ units.weights.T + rng.normal(
        0, math.sqrt(0.7), (len(x), 2)
    )
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    for rows, entropy in ((y, units.output_entropy()), (residual, units.conditional_entropy())):
        sampled = np.linalg.slogdet(2 * math.pi * math.e * np.cov(rows, rowvar=False))[1] / 2
        assert entropy == pytest.approx(sampled, abs=0.01)


@pytest.mark.parametrize(("k", "d"), [(1, 3), (3, 3), (4, 2)])
@pytest.mark.parametrize("noise", [0.0, 0.5, "matrix"])
def test_gradient_by_finite_differences(k, d, noise):
    units = random_units(k, d, input_noise=random_covariance(d, 5) if noise == "matrix" else noise)

    def information(flat):
        weights = flat.reshape(k, d)
        return principle.LinearUnits(weights, units.signal, units.input_noise, 0.7).information()

    numeric = scipy.optimize.approx_fprime(units.weights.ravel(), information, 1e-7).reshape(k, d)
    np.testing.assert_allclose(units.gradient(), numeric, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 4))
def test_laws(seed, k, d):
    """Information is positive; rotating outputs keeps it; another unit, or less noise, adds to it."""
    units = random_units(k, d, seed)
    assert units.information() > 0
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(k, k)))[0]
    rotated = principle.LinearUnits(rotation @ units.weights, units.signal, 0.3, 0.7)
    assert rotated.information() == pytest.approx(units.information())
    fewer = principle.LinearUnits(units.weights[:1], units.signal, 0.3, 0.7)
    assert fewer.information() <= units.information() + 1e-12
    alone = [principle.LinearUnits(w[None], units.signal, 0.3, 0.7).output_entropy() for w in units.weights]
    assert units.redundancy() == pytest.approx(sum(alone) - units.output_entropy())
    assert units.redundancy() > -1e-12
    louder = principle.LinearUnits(2 * units.weights, units.signal, 0.3, 0.7)
    assert louder.information() > units.information()


def test_correlations():
    pair = principle.LinearUnits([[1, 0], [1, 0], [0, -1]], [[1, 0.8], [0.8, 1]], output_noise=1)
    np.testing.assert_allclose(pair.correlations(), [[1, 1, -0.8], [1, 1, -0.8], [-0.8, -0.8, 1]])


def test_noiseless_outputs_of_noisy_inputs():
    """Invertible weights convey all that arrives, whatever they are."""
    signal = random_covariance(3)
    for seed in range(3):
        units = random_units(3, 3, seed, output_noise=0)
        units = principle.LinearUnits(units.weights, signal, 0.3, 0.0)
        arrived = np.linalg.slogdet(np.eye(3) + signal / 0.3)[1] / 2
        assert units.information() == pytest.approx(arrived)
        np.testing.assert_allclose(units.gradient(), 0, atol=1e-9)


# ------------------------------------------------------------------ optima


def test_power_without_input_noise_is_shared_equally():
    """van Hateren: with noise on the outputs only, every axis gets the same power: whitening."""
    units = principle.best_units_of_power(random_covariance(4), 8.0, 4)
    np.testing.assert_allclose(units.responses, 2 * np.eye(4), atol=1e-9)
    assert units.information() == pytest.approx(parallel_gaussian_capacity(np.ones(4), 8.0).capacity)


def test_norm_without_input_noise_is_water_filling():
    signal = np.diag([4.0, 1.0, 0.01])
    units = principle.best_units_of_norm(signal, 2.0, 3, output_noise=0.5)
    filled = parallel_gaussian_capacity(0.5 / np.diagonal(signal), 2.0)
    np.testing.assert_allclose(np.diagonal(units.weights @ units.weights.T), filled.powers, atol=1e-9)
    assert units.information() == pytest.approx(filled.capacity)


@pytest.mark.parametrize("best", [principle.best_units_of_power, principle.best_units_of_norm])
def test_rows_span_the_leading_principal_axes(best):
    signal = random_covariance(5)
    units = best(signal, 30.0, 2, input_noise=0.1, output_noise=0.1)
    leading = np.linalg.eigh(signal)[1][:, -2:]
    row_space = np.linalg.qr(units.weights.T)[0]
    np.testing.assert_allclose(row_space @ row_space.T, leading @ leading.T, atol=1e-9)


@pytest.mark.parametrize(
    ("k", "limit", "input_noise", "output_noise"),
    [(1, 1.0, 0.5, 0.7), (2, 3.0, 0.0, 0.7), (3, 10.0, 1.0, 0.1), (5, 0.2, 0.3, 0.7), (3, 0.5, 0.2, 5.0)],
)
@pytest.mark.parametrize("kind", ["power", "norm"])
def test_no_other_weights_within_the_limit_convey_more(kind, k, limit, input_noise, output_noise):
    signal, rng = random_covariance(3), np.random.default_rng(0)
    best = getattr(principle, f"best_units_of_{kind}")
    units = best(signal, limit, k, input_noise=input_noise, output_noise=output_noise)
    gram = units.received if kind == "power" else np.eye(3)
    assert np.trace(units.weights @ gram @ units.weights.T) == pytest.approx(limit)
    for scale in (0.01, 0.1, 1.0):
        for _ in range(60):
            other = rescaled(units.weights + scale * rng.normal(size=(k, 3)), gram, limit)
            other = principle.LinearUnits(other, signal, input_noise, output_noise)
            assert other.information() <= units.information() + 1e-12


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("kind", ["power", "norm"])
def test_gradient_ascent_finds_the_closed_form(kind, seed):
    """From random weights, units limited each for itself reach what the best limited together convey."""
    signal = random_covariance(3, seed)
    noise = random_covariance(3, 9) if kind == "power" else 0.4
    best = getattr(principle, f"best_units_of_{kind}")(signal, 4.0, 2, input_noise=noise, output_noise=0.5)
    start = principle.LinearUnits(np.random.default_rng(seed).normal(0, 0.1, (2, 3)), signal, noise, 0.5)
    found = getattr(principle, f"climb_with_{kind}s")(start, np.array([2.0, 2.0]))
    gram = best.received if kind == "power" else np.eye(3)
    np.testing.assert_allclose(np.diagonal(found.weights @ gram @ found.weights.T), 2)
    assert start.information() < found.information() == pytest.approx(best.information(), abs=1e-8)


def test_limits_that_differ_from_unit_to_unit():
    """Another optimiser, with the limits as constraints, finds nothing better."""
    units = random_units(2, 3, input_noise=0.2, output_noise=0.1)
    limits = np.array([3.0, 0.3])
    found = principle.climb_with_norms(units, limits)

    def information(flat):
        return principle.LinearUnits(flat.reshape(2, 3), units.signal, 0.2, 0.1).information()

    room = {"type": "ineq", "fun": lambda flat: limits - (flat.reshape(2, 3) ** 2).sum(axis=1)}
    others = [
        scipy.optimize.minimize(lambda f: -information(f), start, constraints=room, method="SLSQP").fun
        for start in np.random.default_rng(0).normal(size=(5, 6))
    ]
    assert found.information() == pytest.approx(-min(others), abs=1e-4)


@pytest.mark.parametrize("k", [2, 3, 7])
@pytest.mark.parametrize("kind", ["power", "norm"])
def test_shared_equally_among_units(kind, k):
    signal = random_covariance(4)
    best = getattr(principle, f"best_units_of_{kind}")(signal, 3.0, k, input_noise=0.2, output_noise=0.5)
    shared = getattr(principle, f"share_{kind}_equally")(best)
    gram = best.received if kind == "power" else np.eye(4)
    np.testing.assert_allclose(np.diagonal(shared.weights @ gram @ shared.weights.T), 3 / k)
    assert shared.information() == pytest.approx(best.information())


def test_axes_of_high_signal_to_noise_are_favoured():
    noise = np.diag([10.0, 1.0, 0.1])
    units = principle.best_units_of_power(np.eye(3), 1.0, 3, input_noise=noise, output_noise=1.0)
    power = np.diagonal(units.weights.T @ units.weights) * np.diagonal(units.received)
    assert power[0] == pytest.approx(0, abs=1e-9) and power[2] > power[1] > 0


@pytest.mark.parametrize("best", [principle.best_units_of_power, principle.best_units_of_norm])
def test_a_singular_signal_leaves_its_silent_axes_out(best):
    signal = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    for input_noise in (0.0, 0.5):
        units = best(signal, 2.0, 3, input_noise=input_noise)
        np.testing.assert_allclose(units.weights[1:], 0, atol=1e-7)
        assert abs(units.weights[0] @ [1, 1, 0]) == pytest.approx(
            math.sqrt(2) * np.linalg.norm(units.weights)
        )


def test_climbing_gives_up_aloud(monkeypatch):
    def stop_at_once(function, start, jac, method, options):
        return scipy.optimize.OptimizeResult(x=start, jac=function(start)[1])

    monkeypatch.setattr(climbing, "minimize", stop_at_once)
    with pytest.raises(
        RuntimeError, match=r"climb_with_norms: no convergence, the slope is still .*; start els"
    ):
        principle.climb_with_norms(random_units(2, 2), np.ones(2))


UNITS = {"weights": np.eye(2), "signal": np.eye(2)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.ones((2, 3))}, r"weights must be \[units, 2\].* got shape \(2, 3\)"),
        ({"weights": np.ones(2)}, r"weights must be \[units, 2\].* got shape \(2,\)"),
        ({"signal": np.ones((2, 3))}, r"signal must be a covariance \[d, d\], got shape \(2, 3\)"),
        ({"signal": [[1.0, 0.5], [0.0, 1.0]]}, "signal must be symmetric and finite"),
        ({"signal": [[1.0, np.nan], [np.nan, 1.0]]}, "signal must be symmetric and finite"),
        ({"signal": [[1.0, 2.0], [2.0, 1.0]]}, "semi-definite, got the eigenvalue -1; no variables have"),
        ({"input_noise": -1.0}, "input_noise must be at least 0, got -1"),
        ({"input_noise": np.eye(3)}, r"input_noise must be a variance, or a covariance \[2, 2\]"),
        ({"output_noise": -0.5}, "output_noise must be at least 0, got -0.5"),
        (
            {"output_noise": 0.0},
            r"singular covariance, so that H\(M\|L\) has no value; give output_noise > 0",
        ),
        (
            {"weights": np.ones((3, 2)) + np.eye(3, 2), "input_noise": 1.0, "output_noise": 0.0},
            "of the 3 outputs has a singular covariance, .* no more than the 2 inputs",
        ),
    ],
)
def test_units_that_make_no_sense_are_refused(change, message):
    with pytest.raises(ValueError, match=rf"LinearUnits: .*{message}"):
        principle.LinearUnits(**{**UNITS, **change})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: principle.best_units_of_power(np.eye(2), -1, 1),
            "best_units_of_power: power must be above 0, got -1",
        ),
        (
            lambda: principle.best_units_of_norm(np.eye(2), 0, 1),
            "best_units_of_norm: norm must be above 0, got 0",
        ),
        (
            lambda: principle.best_units_of_power(np.eye(2), 1, 0),
            "num_units must be from 1 to 1,000,000, got 0",
        ),
        (
            lambda: principle.best_units_of_norm(np.eye(2), 1, 1, output_noise=0),
            "output_noise must be positive, got 0: without it the limit does not matter",
        ),
        (
            lambda: principle.best_units_of_norm(np.eye(2), 1, 1, input_noise=np.diag([1.0, 2.0])),
            "best_units_of_norm: there is no closed form when inputs differ in noise; .* climb_with_norms",
        ),
        (
            lambda: principle.best_units_of_power(np.eye(2), 1, 1, input_noise=np.diag([1.0, 0.0])),
            "input_noise is a singular covariance: some directions are free of noise; add a little",
        ),
        (
            lambda: principle.climb_with_powers(random_units(2, 2), np.array([1.0, -1.0])),
            r"climb_with_powers: expected one positive limit for each of 2 units, got \[ 1. -1.\]",
        ),
        (lambda: principle.climb_with_norms(random_units(2, 2), np.ones(3)), "for each of 2 units"),
        (
            lambda: principle.climb_with_norms(
                principle.LinearUnits([[1, 0], [0, 0]], np.eye(2)), np.ones(2)
            ),
            "unit 1 has no power to scale; start from random weights",
        ),
        (
            lambda: principle.LinearUnits([[0.0, 0.0]], np.eye(2)).correlations(),
            "correlations: unit 0 does not respond to anything",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
