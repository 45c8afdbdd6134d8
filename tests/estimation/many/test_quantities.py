"""Sums of entropies against closed forms and the estimators of pairs, and the coverage of their errors."""

import math

import numpy as np
import pandas as pd
import pytest

from infomax.estimation import (
    KSG,
    Gaussian,
    MillerMadow,
    PlugIn,
    Ross,
    SumsOfCounts,
    SumsOfCovariances,
    SumsOfNeighbors,
    estimate_dual_total_correlation,
    estimate_o_information,
    estimate_total_correlation,
)
from infomax.estimation.many.quantities import o_information_terms
from infomax.information import dual_total_correlation, o_information, total_correlation

CORRELATIONS = np.array([[1, 0.6, 0.3, 0.2], [0.6, 1, 0.5, 0.1], [0.3, 0.5, 1, -0.4], [0.2, 0.1, -0.4, 1]])
QUANTITIES = {
    estimate_total_correlation: total_correlation,
    estimate_dual_total_correlation: dual_total_correlation,
    estimate_o_information: o_information,
}


def log_det(keep):
    return np.linalg.slogdet(CORRELATIONS[np.ix_(keep, keep)])[1]


WITHOUT_ONE = sum(log_det([j for j in range(4) if j != i]) for i in range(4))
GAUSSIAN = {  # variances are 1, so that log det of single variables is 0
    estimate_total_correlation: -log_det(range(4)) / 2,
    estimate_dual_total_correlation: (WITHOUT_ONE - 3 * log_det(range(4))) / 2,
}
GAUSSIAN[estimate_o_information] = (
    GAUSSIAN[estimate_total_correlation] - GAUSSIAN[estimate_dual_total_correlation]
)


def gaussians(num, seed):
    return np.random.default_rng(seed).multivariate_normal(np.zeros(4), CORRELATIONS, size=num)


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("estimator", [SumsOfNeighbors(num_workers=1), SumsOfCovariances()])
def test_gaussians(quantity, estimator):
    found = [quantity(gaussians(500, seed), estimator) for seed in range(20)]
    values = np.array([one.value for one in found])
    assert values.mean() == pytest.approx(GAUSSIAN[quantity], abs=0.03)
    error = np.mean([one.standard_error for one in found])
    assert 0.7 * values.std(ddof=1) < error < 2 * values.std(ddof=1)
    inside = np.abs(values - GAUSSIAN[quantity]) < 1.96 * error
    assert inside.sum() >= 17


TABLE = np.random.default_rng(0).exponential(size=(2, 3, 2, 3)) ** 2
TABLE /= TABLE.sum()


def labels(num, seed):
    cells = np.random.default_rng(seed).choice(TABLE.size, size=num, p=TABLE.ravel())
    return [*np.unravel_index(cells, TABLE.shape)]


@pytest.mark.parametrize(("quantity", "exact"), QUANTITIES.items())
def test_labels(quantity, exact):
    found = [quantity(labels(1000, seed), SumsOfCounts()) for seed in range(60)]
    values = np.array([one.value for one in found])
    assert values.mean() == pytest.approx(float(exact(TABLE)), abs=0.01)
    errors = np.array([one.standard_error for one in found])
    assert 0.8 * values.std() < errors.mean() < 2 * values.std()
    assert (np.abs(values - float(exact(TABLE))) < 1.96 * errors).sum() >= 52


def test_the_error_stays_at_independence():
    """Where the mean of local values does not vary, the second order is all there is: 2n·TC is χ²."""
    rng = np.random.default_rng(0)
    found = [
        estimate_total_correlation(rng.integers(3, size=(500, 3)), SumsOfCounts(PlugIn())) for _ in range(200)
    ]
    values = np.array([one.value for one in found])
    degrees = 27 - 1 - 3 * 2
    assert values.std() == pytest.approx(math.sqrt(degrees / 2) / 500, rel=0.15)
    errors = np.array([one.standard_error for one in found])  # with the bias, which is left in
    assert np.sqrt(np.mean(errors**2)) > np.hypot(values.std(), values.mean())


def test_two_variables_are_what_pairs_are():
    x = np.random.default_rng(0).standard_normal(300)
    y = 0.7 * x + np.random.default_rng(1).standard_normal(300)
    for sums, pairs in [(SumsOfNeighbors(), KSG()), (SumsOfCovariances(), Gaussian())]:
        found, expected = estimate_total_correlation([x, y], sums), pairs.estimate(x, y)
        assert found.value == pytest.approx(expected.value)
        assert found.standard_error == pytest.approx(expected.standard_error, rel=0.15)
        assert found.kind == expected.kind
        assert estimate_dual_total_correlation([x, y], sums).value == pytest.approx(expected.value)
    a, b = np.random.default_rng(2).integers(4, size=(2, 300))
    for counting in (PlugIn(), MillerMadow()):
        found = estimate_total_correlation([a, (a + b // 2) % 4], SumsOfCounts(counting))
        expected = counting.estimate(a, (a + b // 2) % 4)
        assert found.value == pytest.approx(expected.value)
        assert found.local == pytest.approx(expected.local)
    # the error of the plug-in value, and the distances that are added to it
    plug_in = PlugIn().estimate(a, b).standard_error
    found = estimate_total_correlation([a, b], SumsOfCounts(PlugIn()))
    assert found.standard_error > plug_in
    corrected = estimate_total_correlation([a, b], SumsOfCounts())
    assert corrected.standard_error**2 - plug_in**2 < (found.value - corrected.value) ** 2


def test_a_label_and_a_number_are_what_ross_finds():
    rng = np.random.default_rng(0)
    label = rng.integers(3, size=300)
    x = rng.standard_normal(300) + label
    words = np.array(["a", "b", "c"])[label]
    expected = Ross().estimate(label, x)
    for columns, places in (([words, x], (0,)), ([x, label], (1,))):
        found = estimate_total_correlation(columns, SumsOfNeighbors(labels=places))
        assert found.value == pytest.approx(expected.value)
        assert found.kind == "estimate" and found.standard_error > 0


def test_labels_and_numbers_together():
    """A number whose sign two coins give, Z = |N| (−1)^(A + B): Ω = −log 2, and TC = log 2."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(2, size=(2, 1500))
    z = np.abs(rng.standard_normal(1500)) * np.where(a ^ b, -1, 1)
    for quantity, truth in zip(QUANTITIES, np.array([1, 2, -1]) * math.log(2), strict=True):
        found = quantity([a, z, b], SumsOfNeighbors(labels=(0, 2)))
        assert found.value == pytest.approx(truth, abs=max(0.03, 2 * found.standard_error))
    noise = rng.standard_normal(1500)
    found = estimate_o_information({"a": a, "b": b, "noise": noise}, SumsOfNeighbors(labels=(0, 1)))
    assert abs(found.value) < max(0.02, 2 * found.standard_error)


def test_several_columns_make_one_variable():
    z = gaussians(400, 0)
    found = estimate_total_correlation([z[:, :2], z[:, 2:]], SumsOfCovariances())
    assert found.value == pytest.approx(Gaussian().estimate(z[:, :2], z[:, 2:]).value)


def test_columns_of_every_shape():
    import polars as pl

    z = gaussians(200, 0)
    expected = estimate_o_information(z, SumsOfCovariances()).value
    for columns in (list(z.T), dict(enumerate(z.T)), pl.DataFrame(z, schema=list("abcd"))):
        assert estimate_o_information(columns, SumsOfCovariances()).value == pytest.approx(expected)


def test_o_information_is_the_difference():
    z = gaussians(300, 1)
    for estimator in (SumsOfNeighbors(), SumsOfCovariances()):
        total, dual = (quantity(z, estimator).value for quantity in list(QUANTITIES)[:2])
        assert estimate_o_information(z, estimator).value == pytest.approx(total - dual)
    signs = o_information_terms(4)
    assert all(sum(sign for group, sign in signs.items() if i in group) == 0 for i in range(4))  # balanced


def test_doubt_is_said():
    rng = np.random.default_rng(0)
    many = estimate_total_correlation(rng.integers(10, size=(100, 4)), SumsOfCounts())
    assert many.has_caution("undersampled")
    common = rng.standard_normal((200, 1))
    wide = estimate_total_correlation(common + 0.05 * rng.standard_normal((200, 6)), SumsOfNeighbors())
    assert wide.has_caution("biased")


def test_what_is_refused():
    z = gaussians(50, 0)
    with pytest.raises(ValueError, match="estimate_o_information: expected at least 3 variables, got 2"):
        estimate_o_information(z[:, :2], SumsOfCovariances())
    with pytest.raises(ValueError, match=r"SumsOfNeighbors: variable 1 must be continuous, .* 50 times"):
        estimate_total_correlation([z[:, 0], np.zeros(50)], SumsOfNeighbors())
    coins = np.arange(50) % 2
    with pytest.raises(ValueError, match=r"SumsOfNeighbors: variable 1 must .*; name it in labels="):
        estimate_total_correlation([z[:, 0], coins], SumsOfNeighbors())
    for labels in ((0, 1), (2,)):
        with pytest.raises(ValueError, match=r"labels must be places from 0 to 1, .*SumsOfCounts"):
            estimate_total_correlation([z[:, 0], coins], SumsOfNeighbors(labels=labels))
    with pytest.raises(ValueError, match="1 combinations of the labels occur once, and have no neighbours"):
        estimate_total_correlation([z[:, 0], np.arange(50) == 7], SumsOfNeighbors(labels=(1,)))
    with pytest.raises(ValueError, match="SumsOfCovariances: the covariance is singular"):
        estimate_total_correlation([z[:, 0], z[:, 0]], SumsOfCovariances())
    with pytest.raises(ValueError, match="equally many samples"):
        estimate_total_correlation([[0, 1], [0, 1, 1]], SumsOfCounts())
    twice = pd.DataFrame(np.column_stack([coins, np.arange(50) % 3]), columns=["a", "a"])
    with pytest.raises(
        ValueError, match=r"estimate_total_correlation: columns have equal names, got \['a', "
    ):
        estimate_total_correlation(twice, SumsOfCounts())
    with pytest.raises(ValueError, match=r"an array must be \[n, variables\], got \[50\]; a vector is one"):
        estimate_total_correlation(coins, SumsOfCounts())
    with pytest.raises(ValueError, match="num_neighbors must be at least 1"):
        SumsOfNeighbors(0)
