"""What ennemi and scikit-learn expect of labels in their tests; an exclusive or."""

import math

import numpy as np
import pytest

from infomax.estimation.counting.counts import PlugIn

LETTERS_A = [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3]
LETTERS_B = [1, 1, 1, 1, 2, 1, 2, 2, 2, 2, 3, 1, 3, 3, 3, 2, 2]

ENNEMI = "ennemi's test-suite, "
SKLEARN = "scikit-learn, sklearn/metrics/cluster/tests/test_supervised.py, "
SKLEARN_FEATURES = "scikit-learn, sklearn/feature_selection/tests/test_mutual_info.py, "

INFORMATION = [
    (ENNEMI + "two independent coins", np.tile([0, 1], 100), np.repeat([0, 1], 100), 0.0, 1e-6),
    (
        ENNEMI + "two independent booleans",
        *(np.tile([True, False], 100), np.repeat([False, True], 100), 0.0, 1e-6),
    ),
    (
        ENNEMI + "three letters in another order",
        *(["a", "b", "c"] * 100, ["b", "a", "c"] * 100, math.log(3), 1e-6),
    ),
    (SKLEARN + "test_adjusted_mutual_info_score", LETTERS_A, LETTERS_B, 0.41022, 1e-5),
    (SKLEARN + "test_mutual_info_score_positive_constant_label", ["a"] * 6, [1, 1, 0, 0, 1, 1], 0.0, 1e-12),
    (
        SKLEARN_FEATURES + "test_compute_mi_dd",
        *([0, 1, 1, 0, 0], [1, 0, 0, 0, 1], 0.2911031660323688, 1e-7),
    ),
]


@pytest.mark.parametrize(
    ("source", "x", "y", "expected", "tolerance"),
    INFORMATION,
    ids=[case[0].split(", ")[-1] for case in INFORMATION],
)
def test_information(source, x, y, expected, tolerance):
    assert PlugIn().estimate(x, y).value == pytest.approx(expected, abs=tolerance)


def test_entropy_of_scikit_learn():
    """test_supervised.py, test_entropy."""
    assert PlugIn().entropy([0, 0, 42.0]).value == pytest.approx(0.6365141, abs=1e-5)


def test_many_samples_of_scikit_learn():
    """test_supervised.py, test_int_overflow_mutual_info_fowlkes_mallows_score: products of counts > 2³¹."""
    pairs = np.array([[52632, 2529], [14660, 793], [3271, 204], [814, 39], [316, 20]])
    found = PlugIn().information_of_counts(pairs).value
    labels = np.repeat(np.argwhere(pairs), pairs.ravel(), axis=0)
    assert PlugIn().estimate(labels[:, 0], labels[:, 1]).value == pytest.approx(found, abs=1e-12)
    assert found == pytest.approx(0.000121, abs=1e-6)


def test_identities_of_ennemi():
    """ennemi's test-suite: H(X) − H(X|Y) and ΣH − H(X,Y) are I(X;Y), to 10⁻⁶."""
    rng = np.random.default_rng(2)
    x = rng.choice(["A", "B", "C", "D"], 200, p=[0.3, 0.1, 0.4, 0.2])
    y = rng.choice(["X", "Y", "Z", "W"], 200, p=[0.1, 0.1, 0.2, 0.6])
    y[x == "A"] = "X"
    plug_in = PlugIn()
    given_y = sum(np.mean(y == label) * plug_in.entropy(x[y == label]).value for label in np.unique(y))
    joint = plug_in.entropy(list(zip(x, y, strict=True))).value
    information = plug_in.estimate(x, y).value
    assert plug_in.entropy(x).value - given_y == pytest.approx(information, abs=1e-6)
    assert plug_in.entropy(x).value + plug_in.entropy(y).value - joint == pytest.approx(information, abs=1e-6)


def test_conditional_information_of_an_exclusive_or():
    """y is the exclusive or of x and a condition, each of which alone tells nothing."""
    x, z = np.tile([0, 1], 100), np.repeat([0, 1], 100)
    assert PlugIn().estimate(x ^ z, x, given=z).value == pytest.approx(math.log(2), abs=1e-6)
