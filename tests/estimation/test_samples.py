"""Samples: what becomes of integers, masks, times and odd settings before an estimator sees them."""

from datetime import datetime

import numpy as np
import pytest

from infomax.estimation.counting.counts import PlugIn
from infomax.estimation.gaussian import Gaussian
from infomax.estimation.lags import transfer_entropy
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.mixed import Ross
from infomax.estimation.resampling.permutation import permutation_test
from infomax.estimation.samples import as_codes, as_rows, as_weights, check_whole, rescaled, to_array


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, object])
def test_large_integers_stay_apart(dtype):
    ids = (2**60 + np.arange(100)).astype(dtype)
    (rows,) = as_rows("KSG", x=ids)
    assert (rows[:, 0] == np.arange(100)).all()
    y = np.random.default_rng(0).standard_normal(100)
    assert KSG().estimate(ids, 30 * y).value == KSG().estimate(np.arange(100), 30 * y).value


def test_small_integers_stay_as_they_are():
    assert as_rows("KSG", x=[2**53, -5])[0].tolist() == [[2.0**53], [-5.0]]
    assert as_rows("KSG", x=np.array([[2**60, 7], [2**60 + 2, 9]]))[0].tolist() == [[0, 0], [2, 2]]


def test_integers_that_span_too_much():
    with pytest.raises(ValueError, match=r"KSG: integers of x span .*more than the 2\*\*53.*ranks"):
        as_rows("KSG", x=np.array([0, 2**60 + 1]))
    assert as_rows("KSG", x=np.array([0.5, 2.0**60]))[0].shape == (2, 1)


def test_half_precision_is_exact():
    values = np.array([0.1, 2.5, -3], dtype=np.float16)
    assert as_rows("KSG", x=values)[0][:, 0].tolist() == values.tolist()


def test_masks_are_missing_values():
    masked = np.ma.masked_equal(np.array([1.0, 2.0, 99.0]), 99.0)
    with pytest.raises(ValueError, match=r"KSG: x must be finite.*1 of 3 rows, first in row 2"):
        as_rows("KSG", x=masked)
    assert as_rows("KSG", x=masked[:2])[0].tolist() == [[1.0], [2.0]]
    with pytest.raises(ValueError, match="PlugIn: x has 1 missing values"):
        as_codes("PlugIn", x=np.ma.masked_equal(np.array([1, 2, 9]), 9))
    with pytest.raises(ValueError, match="1 missing"):
        PlugIn().entropy(np.ma.masked_equal(np.array([[1, 2], [1, 9]]), 9))


def test_masks_stay_where_rows_are_moved():
    masked = np.ma.masked_equal(np.array([1, 2, 99] * 10), 99)
    others = np.arange(30.0)
    with pytest.raises(ValueError, match=r"Gaussian: x must be finite.*9 of 29 rows"):
        transfer_entropy(masked, others, Gaussian())
    with pytest.raises(ValueError, match=r"Gaussian: x must be finite.*10 of 30 rows"):
        permutation_test(masked, others, Gaussian(), num_permutations=1)
    words = np.ma.masked_array(["a", "b", "c"], [False, True, False])
    assert to_array(words).tolist() == ["a", None, "c"] and to_array(masked[:2]).tolist() == [1, 2]


def test_rows_of_labels_may_be_objects():
    rows = np.array([["a", 1], ["b", 1], ["a", 1]], dtype=object)
    assert as_codes("PlugIn", x=rows)[0].tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match="PlugIn: x has 1 missing values"):
        as_codes("PlugIn", x=np.array([["a", None], ["b", 1]], dtype=object))


def test_none_is_missing():
    with pytest.raises(ValueError, match="must be finite, got NaN or infinity in 1 of 3 rows"):
        as_rows("KSG", x=np.array([1, None, 2], dtype=object))
    with pytest.raises(ValueError, match="KSG: x must be numbers"):
        as_rows("KSG", x=["a", "b"])


def test_complex_numbers_and_times():
    with pytest.raises(ValueError, match=r"must be real numbers, got complex128.*two columns"):
        as_rows("KSG", x=np.array([1j, 2]))
    for times in (np.array(["2020-01-01"], "datetime64[ns]"), np.array([3], "timedelta64[s]")):
        with pytest.raises(ValueError, match=r"must be real numbers.*\(t - t.min\(\)\) / np.timedelta64"):
            as_rows("KSG", x=times)
    with pytest.raises(ValueError, match="must be numbers"):
        as_rows("KSG", x=[datetime(2020, 1, 1)])
    assert as_codes("PlugIn", x=np.array(["2020-01-01", "2020-01-01"], "datetime64[D]"))[0].tolist() == [0, 0]


def test_rescaling_loses_nothing():
    rows = np.array([[1e-300, 3.0, 0.0], [-3e-300, 1e300, 0.0]])
    smaller, exponents = rescaled(rows)
    assert (np.abs(smaller) < 1).all()
    assert (np.ldexp(smaller, exponents) == rows).all()


def test_weights():
    x = np.arange(4.0)[:, None]
    assert as_weights("KSG", [x], None) == ([x], None)
    kept, weights = as_weights("KSG", [x], [0, 1, 2, 3])
    assert kept[0][:, 0].tolist() == [1, 2, 3]
    assert weights == pytest.approx([0.5, 1, 1.5])
    assert as_weights("KSG", [x], [2, 2, 2, 2])[1] is None
    for wrong in ([-1, 1, 1, 1], [0, 0, 0, 0], np.ones((4, 2))):
        with pytest.raises(ValueError, match="weights must be one number of at least 0"):
            as_weights("KSG", [x], wrong)


@pytest.mark.parametrize("value", [3.0, "3", True, np.bool_(True), None])
def test_whole_numbers(value):
    with pytest.raises(ValueError, match=r"CCA: num_components must be an integer, got .*; None counts all"):
        check_whole("CCA", "num_components", value, least=1, remedy="None counts all")
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        check_whole("CCA", "num_components", 0, least=1, remedy="None counts all")
    check_whole("CCA", "num_components", np.uint8(1), least=1, remedy="None counts all")


def test_errors_name_the_estimator():
    with pytest.raises(ValueError, match="Gaussian: y must be real numbers"):
        Gaussian().estimate([1.0, 2, 3, 4], np.array([1j, 2, 3, 4]))
    with pytest.raises(ValueError, match="Ross: y must be finite"):
        Ross().estimate(["a", "a"], [1.0, np.nan])
