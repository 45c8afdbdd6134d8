"""Ordered maps against loops, finite differences and bounds; each property against a control that fails."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from sklearn.manifold import trustworthiness
from sklearn.utils.estimator_checks import parametrize_with_checks

from infomax.information.channels.channel import Channel
from infomax.information.measures import mutual_information
from infomax.principle.maps import CellChannel, Inputs, TopographicMap, information_and_gradient, lattice
from infomax.principle.topography import cell_density_of_chain, continuity, magnification

SQUARE = np.random.default_rng(0).uniform(size=(300, 2))
INTERVAL = (np.arange(200) + 0.5)[:, None] / 200


def a_layer(seed, shape=(3, 2), num_inputs=30, num_signals=None):
    """A layer, inputs of unequal probabilities and, it may be, several copies a signal, and weights."""
    rng = np.random.default_rng(seed)
    layer = CellChannel(lattice(shape), response_width=rng.uniform(0.3, 1), lateral_range=rng.uniform(0.4, 2))
    signals = np.arange(num_inputs) % (num_signals or num_inputs)
    inputs = Inputs(rng.standard_normal((num_inputs, 2)), rng.dirichlet(np.ones(num_inputs)), signals)
    return layer, inputs, rng.standard_normal((math.prod(shape), 2))


def slow_joint(layer, inputs, weights):
    """q(L) P(j|L), one number at a time, straight from the formulas."""
    m, joint = len(weights), np.zeros((inputs.signals.max() + 1, len(weights)))
    spread = [
        [
            math.exp(-((layer.positions[k] - layer.positions[j]) ** 2).sum() / 2 / layer.lateral_range**2)
            for j in range(m)
        ]
        for k in range(m)
    ]
    for x, q, signal in zip(inputs.x, inputs.probabilities, inputs.signals, strict=True):
        response = [math.exp(-((x - w) ** 2).sum() / 2 / layer.response_width**2) for w in weights]
        for k in range(m):
            for j in range(m):
                joint[signal, j] += q * response[k] / sum(response) * spread[k][j] / sum(spread[k])
    return joint


# ------------------------------------------------------------------------------------- rate and gradient


@pytest.mark.parametrize("num_signals", [None, 7])
def test_rate_is_the_information_of_the_table(num_signals):
    layer, inputs, weights = a_layer(1, num_signals=num_signals)
    joint = slow_joint(layer, inputs, weights)
    rate, _ = information_and_gradient(layer, inputs, weights)
    assert rate == pytest.approx(float(mutual_information(joint)), abs=1e-12)
    assert rate > 1e-4


@pytest.mark.parametrize("num_signals", [None, 7])
@pytest.mark.parametrize("shape", [(5,), (3, 2)])
def test_gradient_by_finite_differences(shape, num_signals):
    layer, inputs, weights = a_layer(2, shape, num_signals=num_signals)

    def rate(flat):
        return information_and_gradient(layer, inputs, flat.reshape(weights.shape))[0]

    flat, steps = weights.ravel(), 1e-5 * np.eye(weights.size)
    differences = [(rate(flat + step) - rate(flat - step)) / 2e-5 for step in steps]
    gradient = information_and_gradient(layer, inputs, weights)[1].ravel()
    assert np.abs(gradient).max() > 0.01
    np.testing.assert_allclose(gradient, differences, atol=1e-8)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_laws_of_the_rate(seed):
    layer, inputs, weights = a_layer(seed, num_signals=6)
    each = Inputs(inputs.x, inputs.probabilities, np.arange(len(inputs.x)))
    rate, rate_of_each = (information_and_gradient(layer, one, weights)[0] for one in (inputs, each))
    selected = inputs.probabilities[:, None] * layer.selection(inputs.x, weights)
    assert -1e-12 <= rate <= rate_of_each + 1e-12  # noise that hides the signal
    assert rate_of_each <= mutual_information(selected) + 1e-12  # interaction only loses
    assert rate_of_each <= math.log(len(weights))


@given(seed=st.integers(0, 10**6), angle=st.floats(0, 6), scale=st.floats(0.1, 10))
@settings(max_examples=20, deadline=None)
def test_rate_is_blind_to_where_and_how_large(seed, angle, scale):
    layer, inputs, weights = a_layer(seed)
    turn = scale * np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    moved = Inputs(inputs.x @ turn + 3, inputs.probabilities, inputs.signals)
    wider = CellChannel(layer.positions, scale * layer.response_width, layer.lateral_range)
    rate, gradient = information_and_gradient(layer, inputs, weights)
    other, turned = information_and_gradient(wider, moved, weights @ turn + 3)
    assert other == pytest.approx(rate, abs=1e-9)
    np.testing.assert_allclose(turned, gradient @ turn / scale**2, atol=1e-8)


def test_lattice():
    assert lattice((3,)).tolist() == [[0], [1], [2]]
    assert lattice((2, 3, 4)).shape == (24, 3)
    assert lattice((2, 3))[4].tolist() == [1, 1]


# ------------------------------------------------------------------------------------- the transformer


@parametrize_with_checks(
    [TopographicMap((3,), num_steps=20, max_iter=20)],
    expected_failed_checks=lambda _: {
        "check_do_not_raise_errors_in_init_or_set_params": "here, and only here, types are checked at once"
    },
)
def test_scikit_learn(estimator, check):
    check(estimator)


def test_an_ascent_without_a_maximum_says_so():
    with pytest.warns(ConvergenceWarning, match="not reached a maximum after 2 iterations; raise max_iter=2"):
        TopographicMap((6,), max_iter=2, num_steps=5, random_state=0).fit(INTERVAL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TopographicMap((6,), random_state=0).fit(INTERVAL)


def test_what_a_fitted_map_says_of_itself():
    fitted = TopographicMap((3, 4), random_state=0).fit(SQUARE)
    firing = fitted.firing_probabilities(SQUARE)
    assert fitted.information_ == pytest.approx(fitted.information(SQUARE))
    assert fitted.information(SQUARE, base=2) == pytest.approx(fitted.information_ / math.log(2))
    uniform = np.full(len(SQUARE), 1 / len(SQUARE))
    assert fitted.information_ == pytest.approx(float(Channel(firing).mutual_information(uniform)))
    np.testing.assert_allclose(fitted.transform(SQUARE), firing @ lattice((3, 4)))
    np.testing.assert_allclose(fitted.centers_[5], np.average(SQUARE, axis=0, weights=firing[:, 5]))
    assert list(fitted.get_feature_names_out()) == ["topographicmap0", "topographicmap1"]


def test_fitted_weights_are_a_maximum():
    fitted = TopographicMap((8,), random_state=0, tol=1e-14).fit(INTERVAL)
    layer = CellChannel(fitted.positions_, fitted.response_width_, 1.0)
    inputs = Inputs(INTERVAL, np.full(200, 1 / 200), np.arange(200))
    rate, gradient = information_and_gradient(layer, inputs, fitted.weights_)
    inside = (fitted.weights_ > INTERVAL.min()) & (fitted.weights_ < INTERVAL.max())
    assert inside.sum() >= 6
    assert np.abs(gradient[inside]).max() < 1e-4
    rng = np.random.default_rng(0)
    for _ in range(20):
        nearby = np.clip(fitted.weights_ + 0.02 * rng.standard_normal((8, 1)), *inputs.bounds)
        assert information_and_gradient(layer, inputs, nearby)[0] < rate


def test_seeds_starts_and_weights_of_samples():
    fitted = [TopographicMap((4, 4), random_state=seed).fit(SQUARE) for seed in (0, 0, 1)]
    assert (fitted[0].weights_ == fitted[1].weights_).all()
    assert (fitted[0].weights_ != fitted[2].weights_).any()
    best = TopographicMap((4, 4), random_state=0, n_init=4, num_steps=20).fit(SQUARE).information_
    first = TopographicMap((4, 4), random_state=0, n_init=1, num_steps=20).fit(SQUARE).information_
    assert best >= first
    often = np.arange(200) % 3
    weighed = TopographicMap((5,), random_state=0).fit(INTERVAL, sample_weight=often)
    repeated = TopographicMap((5,), random_state=0).fit(np.repeat(INTERVAL, often, axis=0))
    np.testing.assert_allclose(weighed.weights_, repeated.weights_, atol=1e-6)


def test_scale_of_the_inputs_does_not_matter():
    places, scaled = (TopographicMap((6,), random_state=0).fit_transform(s * INTERVAL) for s in (1, 1000))
    np.testing.assert_allclose(places, scaled, atol=1e-4)


def test_information_of_labels():
    fitted = TopographicMap((6,), random_state=0).fit(INTERVAL)
    left = np.where(INTERVAL[:, 0] < 0.5, "left", "right")
    assert 0.6 < fitted.information(INTERVAL, signals=left, base=2) < 1
    assert fitted.information(INTERVAL, signals=np.random.default_rng(0).permutation(left), base=2) < 0.05


def test_a_layer_told_of_signals_ignores_noise():
    """One column is signal, the other noise, of the same variance: cells are spread along the signal."""
    rng = np.random.default_rng(0)
    signals = np.repeat([-1.0, 0.0, 1.0], 60)
    x = np.stack([signals, rng.permutation(signals) + 0.1 * rng.standard_normal(180)], axis=1)
    told, untold, shuffled = (
        TopographicMap((3, 3), random_state=0).fit(x, signals=labels)
        for labels in (signals, None, rng.permutation(signals))
    )
    bits = [one.information(x, signals=signals, base=2) for one in (told, untold, shuffled)]
    assert bits[0] > 1.2 * max(bits[1:])


# ------------------------------------------------------------------------------------- order


def order(x, places):
    return min(trustworthiness(x, places, n_neighbors=30), continuity(x, places, num_neighbors=30))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("x", "shape"), [(INTERVAL, (12,)), (SQUARE, (5, 5))], ids=["chain", "sheet"])
def test_random_weights_become_an_ordered_map(x, shape, seed):
    fitted = TopographicMap(shape, random_state=seed).fit(x)
    layer = CellChannel(fitted.positions_, fitted.response_width_, 1.0)
    rng = np.random.default_rng(seed)
    shuffled = layer.firing(x, rng.permutation(fitted.weights_)) @ fitted.positions_
    untrained = layer.firing(x, rng.choice(x, len(fitted.weights_))) @ fitted.positions_
    assert order(x, fitted.transform(x)) > 0.93
    assert max(order(x, shuffled), order(x, untrained)) < order(x, fitted.transform(x)) - 0.05


def test_a_narrow_interaction_from_the_start_leaves_breaks():
    """Gradient ascent alone, without the wide interaction of the first steps, finds a lesser maximum."""
    fitted = TopographicMap((12,), random_state=0).fit(INTERVAL)
    at_once = TopographicMap((12,), random_state=0, num_steps=0).fit(INTERVAL)
    assert at_once.information_ < fitted.information_ - 0.02
    assert order(INTERVAL, at_once.transform(INTERVAL)) < order(INTERVAL, fitted.transform(INTERVAL)) - 0.05


def test_frequent_inputs_get_more_cells():
    density = 1 + 4 * INTERVAL[:, 0]
    chain = TopographicMap((30,), response_width=0.5 / 30, num_steps=300, learning_rate=1, random_state=0)

    def exponent(sample_weight):
        centers = np.sort(chain.fit(INTERVAL, sample_weight=sample_weight).centers_[:, 0])[4:-4]
        middles = (centers[1:] + centers[:-1]) / 2
        return magnification(1 / np.diff(centers), np.interp(middles, INTERVAL[:, 0], density)).exponent

    cells = cell_density_of_chain(
        density / density.mean(), np.full(200, 1 / 200), 30, response_width=0.5 / 30, lateral_range=1
    )
    assert exponent(density) == pytest.approx(magnification(cells[30:-30], density[30:-30]).exponent, abs=0.1)
    assert abs(exponent(None)) < 0.1


# ------------------------------------------------------------------------------------- bad arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": ()}, r"lattice: shape must be one or more numbers of cells, got \(\); \(20,\) is a chain"),
        ({"shape": (3, 0)}, r"lattice: shape must be one or more numbers of cells, got \(3, 0\)"),
        (
            {"shape": (15, 15)},
            r"225 cells need at least as many samples, got n_samples = 200; give more, or a",
        ),
        ({"response_width": 0.0}, "response_width must be above 0, got 0.0"),
        ({"lateral_range": math.inf}, "lateral_range must be above 0 and finite, got inf"),
        ({"learning_rate": -1.0}, "learning_rate must be above 0, got -1.0"),
        ({"tol": math.nan}, "tol must be above 0 and finite, got nan"),
        ({"num_steps": -1}, "num_steps must be at least 0, got -1"),
        ({"n_init": 0}, "n_init must be at least 1, got 0"),
        ({"max_iter": 0}, "max_iter must be at least 1, got 0"),
    ],
)
def test_bad_parameters(arguments, message):
    with pytest.raises(ValueError, match=message):
        TopographicMap(**{"shape": (4,), **arguments}).fit(INTERVAL)


@pytest.mark.parametrize(
    ("x", "arguments", "message"),
    [
        (np.ones((9, 2)), {}, "all inputs are the same, so there is nothing to tell; expected two or more"),
        (np.where(INTERVAL > 0.9, np.nan, INTERVAL), {}, "Input X contains NaN"),
        (
            INTERVAL,
            {"sample_weight": np.zeros(200)},
            "sample_weight must be finite, at least zero, and not zero",
        ),
        (INTERVAL, {"sample_weight": np.full(200, -1.0)}, "sample_weight must be finite, .* from -1 to -1"),
        (INTERVAL, {"signals": [0, 1]}, "signals must label the 200 inputs, got 2"),
        (INTERVAL, {"sample_weight": np.arange(200) > 197}, "4 cells need at least as many samples, .* = 2"),
    ],
)
def test_bad_inputs(x, arguments, message):
    with pytest.raises(ValueError, match=message):
        TopographicMap((4,)).fit(x, **arguments)
