"""The laws of information, over random joints, in NumPy and Torch, in single and double precision."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from infomax.information.channels.channel import Channel
from infomax.information.channels.rate_distortion import rate_distortion
from infomax.information.divergences import (
    chi_squared_divergence,
    js_divergence,
    kl_divergence,
    reverse_kl_divergence,
    squared_hellinger,
    total_variation,
)
from infomax.information.joint import Joint
from infomax.information.measures import (
    conditional_entropy,
    conditional_mutual_information,
    entropy,
    interaction_information,
    joint_entropy,
    mutual_information,
    renyi_entropy,
    total_correlation,
    variation_of_information,
)

KINDS = [(np, "float64", 1e-12), (np, "float32", 1e-5), (torch, "float64", 1e-12), (torch, "float32", 1e-5)]
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[0].__name__}-{kind[1]}")
laws = settings(max_examples=40, deadline=None)


@st.composite
def tables(draw, *, num_axes=2, min_side=1, shape=None):
    """Probabilities with many exact zeros and widely different sizes."""
    shape = shape or draw(
        hnp.array_shapes(min_dims=num_axes, max_dims=num_axes, min_side=min_side, max_side=4)
    )
    entries = st.one_of(st.just(0.0), st.floats(1e-6, 1.0), st.sampled_from([1e-15, 0.5, 1.0]))
    weights = draw(hnp.arrays(np.float64, shape, elements=entries))
    weights.flat[draw(st.integers(0, weights.size - 1))] += 1.0  # so that the sum is positive
    return weights / weights.sum()


@st.composite
def pairs(draw, num=2):
    """Several distributions over the same values."""
    size = draw(st.integers(1, 5))
    return [draw(tables(shape=(size,))) for _ in range(num)]


def cast(table, kind):
    library, dtype, _ = kind
    return torch.tensor(table, dtype=getattr(torch, dtype)) if library is torch else table.astype(dtype)


@kinds
@laws
@given(table=tables())
def test_two_variables(kind, table):
    tolerance, p = kind[2], cast(table, kind)
    p_x, p_y = p.sum(-1), p.sum(-2)
    h_x, h_y, h_xy = float(entropy(p_x)), float(entropy(p_y)), float(joint_entropy(p))
    information = float(mutual_information(p))
    assert -tolerance <= information <= min(h_x, h_y) + tolerance
    assert max(h_x, h_y) - tolerance <= h_xy <= h_x + h_y + tolerance
    assert -tolerance <= h_x <= math.log(p_x.shape[0]) + tolerance
    assert float(mutual_information(p.T)) == pytest.approx(information, abs=tolerance)
    assert float(conditional_entropy(p)) == pytest.approx(h_xy - h_y, abs=tolerance)
    assert float(conditional_entropy(p)) <= h_x + tolerance  # conditioning reduces entropy
    assert h_xy == pytest.approx(h_x + float(conditional_entropy(p, given=-2)), abs=tolerance)  # chain rule
    independent = p_x[:, None] * p_y[None, :]
    assert float(kl_divergence(p, independent, axis=(-2, -1))) == pytest.approx(information, abs=tolerance)
    assert float(mutual_information(independent)) == pytest.approx(0, abs=tolerance)


@kinds
@laws
@given(table=tables(num_axes=3))
def test_three_variables(kind, table):
    tolerance, p = 3 * kind[2], cast(table, kind)
    joint = Joint(p, "x y z")
    assert float(joint.I("x, y ; z")) == pytest.approx(
        float(joint.I("x ; z") + joint.I("y ; z | x")), abs=tolerance
    )
    assert float(conditional_mutual_information(p)) >= -tolerance
    assert float(joint.H("x | y, z")) <= float(joint.H("x | y")) + tolerance
    h = {names: float(joint.H(names)) for names in ("x", "y", "z", "x y", "y z", "x y z")}
    assert h["x y z"] + h["y"] <= h["x y"] + h["y z"] + tolerance  # submodularity
    assert float(total_correlation(p)) >= -tolerance
    swapped = p.swapaxes(0, 1) if isinstance(p, np.ndarray) else p.transpose(0, 1)
    assert float(interaction_information(p)) == pytest.approx(
        float(interaction_information(swapped)), abs=tolerance
    )
    triangle = joint.marginal("x y"), joint.marginal("y z"), joint.marginal("x z")
    xy, yz, xz = (float(variation_of_information(j.table)) for j in triangle)
    assert xz <= xy + yz + tolerance


@kinds
@laws
@given(pq=pairs())
def test_divergences(kind, pq):
    tolerance = kind[2]
    p, q = (cast(r, kind) for r in pq)
    d, tv, h2 = (float(f(p, q)) for f in (kl_divergence, total_variation, squared_hellinger))
    js, chi2 = float(js_divergence(p, q)), float(chi_squared_divergence(p, q))
    assert min(d, tv, h2, js, chi2) >= -tolerance
    assert 2 * tv**2 <= d + tolerance  # Pinsker
    assert h2 / 2 <= tv + tolerance and tv <= math.sqrt(max(h2, 0) * (1 - min(h2, 4) / 4)) + math.sqrt(
        tolerance
    )
    assert js <= math.log(2) * tv + tolerance
    assert d <= math.log1p(chi2) + tolerance
    assert float(reverse_kl_divergence(p, q)) == float(kl_divergence(q, p))
    assert float(kl_divergence(p, p)) == 0


@laws
@given(four=pairs(4), weight=st.floats(0, 1))
def test_kl_divergence_is_jointly_convex(four, weight):
    p1, q1, p2, q2 = four
    mixed = kl_divergence(weight * p1 + (1 - weight) * p2, weight * q1 + (1 - weight) * q2)
    parts = [w * float(kl_divergence(p, q)) for w, p, q in ((weight, p1, q1), (1 - weight, p2, q2)) if w > 0]
    assert float(mixed) <= sum(parts) + 1e-12


@laws
@given(data=st.data())
def test_data_processing(data):
    p_x = data.draw(tables(num_axes=1, min_side=2))
    first = Channel(rows(data, len(p_x)))
    second = Channel(rows(data, first.num_outputs))
    through = float(first.then(second).mutual_information(p_x))
    assert through <= float(first.mutual_information(p_x)) + 1e-12
    assert through <= float(second.mutual_information(first.output(p_x))) + 1e-12
    other = data.draw(tables(shape=p_x.shape))
    for divergence in (
        kl_divergence,
        js_divergence,
        total_variation,
        squared_hellinger,
        chi_squared_divergence,
    ):
        after = float(divergence(first.output(p_x), first.output(other)))
        assert after <= float(divergence(p_x, other)) * (1 + 1e-9) + 1e-12


def rows(data, num_rows):
    num_columns = data.draw(st.integers(1, 4))
    return np.stack([data.draw(tables(shape=(num_columns,))) for _ in range(num_rows)])


@laws
@given(table=tables(min_side=2))
def test_fano(table):
    """H(X|Y) ≤ h(e) + e log(|X| − 1), e being the error of the best guess of X from Y."""
    error = 1 - table.max(0).sum()
    bound = float(entropy([max(error, 0.0), 1 - max(error, 0.0)])) + error * math.log(table.shape[0] - 1)
    assert float(conditional_entropy(table)) <= bound + 1e-12


@laws
@given(table=tables(num_axes=1), orders=st.lists(st.floats(0, 20), min_size=2, max_size=2))
def test_renyi_entropy_falls_with_its_order(table, orders):
    low, high = sorted(orders)
    assert float(renyi_entropy(table, high)) <= float(renyi_entropy(table, low)) + 1e-9
    assert float(renyi_entropy(table, math.inf)) <= float(renyi_entropy(table, high)) + 1e-9


@laws
@given(data=st.data())
def test_information_is_concave_in_the_source_and_convex_in_the_channel(data):
    p, q = data.draw(tables(shape=(3,))), data.draw(tables(shape=(3,)))
    a, b = (np.stack([data.draw(tables(shape=(3,))) for _ in range(3)]) for _ in range(2))
    mixed_source = float(Channel(a).mutual_information((p + q) / 2))
    assert (
        mixed_source >= float(Channel(a).mutual_information(p) + Channel(a).mutual_information(q)) / 2 - 1e-12
    )
    mixed_channel = float(Channel((a + b) / 2).mutual_information(p))
    assert (
        mixed_channel
        <= float(Channel(a).mutual_information(p) + Channel(b).mutual_information(p)) / 2 + 1e-12
    )


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_capacity_bounds_information_and_adds_over_products(data):
    a, b = Channel(rows(data, data.draw(st.integers(1, 4)))), Channel(rows(data, 2))
    capacity = a.capacity()
    assert capacity.lower <= capacity.upper <= capacity.lower + 1e-9
    assert float(a.mutual_information(data.draw(tables(shape=(a.num_inputs,))))) <= capacity.upper + 1e-12
    assert a.then(Channel(rows(data, a.num_outputs))).capacity().lower <= capacity.upper
    both = a.product(b).capacity()
    assert both.lower == pytest.approx(capacity.lower + b.capacity().lower, abs=3e-9)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_rate_distortion_is_convex_and_falls(data):
    p_x = data.draw(tables(num_axes=1, min_side=2))
    shape = (len(p_x), data.draw(st.integers(1, 4)))
    distortion = data.draw(hnp.arrays(np.float64, shape, elements=st.floats(0, 5)))
    curve = rate_distortion(p_x, distortion, slopes=[0.1, 0.5, 1, 3, 10])
    order = np.argsort(curve.distortions)
    d, lower, upper = curve.distortions[order], curve.lower[order], curve.upper[order]
    assert np.all(lower <= upper + 1e-15)
    assert np.all(np.diff(upper) <= 2e-9)
    assert np.all(upper <= float(entropy(p_x)) + 1e-9)
    middle, _ = curve.bracket((d[0] + d[-1]) / 2)
    assert middle <= (upper[0] + upper[-1]) / 2 + 1e-9
