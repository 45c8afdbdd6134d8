"""The experiments on maps and features, small: what they find holds, and does not for the controls."""

import json

import numpy as np
import pytest

from infomax.principle.experiments import features, maps


def check(evidence):
    json.dumps(evidence.numbers)
    assert evidence.holds
    assert evidence.figure.axes


def test_near_neighbors(monkeypatch):
    monkeypatch.setattr(maps, "NUM_INPUTS", 300)
    monkeypatch.setattr(maps, "NUM_NEIGHBORS", 50)
    monkeypatch.setattr(maps, "NUM_STARTS", 2)
    monkeypatch.setattr(
        maps, "WORLDS", {"interval": (maps._interval, (16,)), "square": (maps._square, (6, 6))}
    )
    evidence = maps.near_neighbors(0)
    check(evidence)
    for order in evidence.numbers["trustworthiness_or_continuity"].values():
        assert order["InfoMax"] > maps.MIN_ORDER > maps.MAX_ORDER_OF_CONTROLS > order["cells shuffled"]
    for bits in evidence.numbers["bits"].values():
        assert bits["InfoMax"] == max(bits.values())


def test_frequent_patterns(monkeypatch):
    monkeypatch.setattr(maps, "WIDTHS", (0.3, 1.0))
    monkeypatch.setattr(maps, "NUM_SHUFFLES", 30)
    evidence = maps.frequent_patterns(0)
    check(evidence)
    np.testing.assert_allclose(
        evidence.numbers["exponent"], evidence.numbers["exponent_in_theory"], atol=0.08
    )
    assert abs(evidence.numbers["exponent_all_inputs_equally_frequent"]) < 0.1


def test_the_self_organising_map_orders_an_interval():
    x = np.random.default_rng(0).uniform(size=(300, 1))
    steps = np.diff(maps.kohonen(x, np.arange(10.0)[:, None])[:, 0])
    assert (steps > 0).all() or (steps < 0).all()


def test_signal_to_noise(monkeypatch):
    monkeypatch.setattr(features, "NOISES", (0.1, 3.0))
    monkeypatch.setattr(features, "SHEET", (5, 5))
    monkeypatch.setattr(features, "NUM_TEST_COPIES", 16)
    evidence = features.signal_to_noise(0)
    check(evidence)
    assert (np.array(evidence.numbers["bits_held"]) <= np.array(evidence.numbers["bits_available"])).all()


def test_temporal_correlation():
    evidence = features.temporal_correlation(0)
    check(evidence)
    assert evidence.numbers["lags_recovered"]["InfoMax"] == list(features.LAGS)


def test_units_of_delayed_inputs_convey_what_the_principal_axes_allow():
    """For a white source, pairs of inputs one lag apart carry (2 + ν), all else 1 + ν: closed form."""
    lag, noise = 3, features.SENSOR_NOISE
    pair = np.zeros(2 * features.NUM_DELAYS)
    pair[[lag, features.NUM_DELAYS]] = np.sqrt(0.5)  # source(t − lag), heard by the second sensor at t
    bits = features._bits(pair[None], 0.0, lag)
    assert bits == pytest.approx(np.log2(1 + 2 / (noise + 1)) / 2)


def test_slow_features_of_a_slow_source_are_slow():
    rng = np.random.default_rng(0)
    inputs = features._delayed(features._sensors(0.9, 2, rng))
    outputs = inputs @ features._slowest(inputs).T
    change = np.square(np.diff(outputs, axis=0)).mean(axis=0) / outputs.var(axis=0)
    any_direction = inputs @ rng.standard_normal((inputs.shape[1], 50))
    typical = np.square(np.diff(any_direction, axis=0)).mean(axis=0) / any_direction.var(axis=0)
    assert change.max() < np.median(typical) / 2
    np.testing.assert_allclose(np.corrcoef(outputs, rowvar=False), np.eye(features.NUM_UNITS), atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize(
    "experiment", [maps.near_neighbors, maps.frequent_patterns, features.signal_to_noise]
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_full_experiments(experiment, seed):
    assert experiment(seed).holds
