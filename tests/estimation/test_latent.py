"""Latent estimation: what many columns share, found in a few."""

import math

import numpy as np
import pytest

from infomax.estimation.critics import Bilinear
from infomax.estimation.estimate import Estimator
from infomax.estimation.gaussian import Gaussian
from infomax.estimation.latent import Latent
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neural import Neural

DIM = 50


def hidden_pair(n, correlation=0.9, seed=0):
    """50 columns each, of which one hidden direction is correlated; the rest is loud, independent noise."""
    rng = np.random.default_rng(seed)
    common, noise = rng.standard_normal((2, n))
    pair = common, correlation * common + math.sqrt(1 - correlation**2) * noise
    rotations = [np.linalg.qr(rng.standard_normal((DIM, DIM)))[0] for _ in pair]
    blocks = [np.column_stack([c, rng.standard_normal((n, DIM - 1))]) for c in pair]
    return blocks[0] @ rotations[0], blocks[1] @ rotations[1]


def test_it_finds_what_nearest_neighbours_alone_do_not():
    x, y = hidden_pair(3000)
    truth = -0.5 * math.log(1 - 0.9**2)  # 0.830
    estimate = Latent(dim=1).estimate(x, y)
    assert 0.8 * truth < estimate.value < truth + 2 * estimate.standard_error
    assert abs(KSG().estimate(x, y).value - truth) > 0.5
    assert estimate.kind == "neither" and estimate.num_samples == 1500
    assert len(estimate.local) == 1500
    assert estimate.method == "Latent, 1 columns, KSG, k=3"


def test_nothing_is_found_where_there_is_nothing():
    x, y = hidden_pair(2000, correlation=0.0)
    estimate = Latent().estimate(x, y)
    assert abs(estimate.value) < 4 * estimate.standard_error


def test_any_estimator_and_learner_will_do():
    x, y = hidden_pair(3000)
    estimate = Latent(Gaussian(), dim=2).estimate(x, y)
    assert estimate.method == "Latent, 2 columns, Gaussian" and estimate.value > 0.4
    assert isinstance(Latent(), Estimator)


def test_only_rows_that_were_not_trained_on_are_embedded():
    x, y = hidden_pair(400)
    latent = Latent(neural=Neural(max_steps=1, batch_size=32, test_fraction=0.25))
    with pytest.raises(
        ValueError, match="Latent: the critic needs embeddings embed_x and embed_y, got Bilinear"
    ):
        Latent(neural=Neural(critic=Bilinear, max_steps=1)).estimate(x, y)
    embedded = latent.embed(latent.fit(x, y), x, y)
    assert [e.shape[0] for e in embedded] == [100, 100]


def test_what_is_refused():
    x, y = hidden_pair(400)
    with pytest.raises(ValueError, match="Latent: conditional information is not supported"):
        Latent().estimate(x, y, given=x)
    with pytest.raises(ValueError, match="Latent: dim must be at least 1, got 0"):
        Latent(dim=0)
    with pytest.raises(ValueError, match="Latent: x must be finite"):
        Latent().estimate(np.where(np.arange(400)[:, None] == 3, np.inf, x), y)
