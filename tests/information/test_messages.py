"""Every function of tables says its own name in its errors, and takes the axes that it is given."""

import re

import numpy as np
import pytest

import infomax.information as information
from infomax.information import Joint

PAIRS = ("joint_entropy", "conditional_entropy", "mutual_information", "pointwise_mutual_information",
         "variation_of_information", "normalized_mutual_information", "normalized_variation_of_information",
         "uncertainty_coefficient", "conditional_mutual_information", "total_correlation",
         "dual_total_correlation", "interaction_information")  # fmt: skip
DIVERGENCES = ("kl_divergence", "reverse_kl_divergence", "cross_entropy", "js_divergence", "total_variation",
               "squared_hellinger", "chi_squared_divergence")  # fmt: skip
SINGLE = {
    "entropy": information.entropy,
    "renyi_entropy": lambda p, **axis: information.renyi_entropy(p, 2.0, **axis),
    "tsallis_entropy": lambda p, **axis: information.tsallis_entropy(p, 2.0, **axis),
}
UNIFORM = np.full(4, 0.25)
BAD = {"negative": [1.5, -0.5], "sum": [0.5, 0.4], "nan": [np.nan, 1.0], "no axis": 1.0}


def shaped(values, num_axes):
    """Bad probabilities in a table of so many axes; a number as it is."""
    values = np.asarray(values)
    return values if values.ndim == 0 else values.reshape((1,) * (num_axes - 1) + (-1,))


@pytest.mark.parametrize("values", BAD.values(), ids=BAD)
@pytest.mark.parametrize("name", [*PAIRS, *SINGLE])
def test_errors_begin_with_the_name(name, values):
    num_axes = (
        1
        if name in SINGLE
        else 3
        if name in ("conditional_mutual_information", "interaction_information")
        else 2
    )
    with pytest.raises(ValueError, match=rf"^{re.escape(name)}: "):
        (SINGLE.get(name) or getattr(information, name))(shaped(values, num_axes))


@pytest.mark.parametrize("values", BAD.values(), ids=BAD)
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("name", DIVERGENCES)
def test_errors_of_divergences_begin_with_the_name(name, side, values):
    given = [np.array([0.5, 0.5]), np.array([0.5, 0.5])]
    given[side] = shaped(values, 1)
    with pytest.raises(ValueError, match=rf"^{name}: "):
        getattr(information, name)(*given)
    with pytest.raises(ValueError, match=rf"^{name}: "):
        getattr(information, name)(UNIFORM, given[1 - side])


@pytest.mark.parametrize("name", PAIRS[:9])
def test_errors_of_too_few_axes_begin_with_the_name(name):
    with pytest.raises(ValueError, match=rf"^{name}: expected at least [23] axes"):
        getattr(information, name)(UNIFORM)


@pytest.mark.parametrize("order", [-1.0, float("nan")])
@pytest.mark.parametrize("name", ["renyi_entropy", "tsallis_entropy"])
def test_orders(name, order):
    with pytest.raises(ValueError, match=rf"^{name}: order "):
        getattr(information, name)(UNIFORM, order)
    if name == "tsallis_entropy":
        with pytest.raises(
            ValueError, match=r"^tsallis_entropy: order must be finite, got inf; the limit is 0 for every p$"
        ):
            information.tsallis_entropy(UNIFORM, float("inf"))


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("order", [1.0, 2.0, 0.5])
def test_axes_of_entropies(axis, order):
    p = np.random.default_rng(0).dirichlet(np.ones(6)).reshape(2, 3)
    p[0, 0], p[1, 1] = 0.0, p[1, 1] + p[0, 0]
    p = p / p.sum(axis, keepdims=True)
    rows = np.moveaxis(p, axis, -1)
    for name in ("renyi_entropy", "tsallis_entropy"):
        function = getattr(information, name)
        expected = [function(row, order) for row in rows]
        np.testing.assert_allclose(np.ravel(function(p, order, axis=axis)), expected, rtol=1e-12)
    expected = [information.entropy(row) for row in rows]
    np.testing.assert_allclose(np.ravel(information.entropy(p, axis=axis)), expected, rtol=1e-12)


def test_a_measure_without_a_yardstick_says_its_name():
    certain = np.array([[1.0, 0.0], [0.0, 0.0]])
    for name in (
        "normalized_mutual_information",
        "normalized_variation_of_information",
        "uncertainty_coefficient",
    ):
        with pytest.raises(ValueError, match=rf"^{name}: "):
            getattr(information, name)(certain)


@pytest.mark.parametrize("bad", [[-1.0, 2.0], [np.nan, 1.0]])
def test_counts(bad):
    with pytest.raises(ValueError, match=r"^Joint\.from_counts: "):
        Joint.from_counts(np.array(bad), "x")
