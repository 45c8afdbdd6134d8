"""Coordinate tasks: what they compute, by loops; what they can learn, and what they cannot."""

import itertools
import math
from collections import Counter

import pytest
import torch
from torch.nn import functional as F

from infomax.learning.objectives.coordinates import (
    AbsoluteCoordinates,
    RelativeCoordinates,
    displacement_index,
    displacement_probabilities,
)

TASKS = [AbsoluteCoordinates, RelativeCoordinates]


def batch(b=6, side=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, 4, generator=generator), torch.randn(b, 5, side, side, generator=generator)


def test_absolute_equals_the_slow_loop():
    y, m = batch()
    torch.manual_seed(0)
    task = AbsoluteCoordinates(4, 5, 3, num_hidden=8, num_locations=2)
    torch.manual_seed(1)
    told = task(y, m)
    torch.manual_seed(1)
    places = torch.randint(9, (6, 2)).tolist()
    log_likelihoods, right = [], []
    for i, drawn in enumerate(places):
        for place in drawn:
            row, column = divmod(place, 3)
            logits = task.tell(torch.cat([y[i], m[i, :, row, column]]))
            log_likelihoods.append(F.log_softmax(logits, 0)[place])
            right.append(float(logits.argmax() == place))
    assert told.log_likelihood.item() == pytest.approx(torch.stack(log_likelihoods).mean().item(), abs=1e-5)
    assert told.accuracy.item() == pytest.approx(sum(right) / len(right))
    assert told.chance == pytest.approx(-math.log(9))


def test_relative_equals_the_slow_loop():
    y, m = batch()
    torch.manual_seed(0)
    task = RelativeCoordinates(4, 5, 3, num_hidden=8)
    torch.manual_seed(1)
    told = task(y, m)
    torch.manual_seed(1)
    first = torch.randint(9, (6, 1))
    second = (first + torch.randint(1, 9, (6, 1))) % 9
    log_likelihoods = []
    for i in range(6):
        (r1, c1), (r2, c2) = divmod(first[i].item(), 3), divmod(second[i].item(), 3)
        logits = task.tell(torch.cat([y[i], m[i, :, r1, c1], m[i, :, r2, c2]])).view(5, 5)
        normaliser = logits.flatten().logsumexp(0)
        log_likelihoods.append(logits[r2 - r1 + 2, c2 - c1 + 2] - normaliser)
    assert told.log_likelihood.item() == pytest.approx(torch.stack(log_likelihoods).mean().item(), abs=1e-5)


@pytest.mark.parametrize("sides", [(2, 2), (3, 3), (5, 5), (2, 3), (1, 4)])
def test_displacements_are_counted_over_all_pairs_of_places(sides):
    rows, columns = sides
    side = rows if rows == columns else sides
    places = list(itertools.product(range(rows), range(columns)))
    counts = Counter((b[0] - a[0], b[1] - a[1]) for a in places for b in places if a != b)
    probabilities = displacement_probabilities(side)
    for (dr, dc), count in counts.items():
        expected = count / sum(counts.values())
        assert probabilities[dr + rows - 1, dc + columns - 1].item() == pytest.approx(expected)
        assert displacement_index(*flat_pair(dr, dc, columns), side).item() == (
            (dr + rows - 1) * (2 * columns - 1) + dc + columns - 1
        )
    entropy = -sum(c / sum(counts.values()) * math.log(c / sum(counts.values())) for c in counts.values())
    assert RelativeCoordinates(1, 1, side).chance == pytest.approx(-entropy)


def flat_pair(dr, dc, columns):
    """Two flat places that lie so to each other."""
    r, c = max(0, -dr), max(0, -dc)
    return torch.tensor(r * columns + c), torch.tensor((r + dr) * columns + c + dc)


def test_maps_that_are_not_square():
    y, m = torch.randn(6, 4), torch.randn(6, 5, 2, 3)
    absolute, relative = (kind(4, 5, (2, 3), num_hidden=8) for kind in TASKS)
    torch.manual_seed(1)
    told = absolute(y, m).log_likelihood, relative(y, m).log_likelihood
    torch.manual_seed(1)
    place, first = torch.randint(6, (6, 1)), torch.randint(6, (6, 1))
    second = (first + torch.randint(1, 6, (6, 1))) % 6
    found = [], []
    for i in range(6):
        (r, c), (r1, c1), (r2, c2) = (divmod(one[i].item(), 3) for one in (place, first, second))
        logits = absolute.tell(torch.cat([y[i], m[i, :, r, c]])).log_softmax(0).view(2, 3)
        found[0].append(logits[r, c])
        logits = relative.tell(torch.cat([y[i], m[i, :, r1, c1], m[i, :, r2, c2]])).log_softmax(0).view(3, 5)
        found[1].append(logits[r2 - r1 + 1, c2 - c1 + 2])
    torch.testing.assert_close(told, tuple(torch.stack(one).mean() for one in found))
    assert absolute(y, m).chance == pytest.approx(-math.log(6))


@pytest.mark.parametrize("kind", TASKS)
def test_two_different_places(kind):
    y, m = batch(b=200)
    task = kind(4, 5, 3)
    torch.manual_seed(0)
    told = task(y, m)
    assert math.isfinite(told.log_likelihood.detach())
    if kind is RelativeCoordinates:  # a displacement of (0, 0) is never asked for
        assert displacement_probabilities(3)[2, 2] == 0


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("telling", [True, False])
def test_position_is_learned_where_the_map_holds_it(kind, telling):
    """Local features that say where they are, or only noise: above chance by far, or not at all."""
    side = 3
    torch.manual_seed(0)
    task = kind(2, 9, side, num_hidden=64, num_locations=4)
    optimizer = torch.optim.Adam(task.parameters(), lr=1e-2)
    where = torch.eye(9).view(9, side, side)

    def images(b):
        return torch.randn(b, 2), (where.expand(b, -1, -1, -1) if telling else torch.randn(b, 9, side, side))

    for _ in range(150):
        optimizer.zero_grad()
        (-task(*images(32)).log_likelihood).backward()
        optimizer.step()
    with torch.no_grad():
        told = task(*images(1000))
    if telling:
        assert told.log_likelihood > told.chance + 1.0
        assert told.accuracy > 0.9
    else:
        assert told.log_likelihood < told.chance + 0.05
        assert told.accuracy < 0.25


@pytest.mark.parametrize("kind", TASKS)
def test_gradients_reach_both_features(kind):
    y, m = (t.requires_grad_() for t in batch())
    kind(4, 5, 3)(y, m).log_likelihood.backward()
    assert y.grad is not None and bool(y.grad.abs().sum(1).all())
    assert m.grad is not None and bool(m.grad.any())


@pytest.mark.parametrize("kind", TASKS)
def test_refusals(kind):
    with pytest.raises(ValueError, match=rf"{kind.__name__}: the map must have several places, got 1×1"):
        kind(4, 5, 1)
    with pytest.raises(ValueError, match="num_hidden and num_locations must be at least 1, got 0 and 1"):
        kind(4, 5, 3, num_hidden=0)
    words = rf"{kind.__name__}: expected a map \[b, c, 3, 2\], got \[6, 5, 4, 4\]; build it for this side$"
    with pytest.raises(ValueError, match=words):
        kind(4, 5, (3, 2))(*batch(side=4))
    kind(4, 5, (1, 2))  # two places are several


def test_probabilities_are_float64():
    assert displacement_probabilities(3).dtype == torch.float64
    assert AbsoluteCoordinates(4, 5, 7).chance == pytest.approx(-math.log(49), rel=1e-12)
