"""Decompositions against published cases, values of dit 2.3, loops, and brute force over the joints q."""

import math

import numpy as np
import pytest

from infomax.information import (
    Decomposition,
    broja_decomposition,
    conditional_mutual_information,
    mutual_information,
    williams_beer_decomposition,
)
from infomax.information.decomposition.lattice import name_of, nodes

BIT = 1 / 4
GATES = {
    "xor": [[[BIT, 0], [0, BIT]], [[0, BIT], [BIT, 0]]],
    "and": [[[BIT, 0], [BIT, 0]], [[BIT, 0], [0, BIT]]],
    "copy of the pair": [[[BIT, 0, 0, 0], [0, BIT, 0, 0]], [[0, 0, BIT, 0], [0, 0, 0, BIT]]],
    "the same bit": [[[1 / 2, 0], [0, 0]], [[0, 0], [0, 1 / 2]]],
    "one source": [[[BIT, 0], [BIT, 0]], [[0, BIT], [0, BIT]]],
}
TOLD_BY_AND = 3 / 4 * math.log2(4 / 3)  # of either source, in bits: 0.3113


def random_counts(seed, shape):
    """The tables that dit was given: whole counts of a seed, divided by their sum."""
    p = np.random.default_rng(seed).integers(0, 8, shape).astype(float)
    p.flat[0] += 1
    return p / p.sum()


@pytest.mark.parametrize(
    ("gate", "least_specific", "broja"),
    [  # redundancy, unique, unique, synergy: Williams and Beer (2010), Griffith and Koch (2014), in bits
        ("xor", (0, 0, 0, 1), (0, 0, 0, 1)),
        ("and", (TOLD_BY_AND, 0, 0, 1 / 2), (TOLD_BY_AND, 0, 0, 1 / 2)),
        ("copy of the pair", (1, 0, 0, 1), (0, 1, 1, 0)),
        ("the same bit", (1, 0, 0, 0), (1, 0, 0, 0)),
        ("one source", (0, 1, 0, 0), (0, 1, 0, 0)),
    ],
)
def test_published_gates(gate, least_specific, broja):
    for decompose, expected in [(williams_beer_decomposition, least_specific), (broja_decomposition, broja)]:
        found = decompose(GATES[gate], base=2)
        amounts = (found.redundancy, *found.unique, found.synergy)
        assert amounts == pytest.approx(expected, abs=2e-8)
        assert found.num_sources == 2


DIT = {  # dit 2.3: PID_WB, and PID_BROJA by its cone program; {1}{2}, {1}, {2}, {12} in bits
    (1, (2, 2, 2)): ((0.00016242, 0.00142192, 0, 0.02485478), (0.00016242, 0.00142192, 0, 0.02485478)),
    (2, (2, 3, 2)): ((0.00180865, 0, 0.14273765, 0.06398432), (0.00180865, 0, 0.14273765, 0.06398432)),
    (3, (3, 3, 3)): (
        (0.03336035, 0.04729215, 0.00687653, 0.30590879),
        (0.01583541, 0.06481709, 0.02440147, 0.28838385),
    ),
    (4, (2, 2, 4)): (
        (0.00697723, 0.00456041, 0.0507856, 0.02315534),
        (0.00443174, 0.0071059, 0.05333109, 0.02060985),
    ),
    (5, (3, 2, 5)): (
        (0.04035343, 0.18405286, 0.00468231, 0.21803482),
        (0.02833622, 0.19607007, 0.01669953, 0.20601761),
    ),
}


@pytest.mark.parametrize(("seed", "shape"), DIT)
def test_two_sources_against_dit(seed, shape):
    p = random_counts(seed, shape)
    names = "{1}{2}", "{1}", "{2}", "{12}"
    for decompose, expected in zip(
        (williams_beer_decomposition, broja_decomposition), DIT[seed, shape], strict=True
    ):
        found = decompose(p, base=2)
        assert [found.atoms[name] for name in names] == pytest.approx(expected, abs=3e-8)


DIT_OF_THREE = {  # dit 2.3, PID_WB in bits; atoms that are not listed are 0
    (6, (2, 2, 2, 2)): {
        "{123}": 0.03717878, "{12}": 0.03960931, "{12}{13}": 0.00400798, "{12}{13}{23}": 0.00733837,
        "{1}{23}": 0.00167046, "{1}{2}": 0.03986287, "{1}{2}{3}": 0.00816314,
    },
    (7, (2, 3, 2, 3)): {
        "{123}": 0.07870991, "{12}": 0.02647178, "{13}": 0.01042509, "{12}{13}": 0.01523408,
        "{1}": 0.00181364, "{12}{13}{23}": 0.0051446, "{1}{23}": 0.01616898, "{1}{2}": 0.00573678,
        "{1}{2}{3}": 0.00355101,
    },
}  # fmt: skip


@pytest.mark.parametrize(("seed", "shape"), DIT_OF_THREE)
def test_three_sources_against_dit(seed, shape):
    found = williams_beer_decomposition(random_counts(seed, shape), base=2)
    expected = {name: DIT_OF_THREE[seed, shape].get(name, 0.0) for name in found.atoms}
    assert set(DIT_OF_THREE[seed, shape]) <= set(found.atoms) and len(found.atoms) == 18
    assert found.atoms == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_broja_against_all_joints_of_bits(seed):
    """For bits, q has one free number for each y; a grid over both finds the least information."""
    p = random_counts(seed, (2, 2, 2))
    direction = np.array([[1.0, -1.0], [-1.0, 1.0]])
    steps = []
    for y in (0, 1):
        one, two = p[..., y].sum(axis=1), p[..., y].sum(axis=0)
        low, high = max(0, one[0] + two[0] - p[..., y].sum()), min(one[0], two[0])
        steps.append(np.linspace(low, high, 401) - p[0, 0, y])
    q = p + steps[0][:, None, None, None, None] * direction[..., None] * np.array([1.0, 0.0])
    q = q + steps[1][None, :, None, None, None] * direction[..., None] * np.array([0.0, 1.0])
    least = mutual_information(np.maximum(q, 0).reshape(401, 401, 4, 2)).min()
    found = broja_decomposition(p)
    assert found.information - found.synergy == pytest.approx(least, abs=2e-5)
    assert found.information - found.synergy <= least + found.error


@pytest.mark.parametrize("shape", [(1, 3, 2), (4, 4, 3), (6, 3, 4)])
def test_broja_adds_up(shape):
    p = np.random.default_rng(0).exponential(size=shape) ** 3
    p /= p.sum()
    found = broja_decomposition(p)
    assert found.redundancy + found.unique[0] == pytest.approx(float(mutual_information(p.sum(axis=1))))
    assert found.redundancy + found.unique[1] == pytest.approx(float(mutual_information(p.sum(axis=0))))
    given_second = float(conditional_mutual_information(np.moveaxis(p, 1, 2)))
    assert found.unique[0] + found.synergy == pytest.approx(given_second)
    assert 0 <= found.error <= 1e-8


def test_broja_with_cells_of_almost_no_probability():
    p = np.random.default_rng(3).choice([0, 1e-15, 1e-6, 0.3, 1.0], size=(4, 4, 4))
    found = broja_decomposition(p / p.sum())
    assert found.error <= 1e-8 and min(found.atoms.values()) > -1e-8


def least_specific_by_loop(p, groups):
    """I_min of two sources or of one, from its definition."""
    total = 0.0
    for y in range(p.shape[2]):
        amounts = []
        for axis in groups:
            p_ay = p.sum(axis=1 - axis)
            p_y, p_a = p_ay.sum(axis=0), p_ay.sum(axis=1)
            amounts.append(
                sum(
                    p_ay[a, y] / p_y[y] * (math.log(1 / p_y[y]) - math.log(p_a[a] / p_ay[a, y]))
                    for a in range(len(p_a))
                    if p_ay[a, y] > 0
                )
            )
        total += p.sum(axis=(0, 1))[y] * min(amounts)
    return total


def test_least_specific_information_by_loop():
    p = np.random.default_rng(1).random((3, 4, 2))
    p /= p.sum()
    found = williams_beer_decomposition(p)
    assert found.redundancy == pytest.approx(least_specific_by_loop(p, (0, 1)))
    assert found.redundancy + found.unique[0] == pytest.approx(least_specific_by_loop(p, (0,)))


def test_lattices_have_their_published_sizes():
    assert [len(nodes(num)) for num in (2, 3, 4)] == [4, 18, 166]
    assert name_of(nodes(3)[0]) == "{1}{2}{3}" and name_of(nodes(3)[-1]) == "{123}"


def test_results_say_how_they_were_found():
    found = broja_decomposition(GATES["xor"], base=2)
    assert found.measure == "BROJA" and 0 <= found.error < 1e-6
    assert williams_beer_decomposition(GATES["xor"]).measure == "Williams–Beer"


def test_atoms_have_names():
    found = Decomposition({"{1}{2}": 0.1, "{1}": 0.2, "{2}": 0.3, "{12}": 0.4}, "by hand")
    assert (found.redundancy, found.unique, found.synergy) == (0.1, (0.2, 0.3), 0.4)
    assert found.information == pytest.approx(1.0)


def test_what_is_refused():
    with pytest.raises(
        ValueError, match=r"williams_beer_decomposition: expected 2 to 4 sources .* got 2 axes"
    ):
        williams_beer_decomposition([[1 / 2, 0], [0, 1 / 2]])
    with pytest.raises(
        ValueError, match=r"broja_decomposition: expected the axes of 2 sources .* got 4 axes"
    ):
        broja_decomposition(np.full((2, 2, 2, 2), 1 / 16))
    with pytest.raises(ValueError, match="; join sources into one by reshape, or use williams_beer_dec"):
        broja_decomposition(np.full((2, 2, 2, 2), 1 / 16))
    with pytest.raises(ValueError, match="probabilities must sum to 1"):
        broja_decomposition(np.full((2, 2, 2), 1 / 4))
    with pytest.raises(ValueError, match="base must be finite and more than 1"):
        williams_beer_decomposition(GATES["xor"], base=1)
