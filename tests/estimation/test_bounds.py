"""Bounds against slow loops, closed forms, and the counterexample that candidates of one image make."""

import math
from inspect import unwrap

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp

from infomax.estimation.bounds import infonce, infonce_by_image


def random_scores(n, *locations, seed=0, scale=3.0):
    return scale * torch.randn(
        n, n, *locations, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def slow_infonce(scores, mean_over_locations):
    n = len(scores)
    flat = scores.reshape(n, n, -1).numpy()
    offset = math.log(flat.shape[2]) if mean_over_locations else 0.0
    values = []
    for i in range(n):
        negatives = [flat[i, j, k] - offset for j in range(n) if j != i for k in range(flat.shape[2])]
        values += [s - logsumexp([s, *negatives]) for s in flat[i, i]]
    return math.log(n) + sum(values) / len(values)


@given(st.integers(2, 6), st.lists(st.integers(1, 4), max_size=2), st.integers(0, 1000))
def test_both_equal_the_slow_loop(n, locations, seed):
    scores = random_scores(n, *locations, seed=seed)
    assert float(infonce(scores)) == pytest.approx(slow_infonce(scores, False))
    assert float(infonce_by_image(scores)) == pytest.approx(slow_infonce(scores, True))


def test_own_other_locations_are_left_out():
    """Raising the score of image 0's second location leaves the log-probability of its first alone."""
    scores = random_scores(4, 2)
    scores[0, 0, 1] = (
        1e3  # as a positive it is certain, log-probability 0; as a negative it would ruin the first
    )
    others = scores[0, 1:].flatten().numpy()
    first = float(scores[0, 0, 0]) - logsumexp([float(scores[0, 0, 0]), *others])
    rest = 4 * 2 * (slow_infonce(scores, False) - math.log(4)) - first
    assert float(infonce(scores)) == pytest.approx(math.log(4) + (first + rest) / 8)
    assert first > -50


def test_positive_minus_20_negatives_minus_25():
    """The public DIM code sets own-image scores to −10 and finds a loss of 10.0 here."""
    scores = torch.full((3, 3), -25.0).fill_diagonal_(-20.0)
    loss = math.log(3) - float(infonce(scores))
    assert loss == pytest.approx(math.log1p(2 * math.exp(-5)), abs=1e-6)


@given(st.integers(2, 8), st.integers(1, 5), st.integers(0, 1000))
def test_ceiling_is_log_n(n, num_locations, seed):
    scores = random_scores(n, num_locations, seed=seed, scale=30.0)
    assert float(infonce(scores)) <= math.log(n) + 1e-12
    assert float(infonce(scores)) <= float(infonce_by_image(scores)) + 1e-12 <= math.log(n) + 2e-12


def test_equal_scores_say_nothing():
    assert float(infonce_by_image(torch.zeros(8, 8, 7, 7))) == pytest.approx(0.0, abs=1e-6)
    assert float(infonce(torch.zeros(8, 8))) == pytest.approx(0.0, abs=1e-6)


def test_a_shift_of_all_scores_changes_nothing():
    scores = random_scores(5, 3)
    assert float(infonce(scores + 7)) == pytest.approx(float(infonce(scores)))


def test_by_image_stays_below_the_truth_where_counting_candidates_would_not():
    """Y equals X, one of four letters, and its 25 locations repeat it: I = log 4 exactly."""
    generator = torch.Generator().manual_seed(0)
    by_image, by_candidate = [], []
    for _ in range(400):
        letters = torch.randint(4, (2,), generator=generator)
        same = (letters[:, None] == letters[None, :]).double()
        scores = (20 * same)[:, :, None].expand(2, 2, 25)
        by_image.append(float(infonce_by_image(scores)))
        by_candidate.append(float(infonce(scores)) - math.log(2) + math.log(1 + 25))
    truth = math.log(4)
    assert sum(by_image) / 400 < truth < sum(by_candidate) / 400


def test_gradients():
    scores = random_scores(4, 3).requires_grad_()
    assert torch.autograd.gradcheck(infonce, scores)
    assert torch.autograd.gradcheck(infonce_by_image, scores)


def test_correlated_gaussians_are_bounded():
    """With the true density ratio the bound lies below the truth, and not far below for n ≫ e^I."""
    rho, n = 0.8, 512
    truth = -0.5 * math.log(1 - rho**2)
    values = []
    for seed in range(20):
        x, noise = torch.randn(2, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        y = rho * x + math.sqrt(1 - rho**2) * noise
        scores = (
            -0.5 * (y[None, :] - rho * x[:, None]) ** 2 / (1 - rho**2)
            - 0.5 * math.log(1 - rho**2)
            + 0.5 * y**2
        )
        values.append(float(infonce(scores)))
    assert truth - 0.05 < sum(values) / 20 < truth + 0.02


@pytest.mark.parametrize("bound", [infonce, infonce_by_image])
def test_bad_scores(bound):
    with pytest.raises(ValueError, match=rf"{bound.__name__}: scores must be square .* got \[4, 2\]"):
        unwrap(bound)(torch.zeros(4, 2))  # past the shape annotations, as users call it
    with pytest.raises(ValueError, match="n ≥ 2, got n = 1; use a larger batch"):
        bound(torch.zeros(1, 1))
