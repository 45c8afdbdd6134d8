"""Gaussian measures and channels against SciPy, closed forms, and attempts to do better."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch

from infomax.information import gaussian as g


def random_covariance(d, seed=0):
    a = np.random.default_rng(seed).normal(size=(d, d + 3))
    return a @ a.T / d


def test_entropy_agrees_with_scipy():
    sigma = random_covariance(5)
    assert float(g.gaussian_entropy(sigma)) == pytest.approx(
        scipy.stats.multivariate_normal(cov=sigma).entropy()
    )
    assert float(g.gaussian_entropy(sigma, base=2)) == pytest.approx(
        float(g.gaussian_entropy(sigma)) / math.log(2)
    )


@pytest.mark.parametrize("rho", [0.0, 0.3, -0.75, 0.999])
def test_information_of_a_correlation(rho):
    value = g.gaussian_mutual_information([[1, rho], [rho, 1]], 1)
    assert float(value) == pytest.approx(-math.log(1 - rho**2) / 2)


def test_information_by_canonical_correlations_and_by_entropies():
    sigma = random_covariance(7)
    rho = g.canonical_correlations(sigma, 3)
    h_x, h_y, h = (float(g.gaussian_entropy(s)) for s in (sigma[:3, :3], sigma[3:, 3:], sigma))
    information = float(g.gaussian_mutual_information(sigma, 3))
    assert information == pytest.approx(h_x + h_y - h) == pytest.approx(-np.log(1 - rho**2).sum() / 2)
    scaled = np.diag([1, 10, 0.1, 3, 1, 2, 5]) @ sigma @ np.diag([1, 10, 0.1, 3, 1, 2, 5])
    assert float(g.gaussian_mutual_information(scaled, 3)) == pytest.approx(information)


def test_kl_divergence():
    one = g.gaussian_kl_divergence([1.0], [[4.0]], [-1.0], [[9.0]])
    assert float(one) == pytest.approx(math.log(3 / 2) + (4 + 4) / 18 - 0.5)
    p, q = random_covariance(3), random_covariance(3, seed=1)
    mean = np.array([1.0, -1.0, 0.5])
    x = np.random.default_rng(0).multivariate_normal(mean, p, size=400_000)
    ratio = scipy.stats.multivariate_normal(mean, p).logpdf(x) - scipy.stats.multivariate_normal(
        cov=q
    ).logpdf(x)
    exact = float(g.gaussian_kl_divergence(mean, p, np.zeros(3), q))
    assert exact == pytest.approx(ratio.mean(), abs=5 * ratio.std() / math.sqrt(len(x)))
    joint = random_covariance(4)
    independent = scipy.linalg.block_diag(joint[:2, :2], joint[2:, 2:])
    zero = np.zeros(4)
    information = g.gaussian_kl_divergence(zero, joint, zero, independent)
    assert float(information) == pytest.approx(float(g.gaussian_mutual_information(joint, 2)))


def test_conditional_information_obeys_the_chain_rule():
    sigma = random_covariance(6)
    both = g.gaussian_conditional_mutual_information(sigma, [0, 1], [2, 3], [4, 5])
    first = g.gaussian_conditional_mutual_information(sigma, [0], [2, 3], [4, 5])
    second = g.gaussian_conditional_mutual_information(sigma, [1], [2, 3], [0, 4, 5])
    assert float(both) == pytest.approx(float(first + second))
    unconditional = g.gaussian_conditional_mutual_information(sigma, [0, 1], [2, 3, 4, 5], [])
    assert float(unconditional) == pytest.approx(float(g.gaussian_mutual_information(sigma, 2)))


def test_transfer_entropy_of_a_linear_process():
    """x drives y: y' = b y + c x + e, x' = a x + d. Then T(x→y) = ½ log( Var(y'|y) / Var(e) )."""
    a, b, c = 0.6, 0.3, 0.5
    step = np.array([[a, 0], [c, b]])
    now = scipy.linalg.solve_discrete_lyapunov(step, np.eye(2))
    joint = np.block([[now, now @ step.T], [step @ now, now]])  # (x, y, x', y')
    transfer = g.gaussian_conditional_mutual_information(joint, [0], [3], [1])
    residual = c**2 * (now[0, 0] - now[0, 1] ** 2 / now[1, 1]) + 1
    assert float(transfer) == pytest.approx(math.log(residual) / 2)
    assert float(g.gaussian_conditional_mutual_information(joint, [1], [2], [0])) == pytest.approx(
        0, abs=1e-12
    )


def test_torch_batches_and_gradients():
    factor = torch.randn(2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    factor.requires_grad_()

    def covariance(f):
        return f @ f.mT + torch.eye(4, dtype=torch.float64)

    mean = torch.ones(4, dtype=torch.float64)
    for measure in (
        lambda f: g.gaussian_entropy(covariance(f)),
        lambda f: g.gaussian_mutual_information(covariance(f), 1),
        lambda f: g.gaussian_conditional_mutual_information(covariance(f), [0], [3], [1]),
        lambda f: g.gaussian_kl_divergence(mean, covariance(f), mean, covariance(2 * f)),
    ):
        assert measure(factor).shape == (2,)
        assert torch.autograd.gradcheck(measure, (factor,))
    single = g.gaussian_mutual_information(torch.tensor([[1.0, 0.75], [0.75, 1.0]]), 1)
    assert single.dtype == torch.float32 and float(single) == pytest.approx(0.4133, abs=1e-4)


# ------------------------------------------------------------------ channels


def test_awgn_and_water_filling():
    assert float(g.awgn_capacity(3.0, base=2)) == pytest.approx(1)
    assert g.parallel_gaussian_capacity([1.0], 3.0, base=2).capacity == pytest.approx(1)
    filled = g.parallel_gaussian_capacity([1.0, 2.0, 10.0], 5.0)
    np.testing.assert_allclose(filled.powers, [3, 2, 0])
    assert filled.level == pytest.approx(4) and filled.capacity == pytest.approx(math.log(4 * 2) / 2)
    assert g.parallel_gaussian_capacity([1.0, 2.0], 0.0).capacity == 0


def test_no_other_sharing_of_power_beats_water_filling():
    rng = np.random.default_rng(0)
    noise, power = rng.exponential(size=6), 2.0
    best = g.parallel_gaussian_capacity(noise, power)
    assert best.powers.sum() == pytest.approx(power)
    others = rng.dirichlet(np.full(6, 0.5), size=5000) * power
    assert (np.log1p(others / noise).sum(1) / 2).max() <= best.capacity
    wet = best.powers > 0
    np.testing.assert_allclose((best.powers + noise)[wet], best.level)
    assert np.all(noise[~wet] >= best.level)


def test_rate_distortion_by_reverse_water_filling():
    assert g.gaussian_rate_distortion([4.0], 1.0, base=2) == pytest.approx(1)
    assert g.gaussian_rate_distortion([4.0], 5.0) == 0
    variances, distortion = np.array([4.0, 1.0, 0.1]), 0.9
    rate = g.gaussian_rate_distortion(variances, distortion)
    shares = np.random.default_rng(0).dirichlet(np.ones(3), size=20_000) * distortion
    rates = np.log(np.maximum(variances / shares, 1)).sum(1) / 2
    assert rate <= rates.min() and rate == pytest.approx(rates.min(), abs=1e-2)


def linear_information(weights, signal, input_noise, output_noise):
    noise = input_noise * weights @ weights.T + output_noise * np.eye(len(weights))
    total = weights @ signal @ weights.T + noise
    return (np.linalg.slogdet(total)[1] - np.linalg.slogdet(noise)[1]) / 2


@pytest.mark.parametrize(
    ("num_outputs", "input_noise", "power"), [(1, 0.5, 1.0), (2, 0.0, 3.0), (3, 1.0, 10.0), (5, 0.3, 0.2)]
)
def test_no_other_linear_channel_is_better(num_outputs, input_noise, power):
    signal = random_covariance(3)
    best = g.best_linear_channel(signal, power, num_outputs, input_noise=input_noise, output_noise=0.7)
    received = signal + input_noise * np.eye(3)
    assert np.trace(best.weights @ received @ best.weights.T) == pytest.approx(power)
    assert linear_information(best.weights, signal, input_noise, 0.7) == pytest.approx(best.information)
    rng = np.random.default_rng(0)
    for scale in (0.01, 0.1, 1.0):
        for _ in range(300):
            other = best.weights + scale * rng.normal(size=best.weights.shape)
            other *= math.sqrt(power / np.trace(other @ received @ other.T))
            assert linear_information(other, signal, input_noise, 0.7) <= best.information + 1e-12


def test_directions_of_high_signal_to_noise_are_favoured():
    best = g.best_linear_channel(np.diag([9.0, 1.0, 0.01]), 1.0, 3, input_noise=1.0)
    assert best.powers[0] > best.powers[1] > best.powers[2] == 0


def test_the_gaussian_bottleneck():
    rho = np.array([0.9, 0.5])
    sigma = np.block([[np.eye(2), np.diag(rho)], [np.diag(rho), np.eye(2)]])
    transitions = g.gaussian_information_bottleneck(sigma, 2, 1.1).transitions
    np.testing.assert_allclose(transitions, 1 / rho**2)
    assert g.gaussian_information_bottleneck(sigma, 2, 1.2).rate == 0
    assert g.gaussian_information_bottleneck(sigma, 2, 1.3).rate > 0
    for beta in (2.0, 5.0, 100.0):  # against a search over noisy copies of each direction, T = √s X + noise
        result = g.gaussian_information_bottleneck(sigma, 2, beta)
        s = np.geomspace(1e-4, 1e5, 20_001)[:, None]
        rates, relevances = np.log1p(s) / 2, -np.log(1 - rho**2 * s / (1 + s)) / 2
        best = np.maximum(beta * relevances - rates, 0).max(0).sum()
        assert beta * result.relevance - result.rate == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: g.gaussian_entropy([[1.0, 2.0]]),
            r"gaussian_entropy: a covariance must be square .* got shape \(1, 2\)",
        ),
        (
            lambda: g.gaussian_entropy([[1.0, 0.5], [0.0, 1.0]]),
            "must be symmetric and finite, got asymmetry 0.5",
        ),
        (
            lambda: g.gaussian_entropy([[1.0, 1.0], [1.0, 1.0]]),
            "positive definite; are some coordinates copies",
        ),
        (lambda: g.gaussian_entropy(torch.ones(2, 2)), "positive definite; are some coordinates copies"),
        (lambda: g.gaussian_mutual_information(np.eye(2), 2), "dim_x must be from 1 to 1, got 2"),
        (
            lambda: g.gaussian_kl_divergence([0.0], np.eye(2), [0.0, 0.0], np.eye(2)),
            "must have one dimension",
        ),
        (lambda: g.awgn_capacity(-3.0), "ratio must be at least 0, got -3.0; is it in dB"),
        (lambda: g.parallel_gaussian_capacity([0.0], 1), "noise variances must be positive"),
        (lambda: g.gaussian_rate_distortion([1.0], 0), "variances and distortion must be positive"),
        (lambda: g.best_linear_channel(np.eye(2), 0, 1), "expected power > 0"),
        (lambda: g.best_linear_channel(-np.eye(2), 1, 1), "positive semi-definite"),
        (lambda: g.canonical_correlations(np.eye(2), 0), "dim_x must be from 1 to 1, got 0"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
