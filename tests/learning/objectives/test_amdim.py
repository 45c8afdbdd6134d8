"""The AMDIM objective against a loop over images, locations and directions."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from tests.untyped import unwrap

from infomax.estimation import bounds
from infomax.learning.encoders.features import Features
from infomax.learning.objectives.amdim import amdim_objective, random_locations
from infomax.learning.objectives.scoring import Scoring


def random_features(seed, n=4, d=6, scale=2.0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return scale * torch.randn(*shape, generator=generator, dtype=torch.float32)

    return Features(normal(n, d), {5: normal(n, d, 5, 5), 7: normal(n, d, 7, 7)})


def slow_term(source, target, clip):
    """(mean log-probability, mean square of raw scores) of one direction; source [n, d], target [n, d, l]."""
    n, d = source.shape
    raw = np.array([[source[i] @ target[j] / math.sqrt(d) for j in range(n)] for i in range(n)])  # [n, n, l]
    scores = clip * np.tanh(raw / clip)
    values = []
    for i in range(n):
        negatives = np.concatenate([scores[i, j] for j in range(n) if j != i])
        values += [s - logsumexp([s, *negatives]) for s in scores[i, i]]
    return np.mean(values), np.mean(raw**2)


@pytest.mark.parametrize(("clip", "weight"), [(20.0, 0.05), (3.0, 0.5)])
def test_equals_the_slow_loop(clip, weight):
    view1, view2 = random_features(0), random_features(1)
    locations = torch.tensor([[0, 24, 7, 3], [11, 2, 2, 19]])
    objective = amdim_objective(view1, view2, scoring=Scoring(clip, weight), source_locations=locations)

    def flat(features, side):
        return features.local[side].flatten(2).double().numpy()

    expected_penalty = 0.0
    for name, source_side, target_side in (("1to5", 1, 5), ("1to7", 1, 7), ("5to5", 5, 5)):
        terms = []
        for a, b, where in ((view1, view2, locations[0]), (view2, view1, locations[1])):
            local = flat(a, 5)
            source = (
                a.global_.double().numpy()
                if source_side == 1
                else np.stack([local[i, :, where[i]] for i in range(4)])
            )
            terms.append(slow_term(source, flat(b, target_side), clip))
        log_probability, square = np.mean(terms, axis=0)
        expected_penalty += weight * square
        assert float(objective.terms[name]) == pytest.approx(log_probability, abs=1e-5)
    assert float(objective.watched["penalty"]) == pytest.approx(expected_penalty, rel=1e-5)
    assert float(objective.value) == pytest.approx(
        sum(map(float, objective.terms.values())) - expected_penalty, abs=1e-4
    )


def test_global_features_predict_each_other():
    view1, view2 = random_features(0), random_features(1)
    objective = amdim_objective(view1, view2, scales=((1, 1),), scoring=Scoring(3.0, 0.5))
    ends = [view.global_.double().numpy() for view in (view1, view2)]
    terms = [slow_term(a, b[:, :, None], 3.0) for a, b in (ends, ends[::-1])]
    log_probability, square = np.mean(terms, axis=0)
    assert float(objective.terms["1to1"]) == pytest.approx(log_probability, abs=1e-5)
    assert float(objective.value) == pytest.approx(log_probability - 0.5 * square, abs=1e-4)
    only_global = [Features(view.global_, {}) for view in (view1, view2)]
    assert float(amdim_objective(*only_global, scales=((1, 1),)).bounds["1to1"]) <= math.log(4)


def test_components_predict_in_place_of_the_global_features():
    """A single component is a feature like another; here it is the global one, twice as long."""
    view1, view2 = random_features(0), random_features(1)
    found = amdim_objective(
        view1,
        view2,
        scales=((1, 5),),
        scoring=Scoring(3.0, 0.5),
        components=lambda global_: 2 * global_[:, None],
    )
    terms = [
        slow_term(2 * a.global_.double().numpy(), b.local[5].flatten(2).double().numpy(), 3.0)
        for a, b in ((view1, view2), (view2, view1))
    ]
    log_probability, square = np.mean(terms, axis=0)
    assert float(found.terms["1to5"]) == pytest.approx(log_probability, abs=1e-5)
    assert float(found.watched["penalty"]) == pytest.approx(0.5 * square, rel=1e-5)


def test_parts_are_consistent():
    objective = amdim_objective(random_features(0), random_features(1))
    assert set(objective.terms) == set(objective.bounds) == {"1to5", "1to7", "5to5"}
    assert objective.ceiling == pytest.approx(math.log(4))
    for name, bound in objective.bounds.items():
        assert float(objective.terms[name]) <= 0
        assert not bound.requires_grad
        assert float(bound) <= objective.ceiling


def test_views_are_interchangeable():
    view1, view2 = random_features(0), random_features(1)
    locations = torch.randint(25, (2, 4), generator=torch.Generator().manual_seed(3))
    forward = amdim_objective(view1, view2, source_locations=locations)
    backward = amdim_objective(view2, view1, source_locations=locations.flip(0))
    assert float(forward.value) == pytest.approx(float(backward.value), rel=1e-6)


def test_equal_views_beat_unrelated_ones():
    view, other = random_features(0), random_features(1)
    same = Features(
        view.global_, {side: view.global_[:, :, None, None].expand(-1, -1, side, side) for side in (5, 7)}
    )
    assert float(amdim_objective(same, same).value) > float(amdim_objective(view, other).value)


def test_random_locations_come_from_the_generator():
    views = random_features(0), random_features(1)
    values = [
        float(amdim_objective(*views, generator=torch.Generator().manual_seed(seed)).value)
        for seed in (5, 5, 6)
    ]
    assert values[0] == values[1] != values[2]


def test_random_locations_are_all_of_a_map():
    """Those of a source of side 1 are its only one."""
    views = random_features(0, n=2000), random_features(1, n=2000)
    generator = torch.Generator().manual_seed(0)
    at = random_locations(views, 5, generator)
    assert at.shape == (2, 2000)
    assert [set(side.tolist()) for side in at] == [set(range(25))] * 2
    assert not random_locations(views, 1, generator).any()
    on_meta = [Features(view.global_.to("meta"), {}) for view in views]
    assert random_locations(on_meta, 1, None).device.type == "meta"


def test_gradient_reaches_every_feature():
    view1, view2 = random_features(0), random_features(1)
    tensors = [view.global_ for view in (view1, view2)] + [
        view.local[s] for view in (view1, view2) for s in (5, 7)
    ]
    for tensor in tensors:
        tensor.requires_grad_()
    amdim_objective(view1, view2).value.backward()
    assert all(float(tensor.grad.abs().sum()) > 0 for tensor in tensors)


def test_bad_views():
    view = random_features(0)
    with pytest.raises(
        ValueError, match=r"^amdim_objective: the two views must hold the same images.*\[4, 6\] and \[3, 6\]"
    ):
        unwrap(amdim_objective)(view, random_features(1, n=3))
    lacking = Features(view.global_, {5: view.local[5]})
    with pytest.raises(ValueError, match=r"need local maps of sides \[5, 7\], got \[5, 7\] and \[5\]"):
        amdim_objective(view, lacking)
    with pytest.raises(ValueError, match="at least one negative"):
        amdim_objective(random_features(0, n=1), random_features(1, n=1))


@pytest.mark.parametrize("name", ["infonce", "jensen_shannon", "nwj", "donsker_varadhan"])
def test_any_bound_of_the_scores(name):
    """Each term is the bound of the scores of both directions; infonce is AMDIM's own up to log n."""
    bound, scoring = getattr(bounds, name), Scoring(3.0, 0.5)
    views = random_features(0), random_features(1)
    scales, at = ((1, 5), (1, 1)), torch.zeros(2, 4, dtype=torch.long)
    found = amdim_objective(*views, scales=scales, scoring=scoring, bound=bound, source_locations=at)
    own = amdim_objective(*views, scales=scales, scoring=scoring, source_locations=at)
    pairs = views, views[::-1]
    raw = [torch.einsum("id,jdl->ijl", a.global_, b.local[5].flatten(2)) / math.sqrt(6) for a, b in pairs]
    expected = np.mean([bound(3 * torch.tanh(one / 3)).item() for one in raw])
    assert float(found.terms["1to5"]) == pytest.approx(expected, abs=1e-5)
    assert float(found.watched["penalty"]) == pytest.approx(float(own.watched["penalty"]), rel=1e-5)
    assert float(found.bounds["1to5"]) == pytest.approx(float(own.bounds["1to5"]), abs=1e-5)
    if name == "infonce":
        assert float(found.value) == pytest.approx(float(own.value) + 2 * math.log(4), abs=1e-5)


def test_a_bound_that_is_no_scalar_is_refused():
    views = random_features(0), random_features(1)
    with pytest.raises(ValueError, match=r"the bound must return a scalar, got \[4, 4, 25\]; take its mean"):
        amdim_objective(*views, bound=lambda scores: scores)
