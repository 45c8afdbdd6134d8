"""Probes of numbers and tags: against scikit-learn and SciPy, a constant answer, missing values, noise."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import average_precision_score, r2_score, roc_auc_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

from infomax.evaluation.probes.linear import fit_linear
from infomax.evaluation.probes.targets import TARGET_PROBES
from infomax.evaluation.probes.targets.numbers import (
    fit_ridge,
    number_neighbor_probe,
    ridge_probe,
    spearman,
    unfit_number,
)
from infomax.evaluation.probes.targets.tags import tag_neighbor_probe, tag_probe, unfit_tag


@pytest.fixture(scope="module")
def rows():
    """Features, and a number that is linear in them with noise; units and means differ."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 8)) * 10.0 ** np.arange(-4, 4) + 5
    y = StandardScaler().fit_transform(x) @ rng.normal(size=8) + rng.normal(size=300)
    return x[:200], 40 + 9 * y[:200], x[200:], 40 + 9 * y[200:]


@pytest.fixture(scope="module")
def tags(rows):
    x, y, test, test_y = rows
    return x, (y > 50).astype(np.float32), test, (test_y > 50).astype(np.float32)


def test_ridge_is_scikit_learns(rows):
    x, y, test, test_y = rows
    predict, settings = fit_ridge(x, y)
    assert settings["scaling"] == "each"  # units do not matter
    scale = StandardScaler().fit(x)
    answers = Ridge(alpha=settings["alpha"]).fit(scale.transform(x), y).predict(scale.transform(test))
    np.testing.assert_allclose(predict(test), answers, rtol=1e-4)
    found = ridge_probe(*rows, target="age")
    assert found.measures["r2"].value == pytest.approx(r2_score(test_y, answers), abs=1e-4)
    assert found.measures["spearman"].value == pytest.approx(spearmanr(test_y, answers).statistic, abs=1e-3)
    constant = DummyRegressor().fit(x, y).score(test, test_y)
    assert found.measures["r2"].constant == pytest.approx(constant)
    low, high = found.measures["r2"].interval
    assert low < found.measures["r2"].value < high and low > constant + 0.3
    assert (found.target, found.kind, found.num_labels, found.num_test) == ("age", "number", 200, 100)
    json.dumps(asdict(found))


def test_strength_is_validated():
    """Few rows of many features: hardly any penalty would fit noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(140, 40))
    y = x[:, 0] + 2 * rng.normal(size=140)
    found = ridge_probe(x[:50], y[:50], x[50:], y[50:])
    weak = ridge_probe(x[:50], y[:50], x[50:], y[50:], strengths=(1e-4,))
    assert weak.measures["r2"].value < -0.5 < found.measures["r2"].value


def test_neighbours_are_scikit_learns_at_a_flat_weight(rows):
    x, y, test, test_y = rows
    x, test = x - 5, test - 5
    answers = KNeighborsRegressor(7, metric="cosine").fit(x, y).predict(test)
    found = number_neighbor_probe(x, y, test, test_y, k=7, temperature=1e6)
    assert found.measures["r2"].value == pytest.approx(r2_score(test_y, answers), abs=1e-3)


@pytest.mark.parametrize("probe", TARGET_PROBES["number"].values())
def test_a_number_that_has_nothing_to_do_with_the_features(rows, probe):
    """It is not clipped: the mean of the training rows is the best that can be done."""
    x, _, test, _ = rows
    y = np.random.default_rng(1).normal(size=300)
    found = probe(x, y[:200], test, y[200:], target="noise")
    assert -0.3 < found.measures["r2"].value < 0.05
    low, high = found.measures["spearman"].interval
    assert low < 0.05 and high > -0.05 and high - low < 0.6


def test_missing_values_are_left_out_and_counted(rows):
    x, y, test, test_y = (part.copy() for part in rows)
    alone = ridge_probe(x[:150], y[:150], test[10:], test_y[10:])
    y[150:], test_y[:10] = np.nan, np.nan
    found = ridge_probe(x, y, test, test_y)
    assert (found.num_missing_train, found.num_missing_test) == (50, 10)
    assert found.measures == alone.measures


def test_a_constant_answer_has_no_rank_correlation(rows):
    x, y, test, test_y = rows
    found = ridge_probe(np.ones_like(x), y, np.ones_like(test), test_y)
    assert found.measures["spearman"].value is None and found.measures["spearman"].interval is None
    assert found.measures["r2"].value == pytest.approx(found.measures["r2"].constant)


def test_ranks_with_ties_are_scipys():
    rng = np.random.default_rng(0)
    y, answers = rng.integers(0, 4, (2, 5, 30)).astype(float)
    expected = [spearmanr(*pair).statistic for pair in zip(y, answers, strict=True)]
    np.testing.assert_allclose(spearman(y, answers), expected)


def test_tags_are_scikit_learns(tags):
    x, y, test, test_y = tags
    found = tag_probe(*tags, target="old")
    chosen = fit_linear(x, y.astype(int)).settings
    assert chosen["scaling"] == "each"
    scale = StandardScaler().fit(x)
    fit = LogisticRegression(C=chosen["C"] * 2, max_iter=5000)  # two rows of weights, of opposite sign
    scores = fit.fit(scale.transform(x), y).decision_function(scale.transform(test))
    assert found.measures["auroc"].value == pytest.approx(roc_auc_score(test_y, scores), abs=0.01)
    precision = average_precision_score(test_y, scores)
    assert found.measures["average_precision"].value == pytest.approx(precision, abs=0.02)
    assert found.measures["average_precision"].constant == pytest.approx(test_y.mean())
    assert precision > 2 * test_y.mean()
    json.dumps(asdict(found))


def test_neighbours_of_tags(tags):
    x, y, test, test_y = tags
    shares = KNeighborsRegressor(9, metric="cosine").fit(x - 5, y).predict(test - 5)
    found = tag_neighbor_probe(x - 5, y, test - 5, test_y, k=9, temperature=1e6)
    assert found.measures["auroc"].value == pytest.approx(roc_auc_score(test_y, shares), abs=0.01)


@pytest.mark.parametrize("probe", TARGET_PROBES["tag"].values())
def test_a_tag_that_has_nothing_to_do_with_the_features(rows, probe):
    x, _, test, _ = rows
    y = np.random.default_rng(1).integers(0, 2, 300).astype(np.float32)
    assert abs(probe(x, y[:200], test, y[200:]).measures["auroc"].value - 0.5) < 0.2  # 3.4 standard errors


def test_what_cannot_be_probed_says_why():
    known = np.arange(20.0)
    assert unfit_number(known, known) == ""
    assert unfit_number(known[:4], known) == "4 training values, expected at least 10"
    assert unfit_number(known, np.full(6, 2.5)) == "all 6 test values are 2.5"
    tag = np.array([0.0, 1.0] * 6)
    assert unfit_tag(tag, tag) == ""
    assert unfit_tag(np.zeros(9), tag) == "0 training rows have it, expected at least 5"
    assert unfit_tag(tag, np.ones(5)) == "0 test rows have it not, expected at least 2"


def test_errors_say_what_was_received(rows):
    x, y, test, test_y = rows
    with pytest.raises(ValueError, match=r"train_values must be numbers \[200\].* got float64 \[199\]"):
        ridge_probe(x, y[1:], test, test_y)
    with pytest.raises(ValueError, match="test_values must be finite, or NaN where missing, got infinity"):
        ridge_probe(x, y, test, np.full_like(test_y, np.inf))
    with pytest.raises(ValueError, match=r"train_values are all missing \(NaN\), \[200\]"):
        number_neighbor_probe(x, np.full_like(y, np.nan), test, test_y)
    with pytest.raises(ValueError, match=r"train_features are \[200, 8\], test_features \[100, 7\]"):
        tag_probe(x, (y > 50) * 1.0, test[:, 1:], test_y)
