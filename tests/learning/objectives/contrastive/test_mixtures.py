"""Mixtures as sources of a prediction: against a loop, the variational form, and limits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from infomax.learning.objectives.contrastive import streamed
from infomax.learning.objectives.contrastive.dense import dense_prediction
from infomax.learning.objectives.contrastive.streamed import streamed_prediction
from infomax.learning.objectives.scoring import Scoring


def features(seed, n, k, places, d=5, scale=1.5):
    generator = torch.Generator().manual_seed(seed)
    source = scale * torch.randn(n, k, d, generator=generator, dtype=torch.float64)
    target = scale * torch.randn(n, places, d, generator=generator, dtype=torch.float64)
    return source.requires_grad_(), target.requires_grad_()


def log_probabilities(source, target, clip):
    """log p_ijk [n, k, places], and the same where each other image counts once, by loops."""
    x, y = source.detach().numpy(), target.detach().numpy()
    n, places, d = y.shape
    by_place = np.empty((n, x.shape[1], places))
    by_image = np.empty_like(by_place)
    for i, j, k in np.ndindex(by_place.shape):
        raw = np.array([[x[i, j] @ y[m, q] / math.sqrt(d) for q in range(places)] for m in range(n)])
        s = raw if clip is None else clip * np.tanh(raw / clip)
        others = [m for m in range(n) if m != i]
        by_place[i, j, k] = s[i, k] - logsumexp([s[i, k], *s[others].ravel()])
        images = [logsumexp(s[m]) - math.log(places) for m in others]
        by_image[i, j, k] = s[i, k] - logsumexp([s[i, k], *images])
    return by_place, by_image


@pytest.mark.parametrize("compute", [streamed_prediction, dense_prediction])
@pytest.mark.parametrize(("clip", "temperature"), [(None, 1.0), (2.0, 0.3), (20.0, 4.0)])
def test_equals_the_slow_loop(monkeypatch, compute, clip, temperature):
    monkeypatch.setattr(streamed, "MAX_BLOCK_SCORES", 70)
    source, target = features(3, 5, 3, 4)
    by_place, by_image = log_probabilities(source, target, clip)
    soft = temperature * (logsumexp(by_place / temperature, axis=1) - math.log(3))
    raw = np.einsum("ijd,mkd->ijmk", source.detach(), target.detach()) / math.sqrt(5)
    found = compute(source, target, Scoring(clip, 0.1, temperature))
    assert found.log_probability.item() == pytest.approx(soft.mean(), abs=1e-10)
    assert found.mean_square.item() == pytest.approx((raw**2).mean(), abs=1e-10)
    assert found.value.item() == pytest.approx(soft.mean() - 0.1 * (raw**2).mean(), abs=1e-10)
    of_mixture = math.log(5) + logsumexp(by_image, axis=1) - math.log(3)
    assert found.bound.item() == pytest.approx(of_mixture.mean(), abs=1e-10)


@given(st.integers(0, 1000), st.integers(2, 6), st.integers(1, 4), st.integers(1, 5), st.integers(1, 200))
@settings(max_examples=40, deadline=None)
def test_blocks_of_any_size_give_the_dense_gradients(seed, n, k, places, block):
    source, target = features(seed, n, k, places)
    scoring = Scoring(3.0, 0.2, 0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streamed, "MAX_BLOCK_SCORES", block)
        patch.setattr(streamed, "MAX_CACHED_SCORES", block // 2 + 1)
        found = torch.autograd.grad(streamed_prediction(source, target, scoring).value, (source, target))
    expected = torch.autograd.grad(dense_prediction(source, target, scoring).value, (source, target))
    torch.testing.assert_close(found, expected)


@given(st.integers(0, 1000), st.floats(0.05, 20))
@settings(max_examples=30, deadline=None)
def test_no_posterior_does_better(seed, temperature):
    """V = max over q of Σ q log p − temperature · KL(q ‖ uniform), mean over images and places."""
    source, target = features(seed, 4, 3, 2)
    value = dense_prediction(source, target, Scoring(None, 0.0, temperature)).value.item()
    log_p, _ = log_probabilities(source, target, None)

    def objective(q):
        return ((q * log_p).sum(1) - temperature * (q * np.log(3 * q)).sum(1)).mean()

    randomness = np.random.default_rng(seed)
    for _ in range(10):
        q = randomness.dirichlet(np.ones(3), (4, 2)).transpose(0, 2, 1)
        assert objective(q) <= value + 1e-9
    best = np.exp(log_p / temperature - logsumexp(log_p / temperature, axis=1, keepdims=True)) + 1e-300
    assert objective(best) == pytest.approx(value)


def test_a_single_component_is_no_mixture():
    source, target = features(0, 6, 1, 3)
    for temperature in (0.1, 1.0, 7.0):
        mixture = streamed_prediction(source, target, Scoring(20.0, 0.05, temperature))
        plain = streamed_prediction(source[:, 0], target, Scoring(20.0, 0.05))
        assert mixture.value.item() == pytest.approx(plain.value.item())
        assert mixture.bound.item() == pytest.approx(plain.bound.item())


def test_equal_components_are_as_good_as_one():
    source, target = features(0, 6, 1, 3)
    mixture = streamed_prediction(source.expand(-1, 4, -1), target, Scoring(20.0, 0.05))
    assert mixture.value.item() == pytest.approx(
        streamed_prediction(source[:, 0], target, Scoring(20.0, 0.05)).value.item()
    )


def test_cold_takes_the_best_component_and_hot_the_mean():
    source, target = features(1, 5, 3, 4)
    log_p, _ = log_probabilities(source, target, None)
    cold = streamed_prediction(source, target, Scoring(None, 0.0, 1e-4)).value.item()
    hot = streamed_prediction(source, target, Scoring(None, 0.0, 1e6)).value.item()
    assert cold == pytest.approx(log_p.max(1).mean(), abs=1e-3)
    assert hot == pytest.approx(log_p.mean(), abs=1e-3)
