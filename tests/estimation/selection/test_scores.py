"""Score functions: where scikit-learn's stand, with its ranking of features, and with p-values."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.datasets import load_diabetes, load_wine
from sklearn.feature_selection import SelectFdr, SelectKBest, mutual_info_classif, mutual_info_regression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from infomax.estimation.selection.scores import information_classif, information_regression


@pytest.mark.parametrize(
    ("load", "ours", "theirs"),
    [
        (load_wine, information_classif, mutual_info_classif),
        (load_diabetes, information_regression, mutual_info_regression),
    ],
)
def test_they_rank_as_scikit_learns_do(load, ours, theirs):
    X, y = load(return_X_y=True)
    found = ours(X, y)
    assert found.shape == (X.shape[1],)
    assert spearmanr(found, theirs(X, y, random_state=0)).statistic > 0.9


def test_best_features_of_a_frame_in_a_pipeline():
    X, y = load_wine(return_X_y=True, as_frame=True)
    model = make_pipeline(SelectKBest(information_classif, k=2), DecisionTreeClassifier()).fit(X, y)
    assert list(model[0].get_feature_names_out()) == ["flavanoids", "proline"]


def test_p_values_for_the_selector_of_a_false_discovery_rate():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=300)
    X = rng.standard_normal((300, 8))
    X[:, [1, 5]] += 1.5 * y[:, None]
    values, p_values = information_classif(X, y, num_permutations=99)
    assert values.shape == p_values.shape == (8,)

    def score(X, y):
        return information_classif(X, y, num_permutations=99)

    assert SelectFdr(score, alpha=0.05).fit(X, y).get_support(indices=True).tolist() == [1, 5]


def test_a_column_that_cannot_be_measured_has_no_value():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=100)
    X = pd.DataFrame({"useful": y + rng.random(100), "empty": np.nan, "target": rng.random(100)})
    found = information_classif(X, y)
    assert np.isnan(found[1]) and found[0] > found[2]


def test_labels_that_are_text():
    y = np.repeat(["yes", "no"], 50)
    X = pd.DataFrame({"same": y, "other": np.tile(["a", "b"], 50)})
    same, other = information_classif(X, y)
    assert same == pytest.approx(np.log(2), abs=0.02) and abs(other) < 0.05


@pytest.mark.parametrize("same", [True, False])
def test_every_column_has_its_own_score_whatever_the_target_is_called(same):
    """A column of the target's name, equal to it or not, is a feature like the others."""
    rng = np.random.default_rng(0)
    label = pd.Series(rng.integers(2, size=300), name="label")
    other = rng.integers(2, size=300)
    X = pd.DataFrame({"noise": other, "label": label if same else 1 - label, "copy": label})
    scores = information_classif(X, label)
    assert scores == pytest.approx([0, np.log(2), np.log(2)], abs=0.02)
    assert scores.tolist() == information_classif(X, label.rename("another name")).tolist()
