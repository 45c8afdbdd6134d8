"""Public functions of tables, and bounds, meet any numbers: an answer without NaN, or a ValueError."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.information.test_inputs import ALL, value
from tests.untyped import unwrap

from infomax.errors import refuse
from infomax.estimation import bounds

ODD = st.sampled_from([0.0, -0.0, 1.0, 0.5, 0.25, -1e-18, 1e-300, 5e-324, 1e300, np.inf, -np.inf, np.nan])
NUMBERS = st.one_of(ODD, st.floats(0, 1), st.floats(width=64))
SQUARE = st.sampled_from([(2, 2), (1, 1), (3, 3), (2, 3), (0, 2)]).flatmap(
    lambda shape: arrays(np.float64, shape, elements=NUMBERS)
)
TABLES = arrays(np.float64, (2, 2), elements=st.floats(0, 1)).filter(np.any).map(lambda one: one / one.sum())
QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much]


def refused_or_no_nan(function, *given):
    """Return whether numbers were refused; NaN in an answer, or another error, fails."""
    with np.errstate(all="ignore"):
        try:
            found = value(function(*given))
        except ValueError as error:
            assert str(error).strip()
            return True
    assert not np.isnan(found).any(), given
    return False


def fuzzed(function, num):
    """Call a function with so many tables; return how many were refused and how many answered."""
    counts = {True: 0, False: 0}

    @settings(max_examples=num, deadline=None, database=None, derandomize=True, suppress_health_check=QUIET)
    @given(st.one_of(SQUARE, TABLES))
    def run(table):
        counts[refused_or_no_nan(function, table)] += 1

    run()
    return counts[True], counts[False]


def bound(name):
    """Return a bound of scores below ∞, without the check of shapes that only tests have.

    Bounds do not look at scores: that of NaN is NaN, which an `Estimate` refuses. −∞ is a score, but
    CLUB is a difference of means, each of which may be −∞.
    """
    sound = np.isfinite if name == "club" else lambda table: table < np.inf

    def of_table(table):
        refuse(not sound(table).all(), "scores of NaN or ∞")
        return unwrap(getattr(bounds, name))(torch.from_numpy(table))

    return of_table


BOUNDS = ("infonce", "nwj", "donsker_varadhan", "jensen_shannon", "chi_squared", "leave_one_out", "club")
FUNCTIONS = {name: function for name, (function, _) in ALL.items()}
FUNCTIONS |= {f"bounds.{name}": bound(name) for name in BOUNDS}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_some_numbers(name):
    fuzzed(FUNCTIONS[name], 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_many_numbers(name, count):
    refused, answered = fuzzed(FUNCTIONS[name], 400)
    count(f"fuzz {name}: {refused:,} refused, {answered:,} answered")
