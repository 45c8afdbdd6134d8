"""The experiments on the self-adaptive network: small here, as they are run where time allows."""

from functools import partial

import numpy as np
import pytest

from infomax.principle.experiments import EXPERIMENTS, network
from infomax.principle.experiments.evidence import Evidence, Statement
from infomax.principle.linear import LinearUnits
from infomax.principle.network import linsker_plans


@pytest.fixture
def small(monkeypatch):
    """Sheets of 12 × 12 and 7 × 7 cells, with narrow arbors."""
    monkeypatch.setattr(network, "SIDE", 12)
    monkeypatch.setattr(network, "SMALL_SIDE", 7)
    monkeypatch.setattr(network, "linsker_plans", partial(linsker_plans, 0.6))


def test_hebbian_layers_in_small(small):
    evidence = network.layers_hebbian(0)
    layers = evidence.numbers["layers"]
    assert evidence.statement is Statement.LAYER_TO_LAYER
    assert list(layers) == list("CDEFG")
    assert all(layers[name]["roundness"] > 2 * layers[name]["roundness_shuffled"] for name in "CDEF")
    assert layers["G"]["selectivity"] > 0.5 > layers["F"]["selectivity"]
    assert len(evidence.figure.axes) == 10


def test_information_of_layers_in_small(small):
    evidence = network.layers_infomax(0)
    bits = evidence.numbers["bits_a_unit"]
    informed, hebbian = (
        {key: np.array(values) for key, values in bits[name].items()} for name in ("InfoMax", "Hebb")
    )
    assert evidence.numbers["layers"] == list("BCDEFG")
    assert (informed["preserved"] <= informed["most there is"] + 1e-9).all()
    assert (hebbian["preserved"] <= hebbian["most there is"] + 1e-9).all()
    assert (informed["preserved"][1:] > informed["preserved, shuffled"][1:]).all()
    for about_first in (informed["about A"], hebbian["about A"]):  # no layer knows more than the one below
        assert (np.diff(about_first) < 0).all()
    assert (informed["about A"] <= informed["preserved"] + 1e-9).all()
    assert len(evidence.figure.axes) == 6


def test_noise_adds_up_along_the_layers():
    """Two steps of `Sheet` against the covariances of everything at once."""
    first, second = np.random.default_rng(0).standard_normal((2, 3, 3))
    sheet = network._first_sheet(3).onward(first)
    scale = 3 / np.trace(1.1 * first @ first.T + 0.1 * np.eye(3))
    noise = scale * (0.1 * first @ first.T + 0.1 * np.eye(3))
    assert np.trace(sheet.signal + sheet.noise) == pytest.approx(3)
    np.testing.assert_allclose(sheet.noise, noise)
    units = sheet.seen_from_first(second)
    at_once = LinearUnits(
        np.sqrt(scale) * second @ first,
        np.eye(3),
        np.linalg.inv(first) @ (noise + 0.1 * np.eye(3)) @ np.linalg.inv(first).T / scale,
        0.1,
    )
    assert units.information() == pytest.approx(at_once.information())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["layers-hebbian", "layers-infomax"])
@pytest.mark.parametrize("seed", [0, 1])
def test_experiments_hold(name, seed):
    evidence = EXPERIMENTS[name](seed)
    assert isinstance(evidence, Evidence)
    assert evidence.holds, evidence.finding
