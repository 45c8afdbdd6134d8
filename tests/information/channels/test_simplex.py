"""The point that meets the costs: on the line from the start to a point that does not."""

import numpy as np
import pytest

from infomax.information.channels.simplex import Maximum, _Limits, _with_affordable_point

START, P = np.array([0.8, 0.1, 0.1]), np.array([0.2, 0.3, 0.5])
ONE = np.array([[0.0, 1.0, 2.0]])
NOTHING = Maximum(START, -np.inf, np.inf, 3, np.zeros(1))


def entropy(p):
    return float(-p @ np.log(p)), -np.log(p) - 1, np.diag(1 / p)


@pytest.mark.parametrize(
    ("costs", "budgets", "share"),
    [
        (ONE, [0.5], 0.2),  # (.5 − .3) / (1.3 − .3)
        (np.vstack([ONE, [0.0, 0.0, 1.0]]), [0.5, 0.14], 0.1),  # (.14 − .1) / (.5 − .1) is the lesser
        (np.vstack([ONE, [1.0, 0.0, 0.0]]), [0.5, 0.9], 0.2),  # the second is not exceeded
    ],
)
def test_the_point_is_as_far_as_the_costs_allow(costs, budgets, share):
    limits = _Limits(START, costs, np.array(budgets))
    found = _with_affordable_point(NOTHING, entropy, P, limits)
    np.testing.assert_allclose(found.point, share * P + (1 - share) * START, rtol=1e-12)
    assert found.point.sum() == pytest.approx(1, abs=1e-15) and (costs @ found.point <= budgets).all()
    assert found.lower < entropy(found.point)[0] < found.lower + 1e-13
    assert (found.upper, found.iterations) == (np.inf, 3)


def test_what_is_better_or_meets_the_costs_stays():
    limits = _Limits(START, ONE, np.array([0.5]))
    better = NOTHING._replace(lower=10.0)
    assert _with_affordable_point(better, entropy, P, limits) is better
    affordable = np.array([0.7, 0.2, 0.1])
    assert _with_affordable_point(NOTHING, entropy, affordable, limits) is NOTHING
