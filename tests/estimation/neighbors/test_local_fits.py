"""Polynomials in windows: the same as least squares without the row."""

import numpy as np
import pytest

from infomax.estimation.neighbors.local_fits import best_prediction, fit_in_windows


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_line_through_all_rows_leaves_the_row_out(rng):
    x, y = rng.standard_normal((30, 2)), rng.standard_normal((30, 2))
    design = np.column_stack([np.ones(30), x])
    for i in range(30):
        rest = np.arange(30) != i
        beta = np.linalg.lstsq(design[rest], y[rest], rcond=None)[0]
        assert fit_in_windows(x, y, 30, 1)[i] == pytest.approx(design[i] @ beta, abs=1e-6)


def test_windows_leave_the_row_out(rng):
    """Another value of y in one row changes predictions of others, not its own."""
    x, y = rng.standard_normal((200, 1)), rng.standard_normal((200, 1))
    before = fit_in_windows(x, y, 16, 3)
    y[7] += 1
    after = fit_in_windows(x, y, 16, 3)
    assert after[7] == pytest.approx(before[7], abs=1e-6)
    assert 4 < (np.abs(after - before) > 1e-9).sum() < 32


def test_polynomials_are_found_exactly(rng):
    x = rng.standard_normal((300, 2))
    y = (x[:, :1] * x[:, 1:] - x[:, :1] ** 2) + 1
    assert fit_in_windows(x, y, 24, 2) == pytest.approx(y, abs=1e-6)


def test_windows_widen_with_the_number_of_rows(rng):
    """Hence the variance of the fit vanishes."""
    shares, errors = [], []
    for n in (500, 20_000):
        x = rng.uniform(-3, 3, (n, 1))
        fit = best_prediction(x, np.sin(x) + rng.standard_normal((n, 1)))
        shares.append(fit.terms_per_row)
        errors.append(np.sqrt(np.mean((fit.predicted - np.sin(x)) ** 2)))
    assert shares[1] < shares[0] / 2
    assert errors[1] < errors[0] / 2
    assert errors[1] < 0.1
