"""Bounds against slow loops, closed forms, and the counterexample that candidates of one image make."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from tests.untyped import unwrap

from infomax.estimation.bounds import (
    chi_squared,
    club,
    donsker_varadhan,
    flo,
    infonce,
    infonce_by_image,
    interpolated,
    jensen_shannon,
    kl,
    leave_one_out,
    log_odds,
    mine,
    nwj,
    nwj_of_log_ratio,
    reverse_kl,
    smile,
    squared_hellinger,
    tuba,
)
from infomax.information import divergences

SHARED = Path(os.environ.get("INFOMAX_ORACLES", Path(__file__).parents[3] / "shared" / "oracles"))
ORACLE = SHARED / "dim_public_losses.npz"


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


@settings(max_examples=40)
@given(st.integers(2, 6), st.lists(st.integers(1, 4), max_size=2), st.integers(0, 1000))
def test_both_equal_the_slow_loop(n, locations, seed):
    scores = random_scores(n, *locations, seed=seed)
    assert float(infonce(scores)) == pytest.approx(slow_infonce(scores, False))
    assert float(infonce_by_image(scores)) == pytest.approx(slow_infonce(scores, True))


@pytest.mark.parametrize("locations", [(), (3,), (2, 2)])
def test_log_odds_equal_the_slow_loop(locations):
    scores = random_scores(5, *locations, seed=3)
    found = log_odds(scores)
    assert found.shape == (5, *locations)
    for i in range(5):
        negatives = logsumexp([float(s) for j in range(5) if j != i for s in scores[i, j].flatten()])
        for s, odds in zip(scores[i, i].flatten(), found[i].flatten(), strict=True):
            assert float(odds) == pytest.approx(float(s) - negatives)
    torch.testing.assert_close(log_odds(scores[2:4], 2), found[2:4])
    with pytest.raises(ValueError, match=r"^log_odds: scores must be"):
        unwrap(log_odds)(torch.zeros(4, 2))


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


@settings(max_examples=40)
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
    letters = torch.randint(4, (400, 2), generator=torch.Generator().manual_seed(0))
    same = (letters[:, :, None] == letters[:, None]).double()
    scores = (20 * same)[..., None].expand(400, 2, 2, 25)
    by_image = torch.vmap(unwrap(infonce_by_image))(scores)
    by_candidate = torch.vmap(unwrap(infonce))(scores) - math.log(2) + math.log(1 + 25)
    assert float(by_image.mean()) < math.log(4) < float(by_candidate.mean())


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


# ------------------------------------------------------------------ every bound, against a slow double loop


def means(scores, of_positive, of_negative):
    """E₊ g(s) − E₋ h(s), by loops over pairs and locations."""
    n, flat = len(scores), scores.reshape(len(scores), len(scores), -1).numpy()
    positive = [of_positive(s) for i in range(n) for s in flat[i, i]]
    negative = [of_negative(s) for i in range(n) for j in range(n) if i != j for s in flat[i, j]]
    return np.mean(positive) - np.mean(negative)


def log_mean_exp(values):
    return logsumexp(values) - math.log(len(values))


def slow_interpolated(scores, log_baseline, alpha):
    """Poole et al.'s two terms, subset by subset: n − 1 candidates, of which the positive is one or none."""
    n, flat = len(scores), scores.reshape(len(scores), len(scores), -1).numpy()
    joint, marginal = [], []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        exp_of = {j: np.mean(np.exp(flat[i, j])) for j in others}
        for s in flat[i, i]:
            for left_out in others:
                m = (math.exp(s) + sum(exp_of[j] for j in others if j != left_out)) / (n - 1)
                joint.append(s - math.log(alpha * m + (1 - alpha) * math.exp(log_baseline[i])))
        m = sum(exp_of.values()) / (n - 1)
        marginal += [e / (alpha * m + (1 - alpha) * math.exp(log_baseline[i])) for e in exp_of.values()]
    return 1 + np.mean(joint) - np.mean(marginal)


SLOW = {  # bound of scores alone -> the same by loops
    donsker_varadhan: lambda s: means(s, float, lambda v: 0) - math.log(-means(s, lambda v: 0, math.exp)),
    nwj: lambda s: means(s, float, lambda v: math.exp(v - 1)),
    kl: lambda s: means(s, float, lambda v: math.exp(v - 1)),
    nwj_of_log_ratio: lambda s: means(s, lambda v: v + 1, math.exp),
    jensen_shannon: lambda s: means(
        s, lambda v: math.log(2) - math.log1p(math.exp(-v)), lambda v: math.log1p(math.exp(v)) - math.log(2)
    ),
    reverse_kl: lambda s: means(s, lambda v: -math.exp(-v), lambda v: v - 1),
    squared_hellinger: lambda s: means(s, lambda v: 1 - math.exp(-v), lambda v: math.exp(v) - 1),
    chi_squared: lambda s: means(s, float, lambda v: v + v**2 / 4 if v > -2 else -1),
    smile: lambda s: (
        means(s, float, lambda v: 0)
        - math.log(-means(s, lambda v: 0, lambda v: math.exp(min(max(v, -5), 5))))
    ),
    club: lambda s: means(s, float, float),
    infonce: lambda s: slow_infonce(s, False),
    infonce_by_image: lambda s: slow_infonce(s, True),
}
OF_SCORES = [*SLOW, leave_one_out]
FURTHER = {
    "tuba": lambda s: tuba(s, 1.5),
    "interpolated": lambda s: interpolated(s, 0.5, alpha=0.3),
    "flo": lambda s: flo(s, -0.7 * torch.einsum("ii...->i...", s)),
    "mine": lambda s: mine(s)[0],
}
EVERY = {**{bound.__name__: bound for bound in OF_SCORES}, **FURTHER}
sizes = st.integers(2, 6)
locations = st.lists(st.integers(1, 4), max_size=2)
seeds = st.integers(0, 10_000)


@pytest.mark.parametrize("bound", SLOW, ids=lambda bound: bound.__name__)
@settings(max_examples=20)
@given(sizes, locations, seeds)
def test_bounds_equal_slow_loops(bound, n, locations, seed):
    scores = random_scores(n, *locations, seed=seed)
    assert float(bound(scores)) == pytest.approx(SLOW[bound](scores), abs=1e-9)


@given(sizes, locations, seeds)
def test_those_with_further_arguments_equal_slow_loops(n, locations, seed):
    scores = random_scores(n, *locations, seed=seed)
    baseline = random_scores(n, seed=seed + 1)[0]
    flat, u = scores.reshape(n, n, -1).numpy(), random_scores(n, *locations, seed=seed + 1)[0]
    flat_u = u.reshape(n, -1).numpy()
    a = np.exp(baseline.numpy())
    expected_tuba = (
        1
        + np.mean([flat[i, i] - np.log(a[i]) for i in range(n)])
        - np.mean([np.exp(flat[i, j]) / a[i] for i in range(n) for j in range(n) if i != j])
    )
    assert float(tuba(scores, baseline)) == pytest.approx(expected_tuba)

    contrast = [
        np.exp(-flat_u[i, k]) * np.mean([np.exp(flat[i, j] - flat[i, i, k]) for j in range(n) if j != i])
        + flat_u[i, k]
        for i in range(n)
        for k in range(flat.shape[2])
    ]
    assert float(flo(scores, u)) == pytest.approx(1 - np.mean(contrast))

    of_columns = [
        flat[j, j, k] - log_mean_exp([flat[i, j, k] for i in range(n) if i != j])
        for j in range(n)
        for k in range(flat.shape[2])
    ]
    assert float(leave_one_out(scores)) == pytest.approx(np.mean(of_columns))


@given(st.integers(3, 6), locations, seeds, st.floats(0, 1))
def test_interpolated_equals_the_slow_loop(n, locations, seed, alpha):
    scores = random_scores(n, *locations, seed=seed, scale=1.5)
    baseline = random_scores(n, seed=seed + 1, scale=1.5)[0]
    expected = slow_interpolated(scores, baseline.tolist(), alpha)
    assert float(interpolated(scores, baseline, alpha)) == pytest.approx(expected)


def test_interpolated_keeps_its_digits():
    """One candidate outweighs the others by e^80; leaving it out must leave these."""
    scores = torch.zeros(4, 4, dtype=torch.float64)
    scores[0, 1] = 80.0
    log_m = [math.log(3), math.log(2 + math.exp(80)), math.log(2 + math.exp(80))]
    rows = [np.mean(log_m) * -1 + math.log(3), 0, 0, 0]
    assert float(interpolated(scores, 0.0, 1.0)) == pytest.approx(np.mean(rows), abs=1e-9)


# ------------------------------------------------------------------ the public Deep InfoMax code


@pytest.mark.skipif(not ORACLE.exists(), reason="the reference outputs are not on this machine")
@pytest.mark.parametrize(
    "key, objective",
    [
        ("JSD", jensen_shannon),
        ("GAN", lambda s: jensen_shannon(s) - 2 * math.log(2)),
        ("KL", kl),
        ("RKL", reverse_kl),
        ("H2", squared_hellinger),
        ("InfoNCE_exact", lambda s: infonce(s) - math.log(len(s))),
    ],
)
def test_losses_of_the_public_deep_infomax_code(key, objective):
    """It has two more: its DV multiplies the mask of negatives into the scores *before* the exponential, so
    that positives count as e^0, and divides by the number of all pairs; its χ² has no upper limit. Both are
    without reference outputs for that reason."""
    with np.load(ORACLE) as file:
        local, global_ = torch.from_numpy(file["local_features"]), torch.from_numpy(file["global_features"])
        loss = float(file[f"loss_{key}"])
    scores = torch.einsum("iu,jul->ijl", global_[:, :, 0], local)
    assert -float(objective(scores)) == pytest.approx(loss, abs=1e-5)


# ------------------------------------------------------------------ known divergences, known information


@pytest.mark.parametrize(
    "bound, best_critic, divergence",
    [
        (kl, lambda r: 1 + np.log(r), divergences.kl_divergence),
        (nwj_of_log_ratio, np.log, divergences.kl_divergence),
        (donsker_varadhan, lambda r: 7 + np.log(r), divergences.kl_divergence),
        (reverse_kl, np.log, divergences.reverse_kl_divergence),
        (squared_hellinger, lambda r: np.log(r) / 2, divergences.squared_hellinger),
        (chi_squared, lambda r: 2 * (r - 1), divergences.chi_squared_divergence),
        (jensen_shannon, np.log, lambda p, q: 2 * divergences.js_divergence(p, q)),
    ],
)
def test_best_critics_reach_the_divergences_of_a_table(bound, best_critic, divergence):
    """Locations hold each pair of letters as often as p(x, y), or p(x) p(y), says: means are expectations."""
    p = np.array([[0.3, 0.1, 0.05], [0.05, 0.2, 0.3]])
    q = p.sum(1, keepdims=True) * p.sum(0)
    counts_p, counts_q = np.rint(10_000 * p).astype(int), np.rint(10_000 * q).astype(int)
    for shift in (0.0, 0.3):
        critic = best_critic(p / q) + shift * np.arange(6).reshape(2, 3)
        positives, negatives = np.repeat(critic, counts_p.ravel()), np.repeat(critic, counts_q.ravel())
        scores = torch.tensor(np.array([[positives, negatives], [negatives, positives]]))
        truth = float(divergence(p.ravel(), q.ravel()))
        value = float(bound(scores))
        assert value == pytest.approx(truth, abs=1e-9) if shift == 0 else value < truth - 1e-3


def gaussian_log_ratios(information, num_batches, n=64, dim=20):
    """log r of every pair of a batch of the 20-d staircase, [batches, n, n]."""
    rho = math.sqrt(-math.expm1(-2 * information / dim))
    x, noise = np.random.default_rng(0).standard_normal((2, num_batches, n, dim))
    y = rho * x + math.sqrt(1 - rho**2) * noise
    cross = torch.tensor(x) @ torch.tensor(y).transpose(1, 2)
    squares = torch.tensor(x).square().sum(2)[:, :, None] + torch.tensor(y).square().sum(2)[:, None, :]
    return information + (2 * rho * cross - rho**2 * squares) / (2 * (1 - rho**2))


@pytest.mark.parametrize(
    "information, of_smile, of_infonce",
    [(2, 2.01, 1.80), (4, 4.29, 3.09), (6, 6.68, 3.75), (8, 9.27, 4.03), (10, 12.01, 4.12)],
)
def test_the_staircase_with_the_true_log_ratio(information, of_smile, of_infonce):
    """Figures found by others. They scatter by some 0.05: SMILE in 20,000 batches gives 2.030, 4.264, 6.711,
    9.318 and 12.059, each ± 0.005."""
    batches = gaussian_log_ratios(information, 2000)
    smiles, contrasts = (torch.vmap(unwrap(bound))(batches).numpy() for bound in (smile, infonce))
    assert smiles.mean() == pytest.approx(of_smile, abs=0.05 + 3 * smiles.std() / math.sqrt(2000))
    assert contrasts.mean() == pytest.approx(of_infonce, abs=0.03 + 3 * contrasts.std() / math.sqrt(2000))


def test_lower_and_upper_bounds_enclose_two_nats():
    """All with the true ratio or density."""
    batches = gaussian_log_ratios(2.0, 1000, n=100)

    def mean_of(bound, some=batches):
        return float(torch.vmap(bound)(some).mean())

    mean = {bound: mean_of(unwrap(bound)) for bound in OF_SCORES}
    assert mean[nwj_of_log_ratio] == pytest.approx(2.0, abs=0.03)
    assert mean[nwj] == pytest.approx(2.0 - 1 / math.e, abs=0.03)  # the value low by 1/e
    assert mean[infonce] < 1.95
    assert 2.0 < mean[leave_one_out] < 2.2 < 4.0 < mean[club]
    assert mean_of(lambda s: unwrap(tuba)(s, 0.0)) == pytest.approx(2.0, abs=0.03)
    between = [mean_of(lambda s, a=a: unwrap(interpolated)(s, 0.0, a), batches[:300]) for a in (0.01, 0.5, 1)]
    assert 2.04 > between[0] > between[1] > between[2] > 1.8
    assert mean_of(lambda s: unwrap(flo)(s, -s.diagonal())) == pytest.approx(2.0, abs=0.03)


def test_donsker_varadhan_of_few_terms_lies_above_the_truth():
    assert float(torch.vmap(unwrap(donsker_varadhan))(gaussian_log_ratios(6.0, 200)).mean()) > 6.15


# ------------------------------------------------------------------ laws


@pytest.mark.parametrize("name", EVERY)
@settings(max_examples=15)
@given(st.integers(3, 6), locations, seeds)
def test_the_order_of_samples_and_locations_does_not_matter(name, n, locations, seed):
    scores = random_scores(n, *locations, seed=seed)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    shuffled = scores[order][:, order]
    if locations:
        shuffled = shuffled.flip(2)
    before, after = EVERY[name](scores), EVERY[name](shuffled)
    assert float(after) == pytest.approx(float(before), abs=1e-9)


@given(sizes, locations, seeds)
def test_donsker_varadhan_is_the_best_tuba_and_above_nwj(n, locations, seed):
    scores = random_scores(n, *locations, seed=seed)
    value = float(donsker_varadhan(scores))
    assert value >= float(nwj(scores)) - 1e-9
    log_z = float(nwj(scores).new_tensor(-means(scores, lambda v: 0, math.exp)).log())
    assert float(tuba(scores, log_z)) == pytest.approx(value)
    assert float(tuba(scores, log_z + 0.5)) < value > float(tuba(scores, log_z - 0.5))
    assert float(tuba(scores, 1.0)) == pytest.approx(float(nwj(scores)))
    assert float(smile(scores, math.inf)) == pytest.approx(value)


@given(st.integers(3, 6), locations, seeds)
def test_interpolated_runs_from_tuba_to_infonce(n, locations, seed):
    scores = random_scores(n, *locations, seed=seed)
    baseline = random_scores(n, seed=seed + 1)[0]
    assert float(interpolated(scores, baseline, 0)) == pytest.approx(float(tuba(scores, baseline)))
    contrasts = []
    for i in range(n):  # InfoNCE of source i alone, among n − 1 candidates
        for left_out in set(range(n)) - {i}:
            kept = [j for j in range(n) if j not in (i, left_out)]
            own = scores[i, i].flatten()
            others = scores[i, kept].reshape(n - 2, -1).exp().mean(1).sum()
            contrasts += [math.log(n - 1) + float(s - torch.log(s.exp() + others)) for s in own]
    assert float(interpolated(scores, baseline, 1)) == pytest.approx(np.mean(contrasts))
    assert float(interpolated(scores, baseline, 1)) <= math.log(n - 1) + 1e-9


@given(st.integers(3, 6), locations, seeds, st.floats(0.01, 1))
def test_the_ceiling_of_interpolated(n, locations, seed, alpha):
    ceiling = 1 + math.log((n - 1) / alpha)
    assert float(interpolated(random_scores(n, *locations, seed=seed, scale=30.0), 0.0, alpha)) <= ceiling
    told_apart = torch.full((n, n), -40.0, dtype=torch.float64).fill_diagonal_(40.0)
    if alpha <= 0.99:  # at 1 the second term is 1, so that the ceiling is log(n - 1)
        assert float(interpolated(told_apart, 0.0, alpha)) == pytest.approx(ceiling, abs=1e-9)


@given(sizes, locations, seeds)
def test_nwj_of_a_log_ratio_is_low_by_one_over_e(n, locations, seed):
    """What three public codes report for a critic trained by JSD, where E₋ e^s = 1, as it is for log r."""
    scores = random_scores(n, *locations, seed=seed)
    scores = scores - math.log(-means(scores, lambda v: 0, math.exp))
    assert float(nwj_of_log_ratio(scores)) == pytest.approx(float(nwj(scores + 1)))
    assert float(nwj_of_log_ratio(scores) - nwj(scores)) == pytest.approx(1 / math.e)
    assert float(nwj_of_log_ratio(scores)) == pytest.approx(float(donsker_varadhan(scores)))


@pytest.mark.parametrize("bound", [donsker_varadhan, infonce, infonce_by_image, leave_one_out, club])
@settings(max_examples=20)
@given(sizes, locations, seeds, st.floats(-50, 50))
def test_a_constant_added_to_all_scores_changes_nothing(bound, n, locations, seed, constant):
    scores = random_scores(n, *locations, seed=seed)
    assert float(bound(scores + constant)) == pytest.approx(float(bound(scores)), abs=1e-8)


@pytest.mark.parametrize("bound", OF_SCORES, ids=lambda bound: bound.__name__)
def test_scores_that_tell_no_pair_from_another_give_no_information(bound):
    at = 1.0 if bound in (nwj, kl) else 0.0
    assert float(bound(torch.full((5, 5), at))) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", sorted(EVERY.keys() - {"mine"}))  # its gradient is another's: see below
def test_gradients_of_every_bound(name):
    scores = random_scores(4, 2, scale=1.5).requires_grad_()
    if name == "tuba":
        assert torch.autograd.gradcheck(tuba, (scores, random_scores(4)[0].requires_grad_()))
    elif name == "flo":
        assert torch.autograd.gradcheck(flo, (scores, random_scores(4, 2)[0].requires_grad_()))
    else:
        assert torch.autograd.gradcheck(EVERY[name], scores)


@pytest.mark.parametrize("name", EVERY)
def test_large_scores_stay_finite(name):
    """Scores of ±50 in float32."""
    scores = (torch.randn(6, 6, generator=torch.Generator().manual_seed(1)) * 20).requires_grad_()
    value = EVERY[name](scores)
    (gradient,) = torch.autograd.grad(value, scores)
    assert torch.isfinite(value) and torch.isfinite(gradient).all()


LARGE, LOG_5 = 1e38, math.log(5)
AT_THE_EDGE = {  # values of (positives, negatives): (1e38, 1e38), (−1e38, −1e38), (1e38, −1e38), (0, −∞)
    "infonce": (0.0, 0.0, LOG_5, LOG_5),
    "infonce_by_image": (0.0, 0.0, LOG_5, LOG_5),
    "donsker_varadhan": (0.0, 0.0, 2 * LARGE, math.inf),
    "mine": (0.0, 0.0, 2 * LARGE, math.inf),
    "nwj": (-math.inf, -LARGE, LARGE, 0.0),
    "kl": (-math.inf, -LARGE, LARGE, 0.0),
    "nwj_of_log_ratio": (-math.inf, -LARGE, LARGE, 1.0),
    "tuba": (-math.inf, -LARGE, LARGE, -0.5),
    "interpolated": (
        1 - math.log(0.3) - 1 / 0.3,
        -LARGE,
        1 + math.log(4 / 0.3),
        1 - math.log(0.3 / 4 + 0.7 * math.exp(0.5)),
    ),
    "flo": (-math.inf, -0.7 * LARGE, 0.7 * LARGE, 1.0),
    "jensen_shannon": (-LARGE, -LARGE, 2 * math.log(2), math.log(2)),
    "reverse_kl": (-LARGE, -math.inf, LARGE, math.inf),
    "squared_hellinger": (-math.inf, -math.inf, 2.0, 1.0),
    "chi_squared": (-math.inf, -LARGE, LARGE, 1.0),
    "smile": (LARGE, -LARGE, LARGE, 5.0),
    "leave_one_out": (0.0, 0.0, 2 * LARGE, math.inf),
    "club": (0.0, 0.0, 2 * LARGE, math.inf),
}


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("locations", [(), (3,)])
def test_values_of_huge_and_infinite_scores(name, locations):
    pairs = [(LARGE, LARGE), (-LARGE, -LARGE), (LARGE, -LARGE), (0.0, -math.inf)]
    for (positive, negative), expected in zip(pairs, AT_THE_EDGE[name], strict=True):
        if name == "infonce" and positive == negative:  # it counts 3 negatives a sample
            expected = LOG_5 - math.log1p(4 * math.prod(locations))
        scores = torch.full((5, 5, *locations), negative)
        scores[range(5), range(5)] = positive
        scores.requires_grad_()
        value = EVERY[name](scores)
        assert value.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
        if negative == -math.inf:
            (gradient,) = torch.autograd.grad(value, scores)
            assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", EVERY)
def test_pairs_that_are_ruled_out_have_probability_0(name):
    """Every second negative scores −∞: the value is that of −1e4, whose e^s is 0 as well; but for E₋ s."""
    scores = random_scores(6, 2, seed=3)
    ruled_out = (torch.arange(6)[:, None] + torch.arange(6)) % 2 == 1
    of_infinity = scores.masked_fill(ruled_out[..., None], -math.inf).requires_grad_()
    value = EVERY[name](of_infinity)
    if name in ("reverse_kl", "club"):
        assert value.item() == math.inf
    else:
        expected = EVERY[name](scores.masked_fill(ruled_out[..., None], -1e4))
        assert value.item() == pytest.approx(expected.item(), abs=1e-9)
    (gradient,) = torch.autograd.grad(value, of_infinity)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", EVERY)
def test_scores_that_are_no_numbers_give_none(name):
    scores = torch.zeros(5, 5)
    scores[2, 2] = math.nan
    assert math.isnan(EVERY[name](scores).item())
    scores = torch.zeros(5, 5)
    scores[1, 2] = math.nan
    assert math.isnan(EVERY[name](scores).item())
    scores = torch.full((5, 5), math.inf)  # ∞ − ∞
    assert not math.isfinite(EVERY[name](scores).item())


@pytest.mark.parametrize("name", sorted(EVERY.keys() - {"flo"}))  # its u is rounded, too
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_scores_of_16_bits_are_computed_with_in_32(name, dtype):
    scores = random_scores(6, 2).to(dtype)
    value = EVERY[name](scores)
    assert value.dtype == torch.float32 and value.item() == EVERY[name](scores.float()).item()


def test_the_moving_average_of_huge_scores():
    scores = random_scores(5, seed=1).double()
    small, huge = (mine(scores + constant)[1].item() for constant in (0.0, 2.0**22))
    assert huge - 2.0**22 == pytest.approx(small, abs=1e-6)


@pytest.mark.parametrize("bound", [infonce, infonce_by_image, lambda s: flo(s, torch.zeros(5))])
def test_digits_stay_beyond_2_to_the_20(bound):
    scores = torch.randint(-4, 4, (5, 5), generator=torch.Generator().manual_seed(2)) / 4
    rows = torch.tensor([0.0, 2.0**21, -(2.0**21), 2.0**20, 1.0])[:, None]
    assert bound(scores + rows).item() == pytest.approx(bound(scores).item(), abs=1e-5)


def test_a_narrow_clip():
    scores = torch.tensor([[0.0, 3.0], [-3.0, 0.0]])
    assert smile(scores, 0.5).item() == pytest.approx(-math.log(math.cosh(0.5)))


def test_mine_divides_the_gradient_by_the_moving_average():
    first, second = random_scores(5, seed=1), random_scores(5, seed=2).requires_grad_()
    _, log_average = mine(first)
    assert float(log_average) == pytest.approx(math.log(-means(first, lambda v: 0, math.exp)))
    value, updated = mine(second, log_average, decay=0.9)
    assert value.item() == pytest.approx(donsker_varadhan(second).item())
    z = -means(second.detach(), lambda v: 0, math.exp)
    assert math.exp(updated) == pytest.approx(0.9 * math.exp(log_average) + 0.1 * z)
    assert not updated.requires_grad
    (gradient,) = torch.autograd.grad(value, second)
    expected = -second.detach().exp() / 20 / math.exp(updated)
    expected.fill_diagonal_(1 / 5)
    torch.testing.assert_close(gradient, expected)
    (of_dv,) = torch.autograd.grad(donsker_varadhan(second), second)
    (without_memory,) = torch.autograd.grad(mine(second, log_average, decay=0)[0], second)
    torch.testing.assert_close(without_memory, of_dv)


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("bound", OF_SCORES, ids=lambda bound: bound.__name__)
def test_all_check_the_shape_alike(bound):
    square = (
        r"scores must be square \[n, n, \*locations\], got \[4, 2\]; were x and y batches of different sizes"
    )
    with pytest.raises(ValueError, match=f"{bound.__name__}: {square}"):
        unwrap(bound)(torch.zeros(4, 2))
    with pytest.raises(
        ValueError, match=f"{bound.__name__}: a positive needs at least one negative, n ≥ 2, got n = 1"
    ):
        bound(torch.zeros(1, 1))
    with pytest.raises(ValueError, match=f"{bound.__name__}: .*got n = 0"):
        bound(torch.zeros(0, 0))
    with pytest.raises(ValueError, match="must be square"):
        unwrap(bound)(torch.zeros(4))


def test_the_others_check_theirs():
    square = torch.zeros(4, 4)
    for name, call in {
        "tuba": lambda s: unwrap(tuba)(s, 0.0),
        "interpolated": lambda s: unwrap(interpolated)(s, 0.0, 0.5),
        "flo": lambda s: unwrap(flo)(s, torch.zeros(4)),
        "mine": lambda s: unwrap(mine)(s),
    }.items():
        with pytest.raises(ValueError, match=rf"^{name}: scores must be square .* got \[4, 2\]"):
            call(torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"interpolated: .*at least 2 negatives, n ≥ 3, got n = 2"):
        interpolated(torch.zeros(2, 2), 0.0, 0.5)
    with pytest.raises(ValueError, match=r"tuba: log_baseline .* each source x_i, \[4\], got \[3\]"):
        unwrap(tuba)(square, torch.zeros(3))
    with pytest.raises(ValueError, match=r"interpolated: log_baseline .* got \[4, 4\]"):
        unwrap(interpolated)(square, torch.zeros(4, 4), 0.5)
    with pytest.raises(ValueError, match=r"interpolated: alpha must be from 0 .* got 1.5"):
        interpolated(square, 0.0, 1.5)
    with pytest.raises(ValueError, match=r"flo: u must be one value for each positive, \[4\], got \[4, 4\]"):
        unwrap(flo)(square, torch.zeros(4, 4))
    with pytest.raises(ValueError, match="smile: clip must be above 0, got 0"):
        smile(square, 0)
    with pytest.raises(ValueError, match=r"mine: decay must be from 0 to below 1, got 1"):
        mine(square, None, 1)
