"""Estimate: what it holds, refuses and prints; samples as rows and as codes, against loops."""

import datetime
import math
from collections import Counter

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from infomax.estimation.estimate import Estimate, Estimator, mean_with_error
from infomax.estimation.samples import as_codes, as_rows, joint_codes, to_array

finite = st.floats(-1e6, 1e6)
labels = st.one_of(
    st.lists(st.integers(-3, 3), min_size=1, max_size=40),
    st.lists(st.text("abc", max_size=2), min_size=1, max_size=40),
    st.lists(st.tuples(st.booleans(), st.integers(0, 2)), min_size=1, max_size=40),
    st.lists(st.sampled_from([1, "a", (2, "b"), frozenset({3}), 4.5]), min_size=1, max_size=40),
)


def same_partition(codes, values):
    """Equal codes exactly for equal values."""
    pairs = set(zip(np.asarray(codes).tolist(), values, strict=True))
    return len(pairs) == len(set(values)) == len({code for code, _ in pairs})


# -------------------------------------------------------------------------- Estimate


class TestEstimate:
    def test_what_it_holds(self):
        local = np.array([1.0, 2.0])
        estimate = Estimate(1.5, 0.5, 2, "lower bound", "InfoNCE", local)
        assert (estimate.value, estimate.standard_error, estimate.num_samples) == (1.5, 0.5, 2)
        assert (estimate.kind, estimate.method) == ("lower bound", "InfoNCE")
        assert estimate.local is local
        assert Estimate(1.0, 0.1, 10).kind == "estimate"
        assert Estimate(1.0, 0.1, 10).local is None

    def test_is_frozen(self):
        with pytest.raises(AttributeError):
            Estimate(1.0, 0.1, 10).value = 2.0

    def test_a_value_below_zero_stays(self):
        estimate = Estimate(-0.01, 0.02, 100)
        assert float(estimate) == -0.01
        assert estimate.confidence_interval()[0] < -0.01

    @settings(deadline=None)
    @given(finite)
    def test_bits(self, value):
        assert Estimate(value, 0.0, 1).bits == pytest.approx(value / np.log(2), abs=1e-12)
        assert float(Estimate(value, 0.0, 1)) == value

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_value_must_be_finite(self, value):
        message = f"KSG: no finite value from 3 samples, got {value} ± 0.1; are the samples constant"
        with pytest.raises(ValueError, match=message):
            Estimate(value, 0.1, 3, method="KSG")

    @pytest.mark.parametrize("error", [math.nan, math.inf, -0.1])
    def test_error_must_be_finite_and_not_negative(self, error):
        with pytest.raises(ValueError, match=f"Estimate: no finite value from 3 samples, got 1.0 ± {error}"):
            Estimate(1.0, error, 3)

    def test_kind_is_one_of_four(self):
        for kind in ("estimate", "lower bound", "upper bound", "neither"):
            assert Estimate(1.0, 0.1, 10, kind).kind == kind


class TestConfidenceInterval:
    @settings(deadline=None)
    @given(finite, st.floats(0, 1e3), st.floats(0.01, 0.999))
    def test_equal_to_scipy(self, value, error, level):
        low, high = Estimate(value, error, 10).confidence_interval(level)
        if error > 0:
            expected = norm.interval(level, loc=value, scale=error)
            assert (low, high) == pytest.approx(expected, rel=1e-9, abs=1e-9)
        else:
            assert low == high == value

    def test_95_percent_by_default(self):
        assert Estimate(0.0, 1.0, 10).confidence_interval() == pytest.approx((-1.959964, 1.959964), abs=1e-6)

    @pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 95.0, math.nan])
    def test_level(self, level):
        message = f"confidence_interval: level must be between 0 and 1, got {level}; 0.95 is usual"
        with pytest.raises(ValueError, match=message):
            Estimate(1.0, 0.1, 10).confidence_interval(level)


def test_the_interval_reaches_to_the_far_ends_of_alternatives():
    low, high = Estimate(0.5, 0.1, 10), Estimate(1.2, 0.2, 10)
    doubted = Estimate(1.0, 0.05, 10, alternatives=(low, high))
    for level in (0.5, 0.95):
        expected = low.confidence_interval(level)[0], high.confidence_interval(level)[1]
        assert doubted.confidence_interval(level) == expected
    assert repr(doubted) == "1.000 ± 0.050 nats (, n=10; 95 % interval 0.304 to 1.592)"
    unsure = Estimate(1.0, 0.05, 10, alternatives=(Estimate(1.1, 0.5, 10),))  # only above
    assert unsure.confidence_interval() == pytest.approx((1 - 0.05 * 1.96, 1.1 + 0.5 * 1.96), abs=1e-3)
    agreeing = Estimate(1.0, 0.5, 10, alternatives=(low,))
    assert agreeing.confidence_interval() == Estimate(1.0, 0.5, 10).confidence_interval()
    assert "interval" not in repr(agreeing)


class TestPrinting:
    @pytest.mark.parametrize(
        ("value", "error", "text"),
        [
            (0.41234, 0.01256, "0.412 ± 0.013"),
            (-0.0004, 0.0123, "-0.000 ± 0.012"),
            (12.3456, 1.234, "12.3 ± 1.2"),
            (123.456, 12.34, "123 ± 12"),
            (1234.5, 123.4, "1234 ± 123"),  # no decimals, however large the error
            (1e-7, 2.5e-8, "0.000000100 ± 0.000000025"),
            (0.693147, 0.0, "0.69315 ± 0.00000"),
            (0.0, 0.0, "0.000 ± 0.000"),
            (1.0, 1e-20, "1.000000000000 ± 0.000000000000"),  # twelve decimals at most
        ],
    )
    def test_two_digits_of_the_error(self, value, error, text):
        assert repr(Estimate(value, error, 50, method="KSG")) == f"{text} nats (KSG, n=50)"

    @pytest.mark.parametrize("kind", ["lower bound", "upper bound", "neither"])
    def test_kind(self, kind):
        estimate = Estimate(1.0, 0.1, 64, kind, "InfoNCE")
        assert repr(estimate) == f"1.00 ± 0.10 nats (InfoNCE, {kind}, n=64)"

    def test_local_values_are_not_printed(self):
        assert "array" not in repr(Estimate(1.0, 0.1, 2, local=np.array([0.9, 1.1])))


@settings(deadline=None)
@given(st.lists(finite, min_size=2, max_size=50))
def test_mean_with_error(values):
    mean, error = mean_with_error(values)
    expected = sum(values) / len(values)
    spread = math.sqrt(sum((v - expected) ** 2 for v in values) / (len(values) - 1))
    assert mean == pytest.approx(expected, rel=1e-9, abs=1e-6)
    assert error == pytest.approx(spread / math.sqrt(len(values)), rel=1e-6, abs=1e-6)
    assert type(mean) is type(error) is float


def test_what_is_an_estimator():
    class Yes:
        def estimate(self, x, y, *, given=None):
            return Estimate(0.0, 0.0, len(x))

    assert isinstance(Yes(), Estimator)
    assert not isinstance(Estimate(0.0, 0.0, 1), Estimator)


# -------------------------------------------------------------------------- rows


class TestRows:
    @settings(deadline=None)
    @given(st.lists(st.tuples(finite, finite), min_size=1, max_size=20))
    def test_values_stay(self, pairs):
        two, one = as_rows("KSG", x=pairs, y=[first for first, _ in pairs])
        assert two.dtype == one.dtype == np.float64
        assert two.shape == (len(pairs), 2)
        assert one.shape == (len(pairs), 1)
        assert [tuple(row) for row in two.tolist()] == pairs
        assert one[:, 0].tolist() == [first for first, _ in pairs]

    @pytest.mark.parametrize(
        "x",
        [
            [1, 2, 3],
            (1.0, 2.0, 3.0),
            range(1, 4),
            np.array([1, 2, 3], dtype=np.int8),
            torch.tensor([1, 2, 3]),
            torch.tensor([1.0, 2.0, 3.0], requires_grad=True),
            pl.Series([1, 2, 3]),
            pl.DataFrame({"x": [1, 2, 3]}),
            [[1], [2], [3]],
        ],
        ids=lambda x: type(x).__name__,
    )
    def test_whatever_holds_numbers(self, x):
        (rows,) = as_rows("KSG", x=x)
        np.testing.assert_array_equal(rows, [[1.0], [2.0], [3.0]])

    def test_pandas(self):
        pd = pytest.importorskip("pandas")
        frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3, 4]})
        x, y = as_rows("KSG", x=frame, y=frame["b"])
        np.testing.assert_array_equal(x, [[1, 3], [2, 4]])
        np.testing.assert_array_equal(y, [[3], [4]])

    def test_truth_values_are_numbers(self):
        np.testing.assert_array_equal(as_rows("KSG", x=[True, False])[0], [[1.0], [0.0]])

    def test_none_is_left_out(self):
        assert len(as_rows("KSG", x=[1, 2], y=[3, 4], given=None)) == 2

    def test_the_argument_stays_as_it_is(self):
        x = np.array([[1.0, 2.0], [3.0, 4.0]])
        as_rows("KSG", x=x)[0][:] = 0
        np.testing.assert_array_equal(x, [[1, 2], [3, 4]])

    def test_words(self):
        message = r"KSG: x must be numbers \[n\] or \[n, d\] \(.*\); labels are for the counting estimators"
        with pytest.raises(ValueError, match=message):
            as_rows("KSG", x=["a", "b"])

    def test_ragged(self):
        with pytest.raises(ValueError, match=r"KSG: x must be numbers \[n\] or \[n, d\]"):
            as_rows("KSG", x=[[1, 2], [3]])

    @pytest.mark.parametrize("shape", [(), (2, 3, 4), (3, 0)])
    def test_axes(self, shape):
        message = rf"KSG: y must be \[n\] or \[n, d\], got \[{', '.join(map(str, shape))}\]; flatten each"
        with pytest.raises(ValueError, match=message):
            as_rows("KSG", y=np.zeros(shape))

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, None])
    def test_missing_and_infinite(self, bad):
        message = "KSG: x must be finite, got NaN or infinity in 2 of 4 rows, first in row 1; drop or fill"
        with pytest.raises(ValueError, match=message):
            as_rows("KSG", x=[1.0, bad, 2.0, bad])

    def test_lengths(self):
        message = "KSG: variables must have equally many samples, got {'x': 2, 'y': 3}"
        with pytest.raises(ValueError, match=message):
            as_rows("KSG", x=[1, 2], y=[1, 2, 3])

    def test_no_samples(self):
        with pytest.raises(ValueError, match="KSG: got no samples; is the table empty"):
            as_rows("KSG", x=[], y=[])


# -------------------------------------------------------------------------- codes


class TestCodes:
    @settings(deadline=None)
    @given(labels)
    def test_equal_codes_for_equal_labels(self, values):
        (codes,) = as_codes("PlugIn", x=values)
        assert same_partition(codes, values)
        assert set(codes.tolist()) == set(range(len(set(values))))

    @settings(deadline=None)
    @given(labels)
    def test_how_it_is_held_does_not_matter(self, values):
        objects = np.empty(len(values), dtype=object)
        objects[:] = values
        for x in (tuple(values), objects):
            assert same_partition(as_codes("PlugIn", x=x)[0], values)

    @settings(deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30))
    def test_rows_are_labels(self, rows):
        for x in (np.array(rows), np.array(rows, dtype=float), np.array(rows).astype(str)):
            assert same_partition(as_codes("PlugIn", x=x)[0], rows)
        np.testing.assert_array_equal(as_codes("PlugIn", x=np.array(rows)), as_codes("PlugIn", x=rows))

    @settings(deadline=None)
    @given(st.lists(st.integers(-9, 9), min_size=1, max_size=30))
    def test_codes_follow_the_order_of_the_labels(self, values):
        order = sorted(set(values))
        expected = [order.index(value) for value in values]
        for x in (values, np.array(values), [str(chr(100 + value)) for value in values]):
            assert as_codes("PlugIn", x=x)[0].tolist() == expected

    @pytest.mark.parametrize(
        "values",
        [
            np.array([-128, 127, -128, 0] * 99, dtype=np.int8),
            np.array([200, 255, 200, 0] * 99, dtype=np.uint8),
            np.array([2**64 - 1, 0, 2**63], dtype=np.uint64),
            np.array([2**63 - 1, -(2**63), 0]),
            np.array([2**63 - 1, 2**63 - 3, 2**63 - 1]),
            np.array([True, False, True]),
        ],
    )
    def test_integers_counted_or_sorted_have_the_ranks_of_their_labels(self, values):
        expected = np.searchsorted(np.unique(values), values)
        assert as_codes("PlugIn", x=values)[0].tolist() == expected.tolist()

    def test_order_of_appearance_where_labels_have_no_order(self):
        assert as_codes("PlugIn", x=["b", 2, "a", 2])[0].tolist() == [0, 1, 2, 1]

    @pytest.mark.parametrize(
        "x",
        [
            ["b", "a", "b"],
            np.array(["b", "a", "b"]),
            np.array(["b", "a", "b"], dtype=object),
            np.array([True, False, True]),
            torch.tensor([3, 1, 3]),
            pl.Series(["b", "a", "b"]),
            pl.Series(["b", "a", "b"], dtype=pl.Categorical),
            pl.Series([2.5, 1.5, 2.5]),
            [datetime.date(2020, 1, 2), datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)],
            np.array(["2020-01-02", "2020-01-01", "2020-01-02"], dtype="M8[D]"),
            pl.DataFrame({"a": [1, 0, 1], "b": [2, 2, 2]}),
        ],
        ids=lambda x: f"{type(x).__name__} {getattr(x, 'dtype', '')}",
    )
    def test_whatever_holds_labels(self, x):
        assert as_codes("PlugIn", x=x)[0].tolist() == [1, 0, 1]

    def test_pandas(self):
        pd = pytest.importorskip("pandas")
        for x in (pd.Series(["b", "a", "b"]), pd.Series(["b", "a", "b"], dtype="category")):
            assert as_codes("PlugIn", x=x)[0].tolist() == [1, 0, 1]

    def test_arrays_of_more_axes_are_rows(self):
        maps = np.array([[[0, 1], [2, 3]], [[0, 1], [2, 3]], [[0, 1], [2, 4]]])
        assert as_codes("PlugIn", x=maps)[0].tolist() == [0, 0, 1]

    def test_none_is_left_out(self):
        assert len(as_codes("PlugIn", x=[1, 2], y=[3, 4], given=None)) == 2

    @pytest.mark.parametrize(
        "x",
        [
            ["a", None, None],
            [1.0, math.nan, math.nan],
            np.array([1.0, np.nan, np.nan]),
            np.array(["a", None, None], dtype=object),
            np.array(["2020-01-01", "NaT", "NaT"], dtype="M8[D]"),
            pl.Series([1, None, None]),
            pl.Series(["a", None, None]),
            torch.tensor([1.0, torch.nan, torch.nan]),
        ],
        ids=lambda x: f"{type(x).__name__} {getattr(x, 'dtype', '')}",
    )
    def test_missing(self, x):
        message = (
            "PlugIn: x has 2 missing values; drop those rows, or give missing values a label of their own"
        )
        with pytest.raises(ValueError, match=message):
            as_codes("PlugIn", x=x)

    def test_missing_in_rows(self):
        with pytest.raises(ValueError, match="PlugIn: y has 1 missing values"):
            as_codes("PlugIn", y=np.array([[1.0, np.nan], [1.0, 2.0]]))

    def test_labels_that_cannot_be_hashed(self):
        with pytest.raises(
            ValueError, match=r"PlugIn: labels of x must be hashable \(.*list.*\); use tuples"
        ):
            as_codes("PlugIn", x=[[1, 2], [3, 4]])

    def test_lengths(self):
        message = "PlugIn: variables must have equally many samples, got {'x': 1, 'given': 2}"
        with pytest.raises(ValueError, match=message):
            as_codes("PlugIn", x=["a"], given=["a", "b"])

    def test_no_samples(self):
        with pytest.raises(ValueError, match="PlugIn: got no samples; is the table empty"):
            as_codes("PlugIn", x=[])


class TestJointCodes:
    @settings(deadline=None)
    @given(
        st.lists(
            st.tuples(st.integers(0, 9), st.integers(0, 10**6), st.integers(0, 3)), min_size=1, max_size=40
        )
    )
    def test_equal_codes_for_equal_tuples(self, tuples):
        codes = joint_codes(*np.array(tuples).T)
        assert same_partition(codes, tuples)
        order = {t: i for i, t in enumerate(sorted(set(tuples)))}
        assert codes.tolist() == [order[t] for t in tuples]

    def test_one_variable_is_itself(self):
        codes = np.array([2, 0, 2])
        assert joint_codes(codes) is codes

    def test_many_large_alphabets_do_not_overflow(self):
        rng = np.random.default_rng(0)
        codes = rng.integers(0, 10**9, (8, 1000))  # together 10⁷² labels
        codes[:, 500:] = codes[:, :500]
        joint = joint_codes(*codes)
        assert set(Counter(joint.tolist()).values()) == {2}
        np.testing.assert_array_equal(joint[:500], joint[500:])

    def test_small_integer_types(self):
        codes = np.arange(200, dtype=np.uint8)
        assert len(set(joint_codes(codes, codes).tolist())) == 200


def test_to_array_of_a_tensor_that_has_a_gradient():
    array = to_array(torch.ones(2, requires_grad=True) * 3)
    assert isinstance(array, np.ndarray)
    assert array.tolist() == [3.0, 3.0]


def test_cautions_are_printed_with_the_value_and_none_is_unknown():
    undersampled = Estimate(
        0.5, 0.01, 50, method="PlugIn", cautions=("undersampled: 50 samples in 90 cells",)
    )
    assert repr(undersampled) == "0.500 ± 0.010 nats (PlugIn, n=50; undersampled: 50 samples in 90 cells)"
    assert undersampled.has_caution("undersampled") and not undersampled.has_caution("saturated")
    with pytest.raises(ValueError, match="must begin with one of undersampled, saturated, biased"):
        Estimate(0.5, 0.01, 50, cautions=("doubtful",))


def test_a_saturated_value_is_a_least_value_without_an_error_bar():
    saturated = Estimate(8.2875, 0.0, 1000, method="KSG", cautions=("saturated",))
    assert repr(saturated) == "at least 8.2875 nats (KSG, n=1000; saturated)"
    assert saturated.confidence_interval() == (8.2875, math.inf)
