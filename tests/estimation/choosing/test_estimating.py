"""One call for all kinds: what was seen, which case holds, what is reported, and what is doubtful."""

import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import binom, entropy, multivariate_normal

import infomax
from infomax.estimation.choices import ESTIMATORS
from infomax.estimation.choosing.doubting import clearly_more, is_credible
from infomax.estimation.choosing.rule import RULE, Seen, case_of, estimator_named, run
from infomax.estimation.choosing.seeing import variable, variables
from infomax.estimation.estimate import Estimate
from infomax.information.distributions import StudentT, correlated_gaussians

RNG = np.random.default_rng(0)
NUMBERS = RNG.standard_normal(400)
LABELS = RNG.integers(3, size=400)
MANY = RNG.standard_normal((400, 5))
CASES = {
    "labels and labels, also given labels": (LABELS, LABELS, LABELS),
    "labels and numbers together with a condition, or labels given numbers": (LABELS, NUMBERS, LABELS),
    "a label and at most 3 columns of numbers": (NUMBERS, LABELS, None),
    "a label and more columns of numbers": (LABELS, MANY, None),
    "one column of numbers each": (NUMBERS, NUMBERS, None),
    "numbers given numbers, at most 3 columns in all": (NUMBERS, NUMBERS, NUMBERS),
    "numbers given numbers, more columns, at least 300 rows": (NUMBERS, NUMBERS, MANY),
    "numbers, more than two columns in all, at least 300 rows": (NUMBERS, MANY, None),
    "numbers, more than two columns in all, fewer rows": (NUMBERS[:200], MANY[:200], None),
}


def test_every_case_holds_somewhere():
    assert [case.words for case in RULE] == list(CASES)
    for words, (x, y, given) in CASES.items():
        assert case_of(Seen(*variables(x, y, given, {}, 0))).words == words


def test_estimators_of_the_rule_are_told_which_variables_are_labels():
    seen = Seen(*variables(NUMBERS, LABELS, LABELS, {}, 0))
    assert estimator_named("mixed-ksg", seen).labels == ("y", "given")
    assert estimator_named("from-classifier", Seen(*variables(NUMBERS, LABELS, None, {}, 0))).labels == "y"
    assert {name for case in RULE for name in (case.first, case.second) if name} <= set(ESTIMATORS)


# ------------------------------------------------------------------ what is accepted, and what is seen


@pytest.mark.parametrize(
    "form",
    [
        list,
        tuple,
        np.asarray,
        torch.tensor,
        pd.Series,
        lambda v: pl.Series("v", v),
        lambda v: pl.Series(v).to_frame(),
    ],
)
def test_one_value_whatever_holds_the_numbers(form):
    pair = correlated_gaussians(0.8).sample(300, np.random.default_rng(1))
    x, y = (values[:, 0].tolist() for values in pair)
    assert infomax.estimate(form(x), form(y)).value == infomax.estimate(x, y).value


def test_labels_of_any_type():
    words, codes = np.array(["red", "green", "blue"])[LABELS], LABELS % 2
    expected = infomax.estimate(LABELS, codes).value
    for form in (list, pd.Series, pd.Categorical, lambda v: pl.Series(list(v))):
        assert infomax.estimate(form(words), codes.astype(bool).tolist()).value == pytest.approx(expected)
    assert expected == pytest.approx(math.log(3) - 2 / 3 * math.log(2), abs=0.05)


def test_categories_times_and_masks_keep_their_kind():
    many = pd.Series(np.arange(400) % 40).astype("category")
    assert variable("x", many, {}, 0).kind == variable("x", many.to_frame(), {}, 0).kind == "labels"
    assert variable("x", np.arange(400) % 40, {}, 0).kind == "numbers"
    for unit in ("D", "s", "us"):
        days = np.arange(400).astype(f"M8[{unit}]")
        assert variable("x", days, {}, 0).numbers[:, 0].argsort().tolist() == list(range(400))
        assert variable("x", (days - days[0])[:, None], {}, 0).num_columns == 1
    masked = np.ma.masked_less(NUMBERS, -1)
    for value in (masked, np.ma.column_stack([masked, masked])):
        with pytest.raises(ValueError, match=r"estimate: x has .* missing values"):
            infomax.estimate(value, NUMBERS)
    with pytest.raises(ValueError, match="x has columns that cannot be measured: b holds lists; give each"):
        infomax.estimate(pl.DataFrame({"a": NUMBERS[:20], "b": [[1]] * 20}), NUMBERS[:20])


def test_what_is_seen_is_said():
    seen = variable("x", np.round(np.exp(3 * NUMBERS)), {}, 0)
    assert seen.kind == "numbers" and seen.heavy and "heavy tails" in seen.description
    assert "ties in" in seen.description and "ranked at random" in seen.description
    assert (
        variable("x", LABELS[:, None] * [1, 1], {}, 0).description == "x: 3 labels, combinations of 2 columns"
    )
    pixels = variable("x", RNG.integers(2, size=(400, 30)), {}, 0)
    assert pixels.kind == "numbers" and "30 of them labels, taken as numbers" in pixels.description
    assert variable("x", LABELS, {"x": "numbers"}, 0).kind == "numbers"
    assert variable("x", np.round(NUMBERS, 1), {"x": "labels"}, 0).kind == "labels"


def test_scores_keep_the_order_and_rank_ties_at_random():
    scores = variable("x", np.r_[np.zeros(200), NUMBERS[:200] ** 2 + 1], {}, 0).scores[:, 0]
    assert len(np.unique(scores)) == 400 and scores[:200].max() < scores[200:].min()
    assert (np.diff(scores[200:][np.argsort(NUMBERS[:200] ** 2)]) > 0).all()
    assert abs(np.corrcoef(scores[:200], np.arange(200))[0, 1]) < 0.2


# ------------------------------------------------------------------ values


def test_a_gaussian_pair_and_its_monotone_maps():
    pair = correlated_gaussians(0.75)
    x, y = pair.sample(2000, np.random.default_rng(0))
    found = infomax.estimate(x, y)
    low, high = found.confidence_interval()
    assert low < pair.mutual_information < high and found.kind == "estimate" and not found.cautions
    assert infomax.estimate(np.exp(5 * x), -(y**3)).value == pytest.approx(found.value, abs=1e-3)


def test_strong_dependence_is_measured_by_what_is_made_for_it():
    pair = correlated_gaussians(math.sqrt(-math.expm1(-16)))  # 8 nats
    found = infomax.estimate(*pair.sample(1000, np.random.default_rng(0)))
    assert found.method.startswith("ResidualKSG")
    assert found.value == pytest.approx(8, abs=0.3)
    assert "picked instead: residual-ksg, because dependence is strong" in found.explain()


@pytest.mark.slow
def test_the_second_estimator_is_reported_where_it_clearly_finds_more():
    task = StudentT(np.eye(6), 3, 1.5)  # a Gaussian copula finds nothing
    found = infomax.estimate(*task.sample(1500, np.random.default_rng(0)))
    assert found.method == "ExtrapolatedCritic" and found.second.method == "GaussianCopula"
    assert abs(found.second.value) < 0.1 < found.value
    assert found.has_caution("disputed")
    assert "picked instead: extrapolated-critic, because it clearly finds more" in found.explain()


@pytest.mark.slow
def test_a_copula_that_is_too_high_is_disputed():
    """x on two crossing lines, y = x + noise; the truth from the density, a mixture of two Gaussians."""
    rng, noise = np.random.default_rng(0), 0.2

    def draw(n):
        a, sign = rng.standard_normal(n), rng.choice([-1, 1], n)
        x = np.stack([a, sign * a], axis=1)
        return x, x + noise * rng.standard_normal((n, 2))

    lines = [[[1, sign], [sign, 1]] for sign in (1, -1)]
    parts = [multivariate_normal(cov=np.array(line) + noise**2 * np.eye(2)) for line in lines]
    many = draw(100_000)[1]
    entropy = -np.log(np.mean([part.pdf(many) for part in parts], axis=0)).mean()
    truth = entropy - np.log(2 * np.pi * np.e * noise**2)
    found = infomax.estimate(*draw(3000))
    assert found.value > truth + 0.5 and found.has_caution("disputed")
    assert found.second.value == pytest.approx(truth, abs=0.15)
    low, high = found.confidence_interval()
    assert low < truth < high and f"95 % interval {low:.3f} to" in str(found)


def test_more_is_clear_beyond_two_errors_of_both_and_where_no_bias_is_known():
    low, high = Estimate(1.0, 0.03, 10), Estimate(1.09, 0.04, 10)
    assert not clearly_more(high, low) and clearly_more(Estimate(1.11, 0.04, 10), low)
    assert not clearly_more(Estimate(1.3, 0.04, 10, cautions=("biased",)), low)


def test_a_second_value_is_credible_if_it_is_higher_or_clearly_lower_and_not_refuted():
    low, high = Estimate(1.0, 0.03, 10), Estimate(1.2, 0.04, 10)
    assert is_credible("ksg", low, high) and is_credible("gaussian-copula", high, low)
    assert not is_credible("extrapolated-critic", high, low)  # a lower bound has refuted it
    assert not is_credible("gaussian-copula", Estimate(1.05, 0.04, 10), low)  # not clearly lower
    assert not is_credible("ksg", low, Estimate(1.2, 0.04, 10, cautions=("biased",)))
    assert not is_credible("gaussian-copula", high, Estimate(1.0, 0.03, 10, cautions=("saturated",)))


def test_the_interval_takes_in_what_the_second_estimator_finds_more():
    x, y = np.random.default_rng(3).standard_normal((2, 120))
    found = infomax.estimate(x, y)
    assert found.second.value > found.value  # the seed is such
    assert found.second in found.alternatives
    assert found.confidence_interval()[1] >= found.second.confidence_interval()[1]


def test_equal_numbers_are_no_noise_to_what_is_learned():
    """Flipped pixels: ranked at random, they tell a classifier and a critic far less than they know."""
    rng = np.random.default_rng(0)
    pattern, label = rng.integers(2, size=30), rng.integers(2, size=1000)
    pixels = label[:, None] ^ pattern ^ (rng.random((1000, 30)) < 0.4)
    agree = np.arange(31)  # how many agree with the pattern tells all that the pixels tell
    given = binom.pmf(agree, 30, [[0.4], [0.6]])
    truth = float((given / 2 * np.log(given / given.mean(axis=0))).sum())
    assert infomax.estimate(label, pixels).value == pytest.approx(truth, abs=0.03)

    coins = rng.integers(2, size=(1000, 5))
    noisy = coins ^ (rng.random(coins.shape) < 0.1)
    seen = Seen(*variables(coins, noisy, None, dict.fromkeys("xy", "numbers"), 0))
    truth = 5 * (math.log(2) - entropy([0.1, 0.9]))
    assert run("extrapolated-critic", seen).value == pytest.approx(truth, abs=0.12)


def test_what_a_classifier_has_not_learned_is_in_the_interval():
    """A label among eight, each at three places in 30 columns; the truth from the posterior."""
    places = 0.8 * np.random.default_rng(1).standard_normal((8, 3, 30))

    def draw(n, seed):
        rng = np.random.default_rng(seed)
        label, place = rng.integers(8, size=n), rng.integers(3, size=n)
        return label, places[label, place] + rng.standard_normal((n, 30))

    label, values = draw(10_000, 0)
    scores = logsumexp(-((values[:, None, None] - places) ** 2).sum(axis=3) / 2, axis=2)
    truth = math.log(8) + (scores[np.arange(10_000), label] - logsumexp(scores, axis=1)).mean()
    held = 0
    for seed in range(1, 5):
        found = infomax.estimate(*draw(500, seed))
        low, high = found.confidence_interval()
        assert found.method == "FromClassifier" and found.value + 1.96 * found.standard_error < truth
        held += low < truth < high
    assert held >= 3


def test_the_bias_of_neighbours_at_edges_is_in_the_interval():
    """y = x + noise of exponential variables: the density begins at a corner; the truth by quadrature."""
    scale, grid = 0.1, np.linspace(0, 40, 400_001)
    density = (np.exp(-grid) - np.exp(-grid / scale)) / (1 - scale)
    entropy = np.trapezoid(-density * np.log(np.where(density > 0, density, 1)), grid)
    truth = entropy - 1 - math.log(scale)
    held = alone = 0
    for seed in range(10):
        x, noise = np.random.default_rng(seed).exponential(size=(2, 1000))
        found = infomax.estimate(x, x + scale * noise)
        low, high = found.confidence_interval()
        held += low < truth < high
        alone += abs(found.value - truth) < 1.96 * found.standard_error
    assert held >= 8 and alone <= 5


def test_given_labels_and_numbers():
    rng = np.random.default_rng(0)
    other = rng.integers(2, size=1000)
    coin = rng.integers(2, size=1000)
    assert infomax.estimate(coin, coin ^ other, given=other).value == pytest.approx(math.log(2), abs=0.01)
    x, z, noise = rng.standard_normal((3, 1000))
    found = infomax.estimate(x, x + z + noise, given=z)
    assert found.value == pytest.approx(0.347, abs=0.1) and found.second.method == "GaussianCopula"
    mixed = infomax.estimate(coin, 3 * coin + noise, given=z)
    assert mixed.value > 0.3 and "not checked: no estimator of another family" in mixed.explain()


# ------------------------------------------------------------------ doubts


def test_few_rows_are_cautioned():
    found = infomax.estimate(NUMBERS[:30], NUMBERS[100:130])
    assert found.has_caution("undersampled") and "30 rows are few" in str(found)
    assert not infomax.estimate(NUMBERS[:60], NUMBERS[100:160]).has_caution("undersampled")


def test_copied_rows_are_cautioned():
    pair = np.repeat(RNG.standard_normal((2, 100)), 3, axis=1)[:, RNG.permutation(300)]  # independent: 0
    found = infomax.estimate(*pair)
    assert found.value > 0.3 and "200 of 300 rows repeat others in all columns" in str(found)
    rounded = np.round(RNG.standard_normal((2, 2000)), 1)  # repeats, by chance
    assert not infomax.estimate(*rounded).cautions


def test_labels_without_order_and_ties_are_cautioned_where_they_are_taken_as_numbers():
    names = np.array([f"place {i}" for i in RNG.permutation(30)])
    codes = RNG.integers(30, size=200)
    height = RNG.standard_normal(30)[codes]
    mixed = pd.DataFrame({"place": names[codes], "noise": NUMBERS[:200]})
    assert "labels without order in 1 column are taken as numbers" in str(infomax.estimate(mixed, height))
    bits = RNG.integers(2, size=(200, 6))
    flipped = bits ^ (RNG.random((200, 6)) < 0.1)
    truth = 6 * (math.log(2) + 0.1 * math.log(0.1) + 0.9 * math.log(0.9))  # 2.21
    found = infomax.estimate(bits, flipped)
    assert found.value < truth - 1 and "random order of equal numbers is" in str(found)


def test_the_ceiling_is_said():
    names = [f"name {i // 2}" for i in range(200)]
    found = infomax.estimate(names, names, kinds={"x": "labels", "y": "labels"})
    assert found.has_caution("saturated") or found.has_caution("undersampled")
    assert found.confidence_interval()[1] == math.inf or found.has_caution("undersampled")


def test_an_explanation_names_samples_rule_check_and_doubts():
    text = infomax.estimate(LABELS[:40], NUMBERS[:40]).explain()
    seen = ("x: 3 labels", "y: numbers, 1 column", "40 rows", "picked: ross", "checked by:", "kind: estimate")
    for part in (*seen, "caution: undersampled"):
        assert part in text
    alone = Estimate(1.0, 0.1, 10, second=Estimate(2.0, 0.1, 10, method="KSG"))
    assert alone.explain().endswith("checked by: 2.00 ± 0.10 nats (KSG, n=10)")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (NUMBERS[:5], "estimate: needs at least 10 rows, got 5"),
        (np.r_[NUMBERS[:50], np.nan], "estimate: x has 1 missing values; drop those rows"),
        ([f"id {i}" for i in range(50)], r"estimate: x holds identifiers: .*kinds="),
        (np.zeros((20, 2, 2)), r"estimate: x must be \[n\] or \[n, d\], got \[20, 2, 2\]; flatten"),
    ],
)
def test_what_is_refused(x, message):
    with pytest.raises(ValueError, match=message):
        infomax.estimate(x, NUMBERS[: len(x)])


def test_unknown_kinds_and_lengths_are_refused():
    with pytest.raises(ValueError, match="kinds must be 'labels' or 'numbers', got 'text' for x"):
        infomax.estimate(NUMBERS, NUMBERS, kinds={"x": "text"})
    with pytest.raises(ValueError, match="estimate: kinds are of x, y, got given; there is no such argument"):
        infomax.estimate(NUMBERS, NUMBERS, kinds={"given": "labels"})
    with pytest.raises(ValueError, match="estimate: variables must have equally many samples, got"):
        infomax.estimate(NUMBERS, NUMBERS[:50])
