"""The value alone is that of the estimate."""

import numpy as np
import pytest

from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.resampling.statistic import MAX_ROWS_COMPARED, ksg_value


@pytest.mark.parametrize("num_rows", [20, MAX_ROWS_COMPARED, MAX_ROWS_COMPARED + 1, 300])
@pytest.mark.parametrize("num_given", [0, 1, 3])
@pytest.mark.parametrize("estimator", [KSG(num_workers=1), KSG(7, num_workers=1)])
def test_it_is_the_value_of_the_estimate(num_rows, num_given, estimator):
    rng = np.random.default_rng(num_rows)
    x, y = rng.standard_normal((2, num_rows, 2))
    z = rng.standard_normal((num_rows, num_given)) if num_given else None
    expected = estimator.estimate(x, y[:, 0], given=z).value
    assert ksg_value(estimator, x, y[:, 0], z) == pytest.approx(expected, abs=1e-12)


def test_what_the_estimate_refuses_is_refused():
    numbers = np.random.default_rng(0).standard_normal(50)
    with pytest.raises(ValueError, match="x must be continuous"):
        ksg_value(KSG(), np.round(numbers), numbers)
    with pytest.raises(ValueError, match="KSG"):
        ksg_value(KSG(), numbers[:3], numbers[:3])


def test_the_second_variant():
    x, y = np.random.default_rng(0).standard_normal((2, 50))
    estimator = KSG(variant=2)
    assert ksg_value(estimator, x, y) == estimator.estimate(x, y).value
