"""Turned boxes: against the authors' loop, closed forms of strong dependence, and plain KSG."""

import numpy as np
import pytest

from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.nonuniformity import (
    SHARE_BY_CHANCE,
    LocalNonuniformity,
    log_alpha,
    log_excess,
)
from infomax.information.distributions import AdditiveUniform, correlated_gaussians


def looped_excess(points, num_neighbors, log_alpha):
    """The correction of the authors' published code, a row at a time, for one column each."""
    found = []
    for row in points[:100]:
        order = np.argsort(np.abs(points - row).max(axis=1), kind="stable")[1 : num_neighbors + 1]
        differences = points[order] - row
        _, axes = np.linalg.eig(differences.T @ differences / num_neighbors)
        turned = np.log(np.abs(differences @ axes).max(axis=0)).sum()
        straight = np.log(np.abs(differences).max(axis=0)).sum()
        found.append(straight - turned if turned < straight + log_alpha else 0.0)
    return np.array(found)


def test_excess_is_that_of_the_authors_loop():
    x, y = correlated_gaussians(0.999).sample(200, np.random.default_rng(0))
    points = np.hstack([x, y])
    order = np.argsort(np.abs(points[:, None] - points).max(axis=2), axis=1, kind="stable")[:, 1:9]
    found = log_excess(points, order, (1, 1))[:100]
    assert found.any() and (found == 0).any()
    np.testing.assert_allclose(found, looped_excess(points, 8, log_alpha(8, (1, 1))), atol=1e-9)


def test_alpha_is_rarely_passed_by_uniform_boxes():
    rng = np.random.default_rng(5)
    alpha = log_alpha(8, (1, 1))
    boxes = rng.uniform(-1, 1, (4000, 8, 2))
    passed = [looped_excess(np.vstack([np.zeros(2), box]), 8, alpha)[0] > 0 for box in boxes]
    assert np.mean(passed) == pytest.approx(SHARE_BY_CHANCE, abs=0.004)


@pytest.mark.parametrize(
    ("nats", "dim", "tolerance"), [(0, 1, 0.04), (3, 1, 0.1), (10, 1, 0.25), (1, 3, 0.1)]
)
def test_gaussians(nats, dim, tolerance):
    pair = correlated_gaussians(np.sqrt(-np.expm1(-2 * nats / dim)), dim=dim)
    x, y = pair.sample(2000, np.random.default_rng(1))
    assert LocalNonuniformity(num_workers=1).estimate(x, y).value == pytest.approx(nats, abs=tolerance)


def test_more_is_found_than_by_ksg_where_boxes_are_thin():
    task = AdditiveUniform(0.01)
    x, y = task.sample(2000, np.random.default_rng(0))
    found, plain = LocalNonuniformity(num_workers=1).estimate(x, y), KSG(8, num_workers=1).estimate(x, y)
    assert plain.value < found.value < task.mutual_information + 0.1
    assert found.local is not None and found.local.mean() == pytest.approx(found.value)
    assert found.kind == "estimate"


def test_what_is_refused():
    x = np.random.default_rng(0).standard_normal((50, 5))
    with pytest.raises(
        ValueError, match="num_neighbors must exceed the columns of x and y together, 10, got 8"
    ):
        LocalNonuniformity().estimate(x, x + 1)
    with pytest.raises(ValueError, match="no conditional form; use KSG"):
        LocalNonuniformity().estimate(x, x, given=x)
    rng = np.random.default_rng(0)
    for pair in ((x[:, 0], 2 * x[:, 0] + 1), np.repeat(rng.standard_normal((2, 40)), 5, axis=1)):
        with pytest.raises(ValueError, match=r"100% of the rows lie on a line.*; leave repeated rows out"):
            LocalNonuniformity().estimate(*pair)
