"""The best channel for a source, against every channel there is."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
import torch

from infomax.information.channels.best_channel import (
    best_channel,
    best_channel_before,
    best_quantizer,
    equal_mass_thresholds,
)
from infomax.information.channels.channel import Channel
from infomax.information.measures import entropy


def source(num, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(num))


def every_map(num_letters, num_outputs, ordered=False):
    for labels in itertools.product(range(num_outputs), repeat=num_letters):
        if not ordered or list(labels) == sorted(labels):
            yield np.array(labels)


@pytest.mark.parametrize(("num_letters", "num_outputs"), [(1, 1), (2, 3), (5, 1), (6, 2), (6, 3), (7, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_no_deterministic_channel_is_better(num_letters, num_outputs, seed):
    p_x = source(num_letters, seed)
    loads = np.stack([np.bincount(t, p_x, num_outputs) for t in every_map(num_letters, num_outputs)])
    best = best_channel(p_x, num_outputs)
    assert best.is_exact and best.information == pytest.approx(entropy(loads).max(), abs=1e-12)
    assert float(best.channel.mutual_information(p_x)) == pytest.approx(best.information)


def test_no_noisy_channel_is_better():
    p_x, rng = source(5), np.random.default_rng(1)
    best = best_channel(p_x, 3)
    noisy = Channel(rng.dirichlet(np.full(3, 0.2), size=(2000, 5)))
    assert float(noisy.mutual_information(p_x).max()) <= best.upper


def test_gradient_ascent_on_the_transition_matrix_ends_below():
    p_x = torch.tensor(source(6))
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20, 6, 3, dtype=torch.float64, generator=generator).requires_grad_()
    for _ in range(300):
        information = Channel(torch.softmax(logits, -1)).mutual_information(p_x.expand(20, 6))
        (gradient,) = torch.autograd.grad(information.sum(), logits)
        logits = (logits + 20 * gradient).detach().requires_grad_()
    best = best_channel(p_x, 3)
    assert float(information.detach().max()) <= best.upper + 1e-12
    assert float(information.detach().max()) == pytest.approx(best.information, abs=0.02)


def test_large_sources_come_with_a_bound():
    p_x = source(60)
    best = best_channel(p_x, 7, base=2, max_nodes=500)
    assert not best.is_exact and best.information < best.upper <= math.log2(7) + 1e-12
    assert best.upper - best.information < 1e-3
    attained = float(best.channel.mutual_information(p_x, base=2))
    assert attained == pytest.approx(best.information)


def test_enough_outputs_keep_everything_and_a_dominant_letter_limits():
    p_x = np.array([0.5, 0, 0.25, 0.25])
    assert best_channel(p_x, 4, base=2).information == pytest.approx(1.5)
    dominated = best_channel([0.9, 0.05, 0.05], 2)
    assert dominated.is_exact and dominated.information == pytest.approx(float(entropy([0.9, 0.1])))


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_before_a_noisy_channel(ordered, seed):
    rng = np.random.default_rng(seed)
    p_x, noise = source(6, seed), Channel(rng.dirichlet(np.full(4, 0.7), size=3))
    values = [
        float(noise.mutual_information(np.bincount(t, p_x, 3))) for t in every_map(6, 3, ordered=ordered)
    ]
    best = best_channel_before(p_x, noise, ordered=ordered)
    assert best.is_exact and best.information == pytest.approx(max(values), abs=1e-12)
    assert float(best.channel.then(noise).mutual_information(p_x)) == pytest.approx(best.information)
    assert best.information <= noise.capacity().upper


def test_before_an_ideal_channel_is_the_plain_problem():
    p_x = source(7)
    assert best_channel_before(p_x, Channel.ideal(3)).information == pytest.approx(
        best_channel(p_x, 3).information
    )
    with_zeros = best_channel_before([0.5, 0.5, 0], Channel([[1, 0], [0, 1], [0.5, 0.5]]), base=2)
    assert with_zeros.information == pytest.approx(1)


@pytest.mark.parametrize(("num_letters", "num_outputs"), [(1, 1), (3, 5), (7, 2), (7, 3), (8, 4)])
def test_no_ordered_quantizer_is_better(num_letters, num_outputs):
    p_x = source(num_letters)
    maps = every_map(num_letters, num_outputs, ordered=True)
    best = best_quantizer(p_x, num_outputs)
    assert best.information == pytest.approx(
        max(float(entropy(np.bincount(t, p_x, num_outputs))) for t in maps)
    )
    labels = best.channel.transition.argmax(axis=1)
    assert list(labels) == sorted(labels)
    assert float(best.channel.mutual_information(p_x)) == pytest.approx(best.information)


def test_fine_letters_in_order_are_quantized_at_equal_mass():
    """Histogram equalisation: on a fine grid the best bins end at the quantiles, and I is all but log k."""
    x = np.linspace(-4, 4, 801)
    p_x = scipy.stats.norm.pdf(x)
    best = best_quantizer(p_x / p_x.sum(), 8)
    assert math.log(8) - 1e-4 < best.information <= math.log(8)
    labels = best.channel.transition.argmax(axis=1)
    edges = x[1:][np.diff(labels) > 0]
    np.testing.assert_allclose(edges, equal_mass_thresholds(scipy.stats.norm.ppf, 8), atol=0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: best_channel([0.5, 0.5], 0), "best_channel: num_outputs must be from 1 to .*, got 0"),
        (lambda: best_channel([0.5, 0.5], 2, max_nodes=0), "best_channel: max_nodes must be at least 1"),
        (
            lambda: best_channel([[0.5, 0.5]], 2),
            r"best_channel: expected one source \[x\], got shape \(1, 2\)",
        ),
        (lambda: best_quantizer([0.5, 0.4], 2), "best_quantizer: probabilities must sum to 1"),
        (
            lambda: equal_mass_thresholds(np.asarray, 0),
            "equal_mass_thresholds: num_outputs must be from 1",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
