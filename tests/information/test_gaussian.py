"""Gaussian measures against SciPy and closed forms."""

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


def test_batches_and_float32_are_kept():
    p, q = (np.array([random_covariance(3, seed=s) for s in (first, first + 1)]) for first in (0, 2))
    means = np.random.default_rng(0).standard_normal((2, 2, 3))
    batch = g.gaussian_kl_divergence(means[0], p, means[1], q, base=2)
    each = [g.gaussian_kl_divergence(means[0, i], p[i], means[1, i], q[i], base=2) for i in range(2)]
    np.testing.assert_allclose(batch, each, rtol=1e-12)
    given = g.gaussian_conditional_mutual_information(p, [0], [1, 2], [])
    np.testing.assert_allclose(given, g.gaussian_mutual_information(p, 1), rtol=1e-12)
    for covariance in (p.astype(np.float32), torch.tensor(p, dtype=torch.float32)):
        found = g.gaussian_conditional_mutual_information(covariance, [0], [1], [])
        assert found.dtype == covariance.dtype and tuple(found.shape) == (2,)


def test_canonical_correlations_of_perfect_and_impossible_covariances():
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    perfect = np.block([[np.eye(3), rotation], [rotation.T, np.eye(3)]])
    found = g.canonical_correlations(perfect, 3)
    assert (found <= 1).all() and (found > 1 - 1e-12).all()
    perfect[0, 3] = perfect[3, 0] = 1.5
    with pytest.raises(
        ValueError,
        match=r"^canonical_correlations: got a correlation of 2\.\d+, expected at most 1; the covariance is "
        "not positive semi-definite$",
    ):
        g.canonical_correlations(perfect, 3)


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


@pytest.mark.parametrize("scale", [1e-6, 1, 1e9])
def test_covariances_that_are_singular_but_for_rounding_are_refused(scale):
    """Copies, sums, and few samples: by chance of rounding, Cholesky's factor of many of them exists."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((50, 3)) * [1, scale, 1]
        copies, sums = np.column_stack([x[:, 0], 1.1 * x[:, 0] + 0.1]), np.column_stack([x, x @ [1, 2, 3]])
        for rows in (copies, sums, rng.standard_normal((5, 10)), sums.astype(np.float32)):
            covariance = np.cov(rows, rowvar=False, dtype=rows.dtype)
            with pytest.raises(ValueError, match="copies or sums of others"):
                g.gaussian_mutual_information(covariance, 1)


def test_strong_but_not_singular_dependence_is_measured():
    for left in (1e-6, 1e-12):  # 1 − ρ²
        rho = math.sqrt(1 - left)
        found = float(g.gaussian_mutual_information([[1, rho], [rho, 1]], 1))
        assert found == pytest.approx(-math.log(left) / 2, abs=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: g.gaussian_entropy([[1.0, 2.0]]),
            r"gaussian_entropy: a covariance must be square .* got shape \(1, 2\)",
        ),
        (
            lambda: g.gaussian_entropy([[1.0, 0.5], [0.0, 1.0]]),
            "must be symmetric, got asymmetry 0.5",
        ),
        (
            lambda: g.gaussian_entropy([[1.0, 1.0], [1.0, 1.0]]),
            "positive definite; are some coordinates copies",
        ),
        (lambda: g.gaussian_entropy(torch.ones(2, 2)), "positive definite; are some coordinates copies"),
        (lambda: g.gaussian_mutual_information(np.eye(2), 2), "dim_x must be from 1 to 1, got 2"),
        (
            lambda: g.gaussian_kl_divergence([0.0], np.eye(2), [0.0, 0.0], np.eye(2)),
            "must have the same number of coordinates, got 1, 2, 2, 2",
        ),
        (lambda: g.canonical_correlations(np.eye(2), 0), "dim_x must be from 1 to 1, got 0"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("groups", [([0], [1], [2]), ([0], [-1], []), ([0], [1], [0]), ([0, 0], [1], [])])
def test_coordinates_that_are_not_there_or_named_twice(groups):
    with pytest.raises(ValueError, match="coordinates from 0 to 1, each in one of x, y and given"):
        g.gaussian_conditional_mutual_information(np.eye(2), *groups)
