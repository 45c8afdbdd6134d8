"""Adjusted and normalised information against scikit-learn, and the adjusted value against truths."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_mutual_info_score, normalized_mutual_info_score

from infomax.estimation.counting.adjusted import (
    AdjustedPlugIn,
    adjusted_mutual_information,
    expected_mutual_information,
    normalized_information,
)
from infomax.estimation.counting.counts import MillerMadow
from infomax.information.measures import arithmetic_mean, geometric_mean

YARDSTICKS = {"arithmetic": arithmetic_mean, "geometric": geometric_mean, "min": min, "max": max}

# scikit-learn, sklearn/metrics/cluster/tests/test_supervised.py, test_adjusted_mutual_info_score
SKLEARN_A = [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3]
SKLEARN_B = [1, 1, 1, 1, 2, 1, 2, 2, 2, 2, 3, 1, 3, 3, 3, 2, 2]


@pytest.mark.parametrize("average", YARDSTICKS)
@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=4, max_size=40))
def test_equal_to_scikit_learn(average, pairs):
    x, y = zip(*pairs, strict=True)
    yardstick = YARDSTICKS[average]
    for ours, theirs in (
        (adjusted_mutual_information, adjusted_mutual_info_score),
        (normalized_information, normalized_mutual_info_score),
    ):
        try:
            found = ours(x, y, yardstick=yardstick)
        except ValueError:  # 0/0, for which scikit-learn has 1 or 0
            continue
        assert found == pytest.approx(theirs(x, y, average_method=average), abs=1e-9)


@pytest.mark.parametrize("n", range(2, 60))
def test_a_constant_has_no_entropy_whatever_the_number_of_rows(n):
    """By log n − Σ c log c / n it was −2e-16 for n = 6, whose square root is complex."""
    with pytest.raises(ValueError, match="0/0 has no value"):
        normalized_information([0] * n, [*[0] * (n - 1), 1], yardstick=geometric_mean)


def test_expectations_of_scikit_learn():
    table = np.zeros((3, 3), dtype=int)
    np.add.at(table, (np.array(SKLEARN_A) - 1, np.array(SKLEARN_B) - 1), 1)
    assert expected_mutual_information(table) == pytest.approx(0.15042, abs=1e-5)
    assert adjusted_mutual_information(SKLEARN_A, SKLEARN_B) == pytest.approx(0.27821, abs=1e-5)
    assert adjusted_mutual_information([1, 1, 2, 2], [2, 2, 3, 3]) == pytest.approx(1)
    assert adjusted_mutual_information(110 * SKLEARN_A, 110 * SKLEARN_B) == pytest.approx(0.38, abs=0.005)
    assert expected_mutual_information([[70000]]) <= 1


def test_measure_of_agreement_by_any_names():
    found = adjusted_mutual_information(np.array([[0, 0], [0, 1], [0, 0], [0, 1]]), ["a", "b", "a", "b"])
    assert found == pytest.approx(1)


@pytest.mark.parametrize("function", [adjusted_mutual_information, normalized_information])
def test_a_constant_has_no_share(function):
    with pytest.raises(
        ValueError, match=f"{function.__name__}: the entropies allow 0 nats.*0/0 has no value"
    ):
        function([0, 0, 0], [0, 0, 0])
    with pytest.raises(ValueError, match=f"{function.__name__}: variables must have equally many samples"):
        function([0, 1], [0, 1, 2])


def test_labels_that_all_differ_have_no_share():
    with pytest.raises(ValueError, match=r"allow 1.386 nats, and chance alone gives 1.386.*all differ"):
        adjusted_mutual_information(range(4), range(4))
    with pytest.raises(
        ValueError, match=r"expected_mutual_information: counts of pairs are \[x, y\], got \[3\]"
    ):
        expected_mutual_information([1, 2, 3])


# -------------------------------------------------------------------------- in nats


@pytest.mark.parametrize(
    ("num_x", "num_y", "n"), [(2500, 20, 10_000), (100, 100, 5000), (500, 5, 2000)], ids=str
)
def test_noise_of_many_labels_holds_nothing(num_x, num_y, n):
    """Miller and Madow's value of the same samples is 0.3 to 1.3 nats, and plug-in more; the truth is 0."""
    rng = np.random.default_rng(0)
    pairs = [(rng.integers(num_x, size=n), rng.integers(num_y, size=n)) for _ in range(8)]
    values = [AdjustedPlugIn().estimate(x, y).value for x, y in pairs]
    assert abs(np.mean(values)) < 4 * np.std(values) / math.sqrt(8) + 1e-3
    assert max(np.abs(values)) < 0.05
    assert min(MillerMadow().estimate(x, y).value for x, y in pairs) > 0.25


def test_identifiers_of_two_rows_each_hold_nothing():
    rng = np.random.default_rng(0)
    values = [
        AdjustedPlugIn().estimate(np.repeat(np.arange(1000), 2), rng.integers(3, size=2000)).value
        for _ in range(20)
    ]
    assert abs(np.mean(values)) < 4 * np.std(values) / math.sqrt(20)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 1.0])
def test_labels_that_tell_in_part(share):
    """500 zip codes, of which a share names the class, and the rest does not: the truth is share · log 5."""
    rng = np.random.default_rng(0)
    zips = rng.integers(500, size=2000)
    tells = rng.permutation(500) < share * 500
    values = [
        AdjustedPlugIn().estimate(zips, np.where(tells[zips], zips % 5, rng.integers(5, size=2000))).value
        for _ in range(5)
    ]
    assert np.mean(values) == pytest.approx(share * math.log(5), abs=0.04)


def test_where_every_label_occurs_once_nothing_is_known():
    found = AdjustedPlugIn().estimate(np.arange(100), np.arange(100) % 2)
    assert found.value == 0
    assert found.standard_error == pytest.approx(math.log(2), abs=0.05)
    assert found.cautions == ("undersampled: 100% of 100 samples are the only ones with their labels",)
