"""The choice of a counting estimator by how well a table is sampled."""

import math

import numpy as np
import pytest

from infomax.estimation.counting.adjusted import AdjustedPlugIn
from infomax.estimation.counting.counts import MillerMadow
from infomax.estimation.counting.suited import SuitedCounting


def test_well_sampled_tables_are_miller_madow():
    rng = np.random.default_rng(0)
    for table in rng.multinomial(5000, rng.dirichlet(np.ones(25)), size=10).reshape(10, 5, 5):
        found, expected = (
            SuitedCounting().information_of_counts(table),
            MillerMadow().information_of_counts(table),
        )
        assert (found.value, found.standard_error) == (expected.value, expected.standard_error)
        assert found.method == "MillerMadow"
        assert found.cautions == ()


def test_undersampled_tables_are_adjusted():
    rng = np.random.default_rng(0)
    x, y = rng.integers(1000, size=2000), rng.integers(10, size=2000)
    found, expected = SuitedCounting().estimate(x, y), AdjustedPlugIn().estimate(x, y)
    assert (found.value, found.standard_error) == (expected.value, expected.standard_error)
    assert found.method == "AdjustedPlugIn"
    assert found.has_caution("undersampled")


def test_each_table_of_a_stack_has_its_own():
    rng = np.random.default_rng(0)
    noise, told = rng.multinomial(60, np.full(100, 0.01)), 100 * np.eye(10, dtype=int).ravel()
    tables = np.stack([noise, told]).reshape(2, 10, 10)
    assert [found.method for found in SuitedCounting().information_of_tables(tables)] == [
        "AdjustedPlugIn",
        "MillerMadow",
    ]


def test_predictors_stand_above_noise_of_many_labels():
    """Three columns of few labels that tell something, five of 50 to 1,000 labels that tell nothing."""
    rng = np.random.default_rng(0)
    n = 2000
    target = rng.integers(3, size=n)
    told = {
        f"real {k}": np.where(rng.random(n) < share, target, rng.integers(3, size=n))
        for k, share in enumerate((0.3, 0.4, 0.5))
    }
    noise = {f"noise {k}": rng.integers(k, size=n) for k in (50, 100, 300, 600, 1000)}
    columns = told | noise

    def ranked(estimator):
        values = {name: estimator.estimate(column, target).value for name, column in columns.items()}
        return sorted(values, key=values.__getitem__, reverse=True)

    assert ranked(SuitedCounting())[:3] == ["real 2", "real 1", "real 0"]
    assert ranked(MillerMadow())[0] == "noise 1000"


def test_entropy_of_many_rare_labels():
    """Grassberger's value, where Miller and Madow's is a tenth too low."""
    labels = np.random.default_rng(0).integers(1000, size=1500)
    found = SuitedCounting().entropy(labels)
    low, high = found.confidence_interval()
    assert low < math.log(1000) < high
    assert found.value > MillerMadow().entropy(labels).value
    assert SuitedCounting().entropy(labels % 4).value == MillerMadow().entropy(labels % 4).value


@pytest.mark.parametrize("given", [None, [0, 1] * 500])
def test_is_a_counting_estimator(given):
    x, y = np.arange(1000) // 2 % 2, np.arange(1000) // 4 % 2
    assert SuitedCounting().estimate(x, y, given=given).value == pytest.approx(0, abs=0.01)
    assert SuitedCounting() == SuitedCounting()
