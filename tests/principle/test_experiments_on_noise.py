"""The experiments on noise and on the two terms: their parts against what can be worked out by hand."""

import math

import numpy as np
import pytest

from infomax.principle.experiments import noise, terms
from infomax.principle.experiments.evidence import Statement
from infomax.principle.linear import LinearUnits


def rotation(angle):
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def test_two_units_become_alike_where_linsker_says():
    evidence = noise.noise_redundancy(1)
    numbers = evidence.numbers
    assert evidence.holds and evidence.statement is Statement.NOISE_FAVORS_REDUNDANCY
    rho = numbers["input_correlation"]
    level, units = np.array(numbers["output_noise"]), numbers["correlation_of_units"]
    alike = level > (1 - rho**2) / rho
    np.testing.assert_allclose(np.array(units["weights limited"])[alike], 1)
    assert (np.array(units["weights limited"])[~alike] < 1 - 1e-6).all()
    assert units["weights limited"][0] == pytest.approx(rho, abs=0.02)
    np.testing.assert_allclose(units["by gradient ascent"], units["weights limited"][::3], atol=0.02)
    assert units["power limited"][0] < 0.1 and units["power limited"][-1] == pytest.approx(1)


def test_bits_of_two_units_against_a_search_over_all_angles():
    signal = np.array([[1, 0.6], [0.6, 1]])
    bits = noise._bits(signal)
    angles = np.linspace(0, math.pi, 181)
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    grams = rows @ signal @ rows.T
    power = np.diagonal(grams)
    for index in (0, 15, 30):
        s2 = noise.OUTPUT_NOISE[index]
        det = (1 + power[:, None] / s2) * (1 + power / s2) - (grams / s2) ** 2
        assert bits["best"][index] == pytest.approx(np.log2(det).max() / 2, rel=1e-3)
        assert bits["alike"][index] == pytest.approx(np.log2(np.diagonal(det)).max() / 2, rel=1e-3)
        apart = np.abs(grams) < 0.01
        assert bits["decorrelated"][index] == pytest.approx(np.log2(det[apart]).max() / 2, rel=1e-2)


def test_units_of_a_retina_are_as_good_as_those_of_principal_axes():
    """Whitening where noise is low, a rank-one sum where it is high, for a chain of correlated pixels."""
    distance = np.abs(np.subtract.outer(np.arange(noise.SIDE**2), np.arange(noise.SIDE**2)))
    retina = noise._retina(0.9**distance)
    np.testing.assert_allclose(retina[0].correlations(), np.eye(noise.SIDE**2), atol=0.05)
    assert retina[-1].correlations()[0, 1] > 0.8
    assert np.trace(retina[5].responses) == pytest.approx(noise.SIDE**2)


def test_correlation_of_neighbours():
    row = np.repeat(np.arange(noise.SIDE), noise.SIDE)
    same_row = (row[:, None] == row).astype(float)
    assert noise._correlation_of_neighbours(4 * same_row) == pytest.approx(0.5)
    assert noise._correlation_of_neighbours(np.eye(noise.SIDE**2)) == 0


def test_one_aspect():
    evidence = noise.one_aspect(1)
    assert evidence.holds and evidence.statement is Statement.ONE_ASPECT
    curves = {name: np.array(row) for name, row in evidence.numbers["correlation_of_neighbours"].items()}
    assert (np.diff(curves["inputs"]) < 0).all() and (np.diff(curves["units"]) > 0).all()
    assert (np.diff(evidence.numbers["bits"]) < 0).all()


def test_the_three_choices_of_a_unit_are_the_best_of_all_angles():
    angles = np.linspace(-math.pi / 2, math.pi / 2, 721)
    bits = [terms._bits(np.array([math.cos(a), math.sin(a)])) for a in angles]
    chosen = terms._chosen(terms.SIGNAL, terms.NOISE, terms.OUTPUT_NOISE)
    for name, key, best in (
        ("H(M) alone", "H(M)", max), ("H(M|L) alone", "H(M|L)", min), ("I(L; M)", "I(L; M)", max)
    ):  # fmt: skip
        assert terms._bits(chosen[name])[key] == pytest.approx(best(one[key] for one in bits), abs=1e-3)


@pytest.mark.parametrize("seed", [0, 1])
def test_two_terms(seed):
    evidence = terms.two_terms(seed)
    assert evidence.holds and evidence.statement is Statement.TWO_TERMS
    shares = evidence.numbers["median_share_of_information"]
    assert shares["(1) alone, same noise on all inputs"] == pytest.approx(1)


def test_bits_of_pairs_are_those_of_units_with_such_responses():
    """Rows at angles ±φ to the first axis, once the inputs are white, have the correlation cos 2φ."""
    signal, level = np.array([[1, 0.6], [0.6, 1]]), 0.5
    variances, axes = np.linalg.eigh(signal + level * np.eye(2))
    whiten = (axes / np.sqrt(variances)).T[::-1]
    bits = terms._pair_bits(signal, level)
    for index in (0, 300, 900):
        angle = math.acos(terms.CORRELATIONS[index]) / 2
        weights = np.array([rotation(angle)[:, 0], rotation(-angle)[:, 0]]) @ whiten
        units = LinearUnits(weights, signal, level, level)
        assert units.correlations()[0, 1] == pytest.approx(terms.CORRELATIONS[index])
        assert units.information(base=2) == pytest.approx(bits[index])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_not_equivalent(seed):
    evidence = terms.not_equivalent(seed)
    assert evidence.holds and evidence.statement is Statement.NOT_EQUIVALENT
    assert np.all(np.diff(evidence.numbers["redundancy_of_best_bits"]) > 0)
