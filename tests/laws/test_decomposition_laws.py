"""Laws of decompositions over random joints: atoms sum to the information, are nonnegative, and symmetric."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from infomax.information import (
    broja_decomposition,
    directed_information,
    dual_total_correlation,
    mutual_information,
    o_information,
    total_correlation,
    williams_beer_decomposition,
)

laws = settings(max_examples=40, deadline=None)


@st.composite
def joints(draw, num_axes):
    """Probabilities with exact zeros and widely different sizes."""
    shape = draw(hnp.array_shapes(min_dims=num_axes, max_dims=num_axes, min_side=1, max_side=3))
    entries = st.one_of(st.just(0.0), st.floats(1e-6, 1.0), st.sampled_from([1e-15, 0.5, 1.0]))
    weights = draw(hnp.arrays(np.float64, shape, elements=entries))
    weights.flat[draw(st.integers(0, weights.size - 1))] += 1.0
    return weights / weights.sum()


def information_of(p):
    return float(mutual_information(p.reshape(-1, p.shape[-1])))


@laws
@given(joints(3))
def test_broja(p):
    found = broja_decomposition(p)
    assert found.information == pytest.approx(information_of(p), abs=1e-12)
    assert found.error <= 1e-8
    assert min(found.atoms.values()) >= -1e-8
    swapped = broja_decomposition(np.swapaxes(p, 0, 1))
    tolerance = found.error + swapped.error + 1e-12
    assert swapped.unique == pytest.approx(found.unique[::-1], abs=tolerance)
    assert swapped.synergy == pytest.approx(found.synergy, abs=tolerance)


@laws
@given(st.integers(3, 4).flatmap(joints))
def test_williams_beer(p):
    found = williams_beer_decomposition(p)
    assert found.information == pytest.approx(information_of(p), abs=1e-12)
    assert min(found.atoms.values()) >= -1e-12
    swapped = williams_beer_decomposition(np.swapaxes(p, 0, 1))
    assert swapped.redundancy == pytest.approx(found.redundancy, abs=1e-12)
    assert swapped.unique[:2] == pytest.approx(found.unique[1::-1], abs=1e-12)
    assert swapped.synergy == pytest.approx(found.synergy, abs=1e-12)


@laws
@given(joints(3))
def test_synergy_less_redundancy_is_the_same_by_both(p):
    """Both differ by the co-information, whatever the measure."""
    one, other = williams_beer_decomposition(p), broja_decomposition(p)
    assert one.redundancy - one.synergy == pytest.approx(other.redundancy - other.synergy, abs=1e-12)
    assert one.redundancy - one.synergy == pytest.approx(float(o_information(p)), abs=1e-12)


@laws
@given(joints(4))
def test_o_information(p):
    found = float(o_information(p))
    assert found == pytest.approx(float(total_correlation(p)) - float(dual_total_correlation(p)), abs=1e-12)
    assert float(o_information(np.moveaxis(p, 0, 2))) == pytest.approx(found, abs=1e-12)


@laws
@given(joints(6))
def test_directed_information_is_conserved(p):
    """I(Xⁿ;Yⁿ) = I(Xⁿ→Yⁿ) + I(0Yⁿ⁻¹→Xⁿ) (Massey and Massey 2005), and no term is negative."""
    x1, y1, x2, y2, x3, y3 = p.shape
    series = p.transpose(0, 2, 4, 1, 3, 5).reshape(x1 * x2 * x3, y1 * y2 * y3)
    # Y one step later, and X as the one that is told: [0, x₁, y₁, x₂, y₂, x₃], y₃ summed out
    back = p.sum(axis=5).reshape(1, x1, y1, x2, y2, x3)
    forth, feedback = float(directed_information(p)), float(directed_information(back))
    assert forth + feedback == pytest.approx(float(mutual_information(series)), abs=1e-12)
    assert min(forth, feedback) >= -1e-12
