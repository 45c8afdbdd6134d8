"""Prior matching: its formulas by hand, its signs, who learns when, and that it matches a prior."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn
from torch.nn import functional as F

from infomax.learning.objectives.choices import PRIORS
from infomax.learning.objectives.prior_config import PriorConfig
from infomax.learning.objectives.prior_matching import (
    PriorMatching,
    gradient_penalty,
    jensen_shannon_divergence,
    marginal_distance,
)

OUTPUTS = {"uniform": torch.sigmoid, "gaussian": lambda y: y, "spherical": F.normalize}


def matching(kind="uniform", dim=3, seed=0, **changes):
    torch.manual_seed(seed)
    return PriorMatching(PriorConfig(weight=1.0, kind=kind, hidden=(16, 8), **changes), dim)


def features(kind="uniform", n=20, dim=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return OUTPUTS[kind](torch.randn(n, dim, generator=generator))


# ------------------------------------------------------------------------------------- formulas


def test_divergence_of_known_distributions():
    """With the true log ratio the value is the Jensen–Shannon divergence, here of uniform and Beta(2, 2)."""

    def integrand(x):
        p, q = 1.0, stats.beta(2, 2).pdf(x)
        return 0.5 * (p * math.log(2 * p / (p + q)) + (q * math.log(2 * q / (p + q)) if q else 0.0))

    expected = integrate.quad(integrand, 0, 1)[0]
    rng = np.random.default_rng(0)
    v, y = rng.random((100_000, 1)), rng.beta(2, 2, (100_000, 1))
    ratio = [torch.from_numpy(-np.log(6 * x * (1 - x))).float() for x in (v, y)]
    assert jensen_shannon_divergence(*ratio).item() == pytest.approx(expected, abs=0.002)


def test_divergence_equals_the_slow_loop():
    a, b = torch.tensor([[0.3], [-1.0]]), torch.tensor([[2.0], [0.5]])
    sigmoid = [[1 / (1 + math.exp(-float(s))) for s in scores] for scores in (a, b)]
    v = np.mean(np.log(sigmoid[0])) + np.mean([math.log(1 - p) for p in sigmoid[1]])
    assert jensen_shannon_divergence(a, b).item() == pytest.approx(math.log(2) + v / 2, abs=1e-6)


def test_gradient_penalty_equals_finite_differences():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    vectors = torch.randn(4, 3, dtype=torch.float64)
    squares = 0.0
    for vector in vectors:
        for k in range(3):
            step = torch.zeros(3, dtype=torch.float64)
            step[k] = 1e-5
            squares += ((network(vector + step) - network(vector - step)).item() / 2e-5) ** 2
    leaf = vectors.clone().requires_grad_()
    assert gradient_penalty(network(leaf), leaf).item() == pytest.approx(squares / 4, rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "distribution"),
    [("uniform", stats.uniform()), ("gaussian", stats.norm()), ("spherical", stats.beta(1, 1, -1, 2))],
)
def test_marginal_distance_is_kolmogorov_smirnov(kind, distribution):
    y = features(kind)
    expected = np.mean([stats.kstest(column, distribution.cdf).statistic for column in y.numpy().T])
    assert marginal_distance(y, PRIORS[kind]()).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", PRIORS)
def test_samples_of_a_prior_match_it(kind):
    torch.manual_seed(0)
    prior = PRIORS[kind]()
    v = prior.sample(4000, 5)
    prior.check(v)
    assert marginal_distance(v, prior) < 0.03


# ------------------------------------------------------------------------------------- the game


def test_the_encoder_climbs_towards_the_prior():
    """A step of the encoder up its term raises D(y): the sign is right."""
    one = matching(lr=1e-2)
    y = (0.9 + 0.02 * torch.randn(64, 3)).clamp(0, 1)
    for _ in range(50):
        one(y)
    leaf = y.clone().requires_grad_()
    one.eval()
    one(leaf).term.backward()
    assert leaf.grad is not None
    moved = (y + 0.5 * leaf.grad / leaf.grad.norm(dim=1, keepdim=True)).clamp(0, 1)
    with torch.no_grad():
        before, after = (torch.sigmoid(one.discriminator(x)).mean() for x in (y, moved))
    assert after > before
    assert moved.mean() < y.mean()  # away from the crowd


def test_the_term_is_the_log_probability_of_being_taken_for_the_prior():
    one = matching().eval()
    y = features()
    expected = np.mean([math.log(1 / (1 + math.exp(-float(one.discriminator(row))))) for row in y])
    assert one(y).term.item() == pytest.approx(expected, abs=1e-5)


def test_the_discriminator_learns_in_training_alone():
    one = matching()
    before = [p.clone() for p in one.discriminator.parameters()]
    one.eval()
    one(features())
    one.train()
    with torch.no_grad():
        one(features())
    assert all(map(torch.equal, before, one.discriminator.parameters()))
    one(features())
    assert not any(map(torch.equal, before, one.discriminator.parameters()))


def test_neither_learns_by_the_others_gradient():
    one = matching()
    y = features().requires_grad_()
    match = one(y)
    assert y.grad is None  # the discriminator's step did not reach it
    match.term.backward()
    assert y.grad is not None and bool(y.grad.any())
    assert all(p.grad is None and not p.requires_grad for p in one.parameters())
    assert not match.divergence.requires_grad
    assert not match.marginal_distance.requires_grad


def test_the_discriminator_finds_the_difference():
    one = matching(lr=1e-2, gradient_penalty=0.0)
    torch.manual_seed(1)
    skewed = [torch.rand(64, 3) ** 3 for _ in range(100)]
    divergences = [one(y).divergence.item() for y in skewed]
    assert np.mean(divergences[-10:]) > 0.1 > np.mean(divergences[:3])
    assert max(divergences) <= math.log(2)


def test_several_steps_a_turn():
    one, two = matching(num_steps=1), matching(num_steps=3)
    one(features())
    two(features())
    assert (
        two.optimizer.state_dict()["state"][0]["step"] == 3 * one.optimizer.state_dict()["state"][0]["step"]
    )


@pytest.mark.parametrize("kind", PRIORS)
def test_a_skewed_distribution_comes_to_match_the_prior(kind):
    """A small map of Gaussian noise, made to start in a corner, is moved by prior matching alone."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
    with torch.no_grad():
        network[-1].weight.mul_(0.5)
        network[-1].bias.copy_(torch.tensor([1.5, 1.5]))
    one = PriorMatching(PriorConfig(weight=1.0, kind=kind, hidden=(64, 64), lr=2e-3, gradient_penalty=0.1), 2)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3, betas=(0.5, 0.999))
    distances = []
    for _ in range(500):
        match = one(OUTPUTS[kind](network(torch.randn(128, 4))))
        optimizer.zero_grad()
        (-match.term).backward()
        optimizer.step()
        distances.append(match.marginal_distance.item())
    with torch.no_grad():
        final = marginal_distance(OUTPUTS[kind](network(torch.randn(2000, 4))), PRIORS[kind]())
    assert distances[0] > 0.4
    assert final < 0.12


# ------------------------------------------------------------------------------------- state, refusals


def test_a_restored_game_goes_on_as_it_would_have():
    one, other = matching(), matching(seed=7)
    for seed in range(3):
        one(features(seed=seed))
    other.load_state_dict(one.state_dict())
    results = []
    for game in (one, other):
        torch.manual_seed(5)
        results.append([game(features(seed=seed)).term.item() for seed in range(3, 6)])
    assert results[0] == results[1]
    assert all(map(torch.equal, one.discriminator.parameters(), other.discriminator.parameters()))


@pytest.mark.parametrize(
    ("kind", "y", "message"),
    [
        (
            "uniform",
            [[-3.1, 5.0]],
            r"lives on \[0, 1\], got features from -3\.1 to 5; end the encoder in a sigmoid",
        ),
        ("uniform", [[math.nan, 0.5]], r"lives on \[0, 1\]"),
        ("spherical", [[3.0, 4.0]], r"length 1, got features of lengths from 5 to 5.*output: unit"),
        ("gaussian", [[math.inf, 0.0]], "1 of 2 features are not finite"),
    ],
)
def test_features_where_the_prior_has_no_mass(kind, y, message):
    with pytest.raises(ValueError, match=message):
        matching(kind, dim=2)(torch.tensor(y))


def test_bad_settings():
    with pytest.raises(ValueError, match="prior matching: no prior 'gausian'; did you mean gaussian"):
        PriorConfig(kind="gausian")
    with pytest.raises(ValueError, match="weight must be at least 0, got -1"):
        PriorConfig(weight=-1.0)
    with pytest.raises(ValueError, match="num_steps must be at least 1, got 0"):
        PriorConfig(num_steps=0)
    with pytest.raises(ValueError, match="a spherical prior needs features of at least 2 dimensions, got 1"):
        PriorMatching(PriorConfig(kind="spherical"), 1)
