"""The divergences against SciPy, definitions, their variational forms and the cases of missing support."""

import math

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
import torch

from infomax.information import divergences as d
from infomax.information.divergences import cross_entropy, js_divergence, kl_divergence
from infomax.information.measures import entropy, mutual_information

ALL = [
    kl_divergence,
    d.reverse_kl_divergence,
    cross_entropy,
    js_divergence,
    d.chi_squared_divergence,
    d.squared_hellinger,
    d.total_variation,
]


def pair(num=5, seed=0, batch=()):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(num), size=batch), rng.dirichlet(np.ones(num), size=batch)


def test_against_scipy_and_definitions():
    p, q = pair()
    assert float(kl_divergence(p, q)) == pytest.approx(scipy.stats.entropy(p, q))
    assert float(kl_divergence(p, q, base=2)) == pytest.approx(scipy.stats.entropy(p, q, base=2))
    assert float(d.reverse_kl_divergence(p, q)) == pytest.approx(scipy.stats.entropy(q, p))
    assert float(cross_entropy(p, q)) == pytest.approx(float(entropy(p)) + scipy.stats.entropy(p, q))
    assert float(js_divergence(p, q)) == pytest.approx(scipy.spatial.distance.jensenshannon(p, q) ** 2)
    assert float(d.chi_squared_divergence(p, q)) == pytest.approx(sum((p - q) ** 2 / q))
    assert float(d.squared_hellinger(p, q)) == pytest.approx(2 - 2 * sum(np.sqrt(p * q)))
    assert float(d.total_variation(p, q)) == pytest.approx(scipy.spatial.distance.cityblock(p, q) / 2)


def test_mutual_information_is_the_divergence_from_independence():
    p_xy = pair(12)[0].reshape(3, 4)
    product = p_xy.sum(1, keepdims=True) * p_xy.sum(0, keepdims=True)
    assert float(kl_divergence(p_xy, product, axis=(-2, -1))) == pytest.approx(
        float(mutual_information(p_xy))
    )


def test_js_divergence_is_the_information_of_a_coin_about_the_draw():
    p, q = pair()
    assert float(js_divergence(p, q)) == pytest.approx(float(mutual_information(np.stack([p, q]) / 2)))


def test_missing_support():
    p, q = np.array([0.5, 0.5, 0.0]), np.array([1.0, 0.0, 0.0])
    assert float(kl_divergence(p, q)) == math.inf == float(d.chi_squared_divergence(p, q))
    assert float(cross_entropy(p, q)) == math.inf
    assert float(kl_divergence(q, p)) == pytest.approx(math.log(2))
    assert float(d.reverse_kl_divergence(p, q)) == pytest.approx(math.log(2))
    assert float(js_divergence(p, q)) < math.log(2)
    for divergence in (
        kl_divergence,
        js_divergence,
        d.chi_squared_divergence,
        d.squared_hellinger,
        d.total_variation,
    ):
        assert float(divergence(q, q)) == 0
    assert float(cross_entropy(q, q)) == 0


@pytest.mark.parametrize("divergence", ALL)
def test_batches_kinds_and_precisions_agree(divergence):
    p, q = pair(batch=(2, 3))
    expected = [[float(divergence(p[i, j], q[i, j])) for j in range(3)] for i in range(2)]
    np.testing.assert_allclose(divergence(p, q), expected)
    np.testing.assert_allclose(divergence(p.swapaxes(1, 2), q.swapaxes(1, 2), axis=1), expected)
    for dtype, tolerance in [(torch.float64, 1e-13), (torch.float32, 1e-5)]:
        value = divergence(torch.tensor(p, dtype=dtype), torch.tensor(q, dtype=dtype))
        assert value.dtype == dtype
        np.testing.assert_allclose(value.numpy(), expected, rtol=tolerance)


@pytest.mark.parametrize("divergence", ALL)
def test_gradients(divergence):
    generator = torch.Generator().manual_seed(0)
    logits = [
        torch.randn(2, 4, dtype=torch.float64, generator=generator, requires_grad=True) for _ in range(2)
    ]
    assert torch.autograd.gradcheck(
        lambda a, b: divergence(torch.softmax(a, -1), torch.softmax(b, -1)), logits
    )
    p = torch.tensor([0.5, 0.5, 0.0], requires_grad=True)
    q = torch.tensor([0.25, 0.5, 0.25], requires_grad=True)
    divergence(p, q).backward()
    assert all(bool(torch.isfinite(r.grad).all()) for r in (p, q) if r.grad is not None)


@pytest.mark.parametrize(
    ("divergence", "critic", "conjugate"),
    [
        (kl_divergence, lambda s: s, lambda s: math.e ** (s - 1)),
        (d.reverse_kl_divergence, lambda s: -np.exp(-s), lambda s: s - 1),
        (d.squared_hellinger, lambda s: 1 - np.exp(-s), lambda s: np.exp(s) - 1),
    ],
)
def test_the_objectives_of_deep_infomax_reach_these_values(divergence, critic, conjugate):
    """E_p[critic] − E_q[conjugate] over scores is at most the divergence, and equal at the best score."""
    p, q = pair()
    ratio = np.log(p / q)
    best = {kl_divergence: ratio + 1, d.squared_hellinger: ratio / 2}.get(divergence, ratio)
    value = p @ critic(best) - q @ conjugate(best)
    assert value == pytest.approx(float(divergence(p, q)))
    for shift in (-0.1, 0.1):
        worse = best + shift * np.arange(5)
        assert p @ critic(worse) - q @ conjugate(worse) < value


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: kl_divergence([1.0], [0.5, 0.5]),
            ValueError,
            r"kl_divergence: p and q must have the same shape, got",
        ),
        (
            lambda: kl_divergence([0.5, 0.5], [0.5, 0.6]),
            ValueError,
            r"kl_divergence: probabilities must sum to 1",
        ),
        (
            lambda: js_divergence([0.5, 0.5], torch.ones(2) / 2),
            TypeError,
            r"different libraries \(numpy, torch\)",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_weighted_jensen_shannon_divergence():
    """H(Σ w p) − Σ w H(p), of batches and of as many distributions as are given."""
    rng = np.random.default_rng(0)
    parts, weights = rng.dirichlet(np.full(5, 0.5), size=(4, 3)), rng.dirichlet(np.ones(4))
    parts[0, 0] = [1, 0, 0, 0, 0]
    expected = entropy(np.einsum("k,kbx->bx", weights, parts)) - np.einsum("k,kb->b", weights, entropy(parts))
    np.testing.assert_allclose(js_divergence(*parts, weights=weights), expected, atol=1e-14)
    np.testing.assert_allclose(
        js_divergence(*parts, base=2), js_divergence(*parts, weights=[1 / 4] * 4) / math.log(2), atol=1e-14
    )
    table = np.moveaxis(weights[:, None, None] * parts, 1, 0)  # what a draw tells of where it came from
    np.testing.assert_allclose(js_divergence(*parts, weights=weights), mutual_information(table), atol=1e-13)
    np.testing.assert_allclose(js_divergence(parts[0], parts[1], weights=[1, 0]), 0, atol=1e-15)
    p = parts[1, 1]
    assert float(js_divergence(p, p, p, weights=[0.2, 0.3, 0.5])) == pytest.approx(0, abs=1e-15)
    tensors = [torch.tensor(part, dtype=torch.float32) for part in parts]
    value = js_divergence(*tensors, weights=[0.1, 0.2, 0.3, 0.4])
    assert value.dtype == torch.float32
    np.testing.assert_allclose(value, js_divergence(*parts, weights=[0.1, 0.2, 0.3, 0.4]), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "weights", "message"),
    [
        (([1.0, 0], [0.5, 0.5]), [1.0], r"one weight for each of the 2 distributions, got shape \(1,\)"),
        (([1.0, 0], [0.5, 0.5]), [0.5, 0.6], "js_divergence: probabilities must sum to 1"),
        (([1.0, 0], [0.5, 0.5]), [1.5, -0.5], "negative probability"),
        (([1.0, 0], [0.5, 0.5], [1.0, 0, 0]), None, "must have the same shape"),
    ],
)
def test_weights_that_do_not_fit(arguments, weights, message):
    with pytest.raises(ValueError, match=message):
        js_divergence(*arguments, weights=weights)
