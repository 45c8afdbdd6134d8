"""Capacity under costs: affordable, certified, and equal to what independent methods find."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from infomax.information.channels.channel import Channel
from infomax.information.measures import mutual_information

TOLERANCE = 1e-9


def random_rows(rng):
    """Transition matrices, most of them degenerate: few letters, zeros, equal or deterministic rows."""
    n, m = rng.integers(1, 7), 2 if rng.random() < 0.4 else rng.integers(1, 6)
    rows = rng.dirichlet(np.ones(m), size=n)
    kind = rng.integers(6)
    if kind == 0:
        rows = np.eye(m)[rng.integers(m, size=n)]
    elif kind == 1:
        rows = rows[rng.integers(n, size=n)]
    elif kind == 2:
        rows = rows * (rng.random((n, m)) < 0.5)
        rows[np.arange(n), rng.integers(m, size=n)] += 0.1
    elif kind == 3:
        rows = rng.dirichlet(np.full(m, 0.03), size=n)
    return rows / rows.sum(axis=1, keepdims=True)


def random_costs(rng, n):
    costs = 3 * rng.random(n)
    kind = rng.integers(8)
    if kind == 4:
        costs[rng.integers(n)] = 1e300
    return [
        costs,
        rng.integers(0, 3, size=n).astype(float),
        np.full(n, 1.5),
        10.0 ** rng.uniform(-8, 8, size=n),
        costs,
        costs - 5,
        costs + 1e9,
        np.where(rng.random(n) < 0.5, 1.0, costs + 1),
    ][kind]


def random_budget(rng, costs):
    least, middle, most = costs.min(), np.sort(costs)[len(costs) // 2], costs.max()
    share = rng.random()
    budgets = [
        least + share * (most - least),
        least,
        most,
        least + abs(least) * 1e-12,
        most - abs(most) * 1e-12,
        least + (middle - least) * 10.0 ** (-14 * share),
        middle,
        least + (middle - least) * share,
    ]
    return max(budgets[rng.integers(len(budgets))], least)


def random_problem(seed):
    rng = np.random.default_rng(seed)
    rows = random_rows(rng)
    costs = random_costs(rng, len(rows))
    return rows, costs, random_budget(rng, costs)


def check(rows, costs, budget, tolerance=TOLERANCE):
    capacity = Channel(rows).capacity(costs=costs, budget=budget, tolerance=tolerance)
    assert 0 <= capacity.upper - capacity.lower <= tolerance
    p = capacity.input
    assert np.all(p >= 0) and p.sum() == pytest.approx(1, abs=1e-14)
    rounding = 4 * np.finfo(float).eps * (len(p) + 2) * max(p @ np.abs(costs), abs(budget))
    assert p @ costs <= budget + rounding
    assert float(mutual_information(p[:, None] * rows)) == pytest.approx(capacity.lower, abs=1e-12)
    return capacity


@pytest.mark.parametrize("first", range(0, 120, 40))
def test_random_channels_with_costs(first):
    for seed in range(first, first + 40):
        check(*random_problem(seed))


@pytest.mark.slow
def test_ten_thousand_random_channels_with_costs():
    for seed in range(1000, 11_000):
        check(*random_problem(seed))


def test_two_outputs_and_four_inputs():
    """The best of all inputs in steps of 1/200 carries .400404."""
    rows, costs = np.array([[0, 1], [0.4, 0.6], [0.9, 0.1], [0.7, 0.3]]), np.array([1.4, 0.8, 2.7, 2.5])
    capacity = check(rows, costs, 1.6)
    assert capacity.lower == pytest.approx(0.400404, abs=2e-4)
    assert best_on_grid(rows, costs, 1.6, 100) <= capacity.upper


def best_on_grid(rows, costs, budget, steps):
    inputs = np.array([p for p in np.ndindex(*[steps + 1] * (len(rows) - 1)) if sum(p) <= steps]) / steps
    inputs = np.column_stack([inputs, 1 - inputs.sum(axis=1)])
    inputs = inputs[inputs @ costs <= budget + 1e-12]
    return mutual_information(np.abs(inputs)[:, :, None] * rows).max()


def best_by_slsqp(rows, costs, budget):
    def negative(p):
        p = np.abs(p) / np.abs(p).sum()
        return -float(mutual_information(p[:, None] * rows))

    n, cheapest = len(rows), np.eye(len(rows))[costs.argmin()]
    start = 0.5 * cheapest + 0.5 * np.full(n, 1 / n)
    found = minimize(
        negative,
        start,
        bounds=[(0, 1)] * n,
        constraints=[
            {"type": "eq", "fun": lambda p: p.sum() - 1},
            {"type": "ineq", "fun": lambda p: budget - p @ costs},
        ],
        options={"maxiter": 500, "ftol": 1e-13},
    ).x.clip(0)
    found = found / found.sum()
    over = found @ costs - budget
    if over > 0:  # back to where it is affordable
        share = over / (found @ costs - costs.min())
        found = (1 - share) * found + share * cheapest
    return -negative(found)


@pytest.mark.parametrize("seed", range(20))
def test_against_slsqp(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(2, 6, size=2)
    rows, costs = rng.dirichlet(np.ones(m), size=n), 3 * rng.random(n)
    budget = costs.min() + rng.random() * (costs.mean() - costs.min())
    capacity = check(rows, costs, budget)
    best = best_by_slsqp(rows, costs, budget)
    assert best <= capacity.upper + 1e-12
    assert best == pytest.approx(capacity.lower, abs=1e-5)


@pytest.mark.parametrize("seed", range(10))
def test_three_inputs_against_a_grid(seed):
    rng = np.random.default_rng(seed)
    rows, costs = rng.dirichlet(np.ones(2 + seed % 3), size=3), 3 * rng.random(3)
    budget = costs.min() + rng.random() * (costs.max() - costs.min())
    capacity = check(rows, costs, budget)
    best = best_on_grid(rows, costs, budget, 200)
    assert best <= capacity.upper
    assert best == pytest.approx(capacity.lower, abs=0.01)


IDEAL = np.eye(3)


@pytest.mark.parametrize(
    ("rows", "costs", "budget", "nats"),
    [
        (IDEAL * 0.8 + 0.2 / 3, [1, 1, 5], 1 + 1e-12, None),
        (IDEAL, [0, 0, 1e300], 1, math.log(2)),
        (IDEAL, [-1e308, 0, 1e308], -1e308, 0),
        (IDEAL, [-1e308, 1e308, 1e308], 1e308, math.log(3)),
        (IDEAL, [2, 2, 2], 2, math.log(3)),
        (IDEAL, [1, 2, 3], 3, math.log(3)),
        (IDEAL, [1, 2, 3], math.inf, math.log(3)),
        (IDEAL, [1, 2, 3], 1, 0),
        (IDEAL[[0, 0, 0]], [1, 2, 3], 1.5, 0),
        (IDEAL[[0, 1, 1]], [0, 1, 7], 0.5, math.log(2)),  # a twin that costs more is of no use
        (IDEAL[:2], [0, 1], 0.1, -0.1 * math.log(0.1) - 0.9 * math.log(0.9)),
        ([[0.2, 0.8]], [3], 3, 0),
        ([[0.2, 0.8]], [3], 4, 0),
        ([[1.0]], [0], 0, 0),
    ],
)
def test_edges(rows, costs, budget, nats):
    capacity = check(np.asarray(rows, dtype=float), np.array(costs, dtype=float), budget)
    if nats is not None:
        assert capacity.lower - 1e-12 <= nats <= capacity.upper + 1e-12


def test_a_torch_channel_with_costs():
    channel = Channel(torch.tensor([[0.9, 0.1], [0.1, 0.9]]))
    capacity = channel.capacity(costs=torch.tensor([0.0, 1.0]), budget=0.25)
    assert capacity.input.dtype == torch.float32 and float(capacity.input[1]) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"costs": [1, 2], "budget": 0.5}, ValueError, "capacity: the budget 0.5 is below the cheapest"),
        ({"costs": [1, 2], "budget": math.nan}, ValueError, "capacity: budget is NaN"),
        ({"costs": [1, math.nan]}, ValueError, "capacity: costs must be 2 finite numbers"),
        ({"costs": [1, math.inf]}, ValueError, "capacity: costs must be 2 finite numbers"),
        ({"costs": [1, 2, 3]}, ValueError, r"capacity: costs must be 2 finite numbers.*in the shape \(3,\)"),
        ({"budget": 1.0}, ValueError, "capacity: a budget is given without costs"),
        ({"tolerance": 0.0}, ValueError, "capacity: tolerance must be more than 0, got 0"),
        (
            {"costs": [0, 1e300], "budget": 1, "tolerance": 1e-13},
            RuntimeError,
            "some costs exceed the cheapest by more than 1e.13 times what the budget allows.*raise it",
        ),
    ],
)
def test_errors(options, error, message):
    with pytest.raises(error, match=message):
        Channel.binary_symmetric(0.1).capacity(**options)
