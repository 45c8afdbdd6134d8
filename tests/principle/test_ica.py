"""InfoMax ICA: densities against quadrature, L against differences and another optimiser, known sources."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import quad
from scipy.optimize import check_grad, minimize
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from infomax.principle.experiments import EXPERIMENTS
from infomax.principle.ica import InfoMaxICA, amari_distance
from infomax.principle.unmixing.ascent import _Ascent, maximize_likelihood
from infomax.principle.unmixing.densities import SUPER_AND_SUB, logistic, sub_gaussian, super_gaussian
from infomax.principle.unmixing.likelihood import WhiteSamples, threads
from infomax.principle.unmixing.rules import NaturalGradient, QuasiNewton

DENSITIES = [logistic, super_gaussian, sub_gaussian]


def heavy(rng, *shape):
    return rng.laplace(size=shape) / np.sqrt(2)


def light(rng, *shape):
    return (rng.choice([-1, 1], shape) + 0.5 * rng.standard_normal(shape)) / np.sqrt(1.25)


def mixture(num_each=2, n=5000, seed=0):
    """Samples of mixed sources, half with heavy and half with light tails; and the mixing matrix."""
    rng = np.random.default_rng(seed)
    sources = np.hstack([heavy(rng, n, num_each), light(rng, n, num_each)])
    mixing = rng.standard_normal((2 * num_each, 2 * num_each))
    return sources @ mixing.T + rng.standard_normal(2 * num_each), mixing


# ------------------------------------------------------------------ scikit-learn's own checks


@parametrize_with_checks([InfoMaxICA()])
def test_scikit_learn(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        check(estimator)


# ------------------------------------------------------------------ densities


@pytest.mark.parametrize("density", DENSITIES)
def test_densities_have_mass_and_variance_one(density):
    def p(y):
        return np.exp(density(np.array([y]))[0]).item()

    assert quad(p, -40, 40)[0] == pytest.approx(1, abs=1e-9)
    assert quad(lambda y: y * p(y), -40, 40)[0] == pytest.approx(0, abs=1e-9)
    assert quad(lambda y: y**2 * p(y), -40, 40)[0] == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("density", DENSITIES)
@given(y=st.floats(-30, 30))
def test_scores_and_slopes_are_derivatives(density, y):
    step = 1e-5
    (below, score_below, _), (above, score_above, _) = (
        density(np.array([y - step])),
        density(np.array([y + step])),
    )
    _, score, slope = density(np.array([y]))
    assert -(above - below) / (2 * step) == pytest.approx(score, abs=1e-6)
    assert (score_above - score_below) / (2 * step) == pytest.approx(slope, abs=1e-6)


def test_densities_in_closed_form():
    y = np.linspace(-60, 60, 101)
    np.testing.assert_allclose(logistic(y)[0], scipy.stats.logistic(scale=np.sqrt(3) / np.pi).logpdf(y))
    half = np.sqrt(0.5)
    two_humps = np.logaddexp(*(scipy.stats.norm(m, half).logpdf(y) for m in (-half, half))) - np.log(2)
    np.testing.assert_allclose(sub_gaussian(y)[0], two_humps)


# ------------------------------------------------------------------ likelihood and ascent


def white_samples(d, n, densities=SUPER_AND_SUB, seed=0):
    rng = np.random.default_rng(seed)
    sources = np.hstack([heavy(rng, n, d - d // 2), light(rng, n, d // 2)])
    mixed = sources @ np.linalg.qr(rng.standard_normal((d, d)))[0]
    return WhiteSamples(mixed, densities)


def slow_likelihood(samples, unmixing, chosen):
    total = 0.0
    for row in samples.rows:
        y = unmixing @ row
        total += sum(
            samples.densities[k](np.array([y_i]))[0].item() for k, y_i in zip(chosen, y, strict=True)
        )
    return np.log(abs(np.linalg.det(unmixing))) + total / len(samples.rows)


def test_moments_are_those_of_a_slow_loop(monkeypatch):
    monkeypatch.setattr("infomax.principle.unmixing.likelihood.BLOCK", 3 * 7)
    monkeypatch.setattr("infomax.principle.unmixing.likelihood.SHARE", 3 * 20)
    samples, chosen = white_samples(3, 50), np.array([0, 1, 0])
    unmixing = np.random.default_rng(1).standard_normal((3, 3))
    here = samples.moments(unmixing, chosen)
    assert here.value == pytest.approx(slow_likelihood(samples, unmixing, chosen))
    y = samples.rows @ unmixing.T
    slopes = np.stack([samples.densities[k](y[:, i])[2] for i, k in enumerate(chosen)])
    np.testing.assert_allclose(here.slope, slopes.mean(1))
    np.testing.assert_allclose(here.power, (y**2).mean(0))
    np.testing.assert_allclose(here.curvature, 1 + (slopes * y.T**2).mean(1))


def test_gradient_is_that_of_relative_steps():
    samples, chosen = white_samples(3, 40), np.array([0, 1, 1])
    unmixing = np.random.default_rng(1).standard_normal((3, 3))

    def at(step):
        return samples.moments((np.eye(3) + step.reshape(3, 3)) @ unmixing, chosen)

    error = check_grad(lambda e: at(e).value, lambda e: at(e).gradient.ravel(), np.zeros(9))
    assert error < 1e-6


def test_newton_inverts_the_curvature_at_independence():
    here = white_samples(4, 4000).moments(1.3 * np.eye(4), np.array([0, 0, 1, 1]))
    here = here._replace(slope=np.array([2.0, 1.5, 3.0, 1.2]))
    gradient = np.random.default_rng(1).standard_normal((4, 4))
    step = here.newton(gradient)
    back = np.outer(here.slope, here.power) * step + step.T
    back[np.diag_indices(4)] = here.curvature * np.diag(step)
    np.testing.assert_allclose(back, gradient)


def test_newton_steps_lead_uphill_even_from_a_saddle():
    here = white_samples(4, 4000).moments(np.eye(4), np.array([1, 1, 0, 0]))
    here = here._replace(slope=np.array([0.1, 0.2, 0.1, 0.3]))
    assert np.vdot(here.newton(here.gradient), here.gradient) > 0


@pytest.mark.parametrize("rule", [QuasiNewton, NaturalGradient])
def test_the_maximum_is_that_of_another_optimiser(rule):
    samples = white_samples(3, 400)
    found = maximize_likelihood(samples, rule(), tolerance=1e-5, max_steps=1000)
    other = minimize(
        lambda w: -samples.moments(w.reshape(3, 3), found.chosen).value,
        found.matrix.ravel() + 0.05 * np.random.default_rng(2).standard_normal(9),
        method="BFGS",
    )
    assert found.steepest < 1e-5
    assert samples.moments(found.matrix, found.chosen).value == pytest.approx(-other.fun, abs=1e-8)


def test_parts_of_the_samples_lead_to_the_maximum_on_all(monkeypatch):
    samples = white_samples(4, 6000)
    whole = maximize_likelihood(samples, QuasiNewton(), tolerance=1e-8, max_steps=500)
    monkeypatch.setattr("infomax.principle.unmixing.ascent.MIN_SAMPLES", 500)
    in_parts = maximize_likelihood(samples, QuasiNewton(), tolerance=1e-8, max_steps=500)
    order = np.abs(in_parts.matrix @ np.linalg.inv(whole.matrix)).argmax(axis=1)
    signs = np.sign(np.sum(in_parts.matrix * whole.matrix[order], axis=1, keepdims=True))
    np.testing.assert_allclose(in_parts.matrix, signs * whole.matrix[order], atol=1e-6)


def test_half_and_half_is_left():
    """Where Student's t and a coin with noise are mixed half and half, L is flat enough for ascent to end."""
    rng = np.random.default_rng(0)
    t, coin = rng.standard_t(3, 20_000), rng.choice([-1, 1], 20_000) + 0.1 * rng.standard_normal(20_000)
    samples = WhiteSamples(np.stack([t / t.std(), coin / coin.std()], axis=1), SUPER_AND_SUB)
    ascent = _Ascent(samples, QuasiNewton(), np.array([[1, 1], [1, -1]]) / np.sqrt(2))
    ascent.run(1e-3, 100)
    trapped = ascent.here
    assert trapped.steepest < 1e-3
    assert amari_distance(ascent.unmixing) > 0.8
    assert ascent.untangle(1e-3, 100) > 0
    assert amari_distance(ascent.unmixing) < 0.02
    assert ascent.here.value > trapped.value + 0.1
    assert ascent.untangle(1e-3, 100) == 0


def test_the_number_of_threads_does_not_matter(monkeypatch):
    monkeypatch.setattr("infomax.principle.unmixing.likelihood.SHARE", 4 * 100)
    samples = white_samples(4, 1000)
    with threads() as several:
        results = [
            WhiteSamples(samples.rows, samples.densities, how).moments(np.eye(4), np.array([0, 0, 1, 1]))
            for how in (map, several)
        ]
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


# ------------------------------------------------------------------ the estimator


@pytest.mark.parametrize("whiten", [True, False])
@pytest.mark.parametrize("quasi_newton", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_known_sources_are_found(dtype, quasi_newton, whiten):
    X, mixing = mixture()
    ica = InfoMaxICA(quasi_newton=quasi_newton, whiten=whiten, max_iter=2000).fit(X.astype(dtype))
    assert amari_distance(ica.components_ @ mixing) < 0.03
    assert sorted(density.__name__ for density in ica.densities_) == 2 * ["sub_gaussian"] + 2 * [
        "super_gaussian"
    ]
    assert ica.transform(X.astype(dtype)).dtype == dtype
    assert hasattr(ica, "whitening_") is whiten


def test_gaussian_sources_cannot_be_found():
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((6, 6))
    ica = InfoMaxICA().fit(rng.standard_normal((5000, 6)) @ mixing.T)
    assert amari_distance(ica.components_ @ mixing) > 0.1


def test_the_original_finds_heavy_tails_and_not_light_ones():
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((4, 4))
    distances = {}
    for kind in (heavy, light):
        for name, densities in (("original", (logistic,)), ("extended", SUPER_AND_SUB)):
            ica = InfoMaxICA(densities=densities).fit(kind(rng, 5000, 4) @ mixing.T)
            distances[kind.__name__, name] = amari_distance(ica.components_ @ mixing)
    assert distances.pop(("light", "original")) > 0.1
    assert max(distances.values()) < 0.03


def test_likelier_than_fast_ica():
    X, _ = mixture(3)
    ica, fast = InfoMaxICA(tol=1e-6).fit(X), FastICA(whiten="unit-variance", random_state=0).fit(X)
    outputs = fast.transform(X)
    samples = WhiteSamples(outputs, SUPER_AND_SUB)
    volume = np.linalg.slogdet(fast.components_)[1]
    chosen = samples.likeliest(np.eye(6))
    scales = minimize(
        lambda t: -samples.moments(np.diag(np.exp(t)), chosen).value, np.zeros(6)
    )  # FastICA does not set them
    assert ica.score(X) >= volume - scales.fun - 1e-9


def test_the_same_sources_from_any_mixture():
    X, _ = mixture()
    other = X @ np.random.default_rng(5).standard_normal((4, 4))
    one, two = (InfoMaxICA(tol=1e-8).fit(x).transform(x) for x in (X, other))
    correlations = np.abs(np.corrcoef(one, two, rowvar=False)[:4, 4:])
    np.testing.assert_allclose(np.sort(correlations, axis=1)[:, -1], 1, atol=1e-6)


def test_order_sign_and_scale():
    X, _ = mixture(3)
    ica = InfoMaxICA().fit(X)
    sources = ica.transform(X)
    accounted = np.sum(ica.mixing_**2, axis=0) * np.mean(sources**2, axis=0)
    assert np.all(np.diff(accounted) <= 0)
    assert np.all(ica.mixing_[np.abs(ica.mixing_).argmax(axis=0), np.arange(6)] > 0)
    np.testing.assert_allclose(sources.std(axis=0), 1, atol=0.3)
    np.testing.assert_allclose(sources.mean(axis=0), 0, atol=1e-9)


def test_back_again():
    X, _ = mixture()
    whole = InfoMaxICA().fit(X)
    np.testing.assert_allclose(whole.inverse_transform(whole.transform(X)), X)
    np.testing.assert_allclose(whole.mixing_, np.linalg.inv(whole.components_))
    np.testing.assert_allclose(whole.mean_, X.mean(axis=0))
    assert list(whole.get_feature_names_out()) == [f"infomaxica{i}" for i in range(4)]


def test_fewer_components_keep_the_principal_plane():
    X, _ = mixture()
    ica = InfoMaxICA(2).fit(X)
    assert ica.components_.shape == ica.whitening_.shape == (2, 4)
    assert ica.mixing_.shape == (4, 2)
    centred = X - X.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    np.testing.assert_allclose(ica.inverse_transform(ica.transform(X)) - X.mean(0), centred @ axes.T @ axes)
    np.testing.assert_allclose(np.cov(centred @ ica.whitening_.T, rowvar=False, ddof=0), np.eye(2), atol=1e-9)


def test_score_is_the_log_density():
    rng = np.random.default_rng(0)
    X = rng.logistic(size=(3000, 3)) @ np.diag([1.0, 2.0, 3.0])
    ica = InfoMaxICA(densities=(logistic,)).fit(X)
    y, unit = ica.transform(X), scipy.stats.logistic(scale=np.sqrt(3) / np.pi)
    expected = unit.logpdf(y).sum(axis=1) + np.log(abs(np.linalg.det(ica.components_)))
    np.testing.assert_allclose(ica.score_samples(X), expected)
    truth = scipy.stats.logistic(scale=[1, 2, 3]).logpdf(X).sum(axis=1).mean()
    assert (
        truth < ica.score(X) == pytest.approx(truth, abs=0.005)
    )  # nine parameters and a mean of 3000 samples


def test_score_of_fewer_components_is_that_of_the_projection():
    X, _ = mixture()
    ica = InfoMaxICA(2).fit(X)
    axes = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)[2][:2]
    inside = InfoMaxICA(densities=SUPER_AND_SUB, tol=1e-3).fit((X - X.mean(axis=0)) @ axes.T)
    assert ica.score(X) == pytest.approx(inside.score((X - X.mean(axis=0)) @ axes.T), abs=1e-5)


def test_the_same_twice():
    X, _ = mixture(n=9000)
    first, second = (InfoMaxICA(random_state=3).fit(X).components_ for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_columns_of_rank_less_than_their_number():
    X, _ = mixture()
    averaged = X - X.mean(axis=1, keepdims=True)
    with pytest.raises(ValueError, match=r"cannot find 4 components in columns of rank 3; set n_comp"):
        InfoMaxICA().fit(averaged)
    assert InfoMaxICA(3).fit(averaged).components_.shape == (3, 4)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 5}, r"n_components must be None or from 1 to 4, the number of columns, got 5"),
        ({"n_components": 0}, r"n_components must be None or from 1 to 4"),
        ({"n_components": 2.0}, r"n_components must be .* got 2\.0"),
        ({"n_components": 2, "whiten": False}, r"whiten=False keeps all 4 columns, got n_components=2; let"),
        ({"densities": logistic}, r"densities must be one function or more .* write densities=\(logistic,\)"),
        ({"densities": ()}, r"densities must be one function or more in a tuple, got \(\)"),
        ({"tol": 0.0}, r"max_iter must be at least 1 and tol positive, got 500, 0\.0"),
        ({"max_iter": 0}, r"max_iter must be at least 1 and tol positive, got 0, 0\.001"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=rf"InfoMaxICA: {message}"):
        InfoMaxICA(**parameters).fit(mixture(n=50)[0])


def test_bad_samples():
    X, _ = mixture(n=50)
    with pytest.raises(
        ValueError, match="InfoMaxICA: 4 components need more than 4 samples, got 4; lower n_c"
    ):
        InfoMaxICA().fit(X[:4])
    X[:, 2] = 7.1
    with pytest.raises(ValueError, match=r"InfoMaxICA: constant columns \[2\] belong to no component; drop"):
        InfoMaxICA(2).fit(X)
    X[3, 2] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        InfoMaxICA().fit(X)


def test_a_wrong_number_of_sources():
    ica = InfoMaxICA(2).fit(mixture(n=500)[0])
    with pytest.raises(ValueError, match=r"inverse_transform: X has 3 columns, expected the 2 components"):
        ica.inverse_transform(np.zeros((1, 3)))


def test_it_says_when_it_has_not_converged():
    X, _ = mixture()
    with pytest.warns(
        ConvergenceWarning, match=r"InfoMaxICA: after 2 steps the largest .* raise max_iter=2 or"
    ):
        InfoMaxICA(max_iter=2).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        InfoMaxICA().fit(X)


def test_torch_is_not_imported():
    code = "import sys, infomax.principle.ica; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# ------------------------------------------------------------------ Amari distance


@given(arrays(float, (4, 4), elements=st.floats(0.1, 1)), st.permutations(range(4)), st.floats(-9, -0.1))
def test_amari_distance_ignores_order_and_one_scale(gains, order, scale):
    distance = amari_distance(gains)
    assert 0 <= distance <= 1
    assert amari_distance(scale * gains[order]) == pytest.approx(distance)
    assert amari_distance(gains.T) == pytest.approx(distance)


def test_amari_distance_of_permutations_with_scales():
    assert amari_distance(np.diag([1.0, -2.0, 5.0])[[2, 0, 1]]) == 0
    assert amari_distance([[1, 0.1], [0, 1]]) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("gains", "message"),
    [
        (np.ones((2, 3)), r"gains must be square, at least 2×2, got shape \[2, 3\]; they are components_ @"),
        ([[1.0]], r"gains must be square, at least 2×2, got shape \[1, 1\]"),
        ([[1, 0], [2, 0]], "gains have a row or column of zeros"),
        ([[1, 0], [np.nan, 1]], "gains have a row or column of zeros"),
    ],
)
def test_bad_gains(gains, message):
    with pytest.raises(ValueError, match=f"amari_distance: {message}"):
        amari_distance(gains)


# ------------------------------------------------------------------ experiments


def test_sources_are_the_map_that_conveys_most():
    evidence = EXPERIMENTS["ica-sources"](1)
    assert evidence.holds
    assert evidence.numbers["bits_more_than_principal_components"] > 0.1


@pytest.mark.slow
def test_edges_are_the_map_that_conveys_most():
    evidence = EXPERIMENTS["ica-edges"](1)
    assert evidence.holds
    assert evidence.numbers["share_of_edge_filters"]["InfoMax"] > 1 / 3
