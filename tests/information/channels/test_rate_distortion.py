"""Rate–distortion against closed forms and random channels."""

import math

import numpy as np
import pytest

from infomax.information.channels.rate_distortion import rate_distortion
from infomax.information.measures import entropy, mutual_information

HAMMING = 1 - np.eye(2)


def h(p):
    return float(entropy([p, 1 - p]))


@pytest.mark.parametrize("p", [0.5, 0.3, 0.05])
def test_the_curve_of_a_bernoulli_source(p):
    curve = rate_distortion([p, 1 - p], HAMMING)
    expected = [max(0.0, h(p) - h(d)) if d < p else 0.0 for d in curve.distortions]
    assert np.all(curve.lower <= np.array(expected) + 1e-12) and np.all(expected <= curve.upper + 1e-12)
    assert np.all(curve.upper - curve.lower <= 1e-9)
    assert curve.distortions[0] == 0 and curve.upper[0] == pytest.approx(h(p))
    assert curve.distortions[-1] == pytest.approx(p) and curve.upper[-1] == 0
    inside = (curve.slopes > 0) & (curve.distortions > 1e-9) & (curve.distortions < 0.999 * p)
    d = curve.distortions[inside]
    np.testing.assert_allclose(curve.slopes[inside], np.log((1 - d) / d), rtol=1e-4)


def test_the_bracket_at_any_distortion():
    curve = rate_distortion([0.3, 0.7], HAMMING, base=2)
    for distortion in (0.0, 0.01, 0.1, 0.25, 0.29):
        lower, upper = curve.bracket(distortion)
        expected = (h(0.3) - h(distortion)) / math.log(2)
        assert lower - 1e-12 <= expected <= upper + 1e-12
        lower, upper = curve.refined(distortion).bracket(distortion)
        assert upper - lower <= 1e-7 and lower - 1e-12 <= expected <= upper + 1e-12
    assert curve.bracket(0.3) == (0.0, 0.0) == curve.bracket(7)
    with pytest.raises(ValueError, match=r"no channel has distortion -0.1; the least is 0"):
        curve.bracket(-0.1)


def test_a_refined_curve_is_the_curve_with_further_points():
    """In bits as in nats: distortions fall, outputs are distributions that have them, old points stay."""
    source, costs = [0.2, 0.3, 0.5], [[0, 1, 4], [1, 0, 1], [4, 1, 0]]
    curve, in_nats = rate_distortion(source, costs, base=2), rate_distortion(source, costs)
    for distortion in (0.05, 0.4, 0.65):
        finer = curve.refined(distortion)
        lower, upper = finer.bracket(distortion)
        in_bits = np.array(in_nats.refined(distortion).bracket(distortion)) / math.log(2)
        assert upper - lower <= 1e-7 and in_bits == pytest.approx([lower, upper], abs=2e-7)
        num_points = len(finer.slopes)
        assert num_points > len(curve.slopes)
        for of_each in (finer.distortions, finer.lower, finer.upper, finer.outputs):
            assert len(of_each) == num_points
        assert (np.diff(finer.slopes) < 0).all() and (np.diff(finer.distortions) > -1e-7).all()
        assert (finer.lower <= finer.upper).all() and {*curve.upper} <= {*finer.upper}
        for index in range(1, num_points - 1):
            joint = np.array(source)[:, None] * finer.channel(index).transition
            assert (joint * costs).sum() == pytest.approx(finer.distortions[index], abs=1e-6)
            information = float(mutual_information(joint, base=2))
            assert finer.lower[index] - 1e-9 <= information <= finer.upper[index] + 1e-9
            np.testing.assert_allclose(joint.sum(axis=0), finer.outputs[index], atol=1e-4)
    ends = (
        curve.refined(float(curve.distortions[1]) * 0.3),
        curve.refined(float(curve.distortions[-2]) * 1.05),
    )
    assert all(len(one.slopes) < len(curve.slopes) + 40 for one in ends)


def test_hamming_distortion_over_a_uniform_alphabet():
    """R(D) = log n − h(D) − D log(n − 1)."""
    n = 6
    curve = rate_distortion(np.full(n, 1 / n), 1 - np.eye(n))
    expected = [math.log(n) - h(d) - d * math.log(n - 1) for d in curve.distortions]
    np.testing.assert_allclose(curve.upper, expected, atol=1e-9)


def test_channels_of_the_curve_have_its_rate_and_distortion():
    rng = np.random.default_rng(0)
    source, distortion = rng.dirichlet(np.ones(7)), rng.random((7, 5))
    curve = rate_distortion(source, distortion, slopes=[1, 5, 30])
    for k in range(4):
        table = source[:, None] * curve.channel(k).transition
        assert np.sum(table * distortion) == pytest.approx(curve.distortions[k])
        assert float(mutual_information(table)) == pytest.approx(curve.upper[k])


def test_no_random_channel_beats_the_curve():
    rng = np.random.default_rng(1)
    source, distortion = rng.dirichlet(np.ones(3)), rng.random((3, 3))
    curve = rate_distortion(source, distortion)
    for _ in range(300):
        table = source[:, None] * rng.dirichlet(np.full(3, 0.3), size=3)
        lower, _ = curve.bracket(max(np.sum(table * distortion), curve.distortions[0]))
        assert float(mutual_information(table)) >= lower - 1e-12


def test_a_fine_gaussian_source_approaches_its_closed_form():
    """R(D) = ½ log(σ²/D), on a grid of spacing 0.1 within 1e-3 nats."""
    x = np.arange(-5, 5.05, 0.1)
    p_x = np.exp(-(x**2) / 2)
    curve = rate_distortion(p_x / p_x.sum(), (x[:, None] - x) ** 2, slopes=[0.8, 1, 2, 5], tolerance=1e-7)
    np.testing.assert_allclose(curve.upper[1:-1], 0.5 * np.log(1 / curve.distortions[1:-1]), atol=1e-3)


def test_impossible_letters_forbidden_pairs_and_enormous_slopes():
    erasure = np.array([[0, math.inf, 1], [math.inf, 0, 1]])  # R(D) = (1 − D) log 2
    curve = rate_distortion([0.5, 0.5], erasure)
    np.testing.assert_allclose(curve.upper, (1 - curve.distortions) * math.log(2), atol=1e-9)
    with_zero = rate_distortion([0.5, 0, 0.5], np.array([[0, 1.0], [5, 5], [1, 0]]), slopes=[1e8, 1e300])
    np.testing.assert_allclose(with_zero.upper[:3], math.log(2), atol=1e-9)
    assert np.isfinite(with_zero.distortions).all()
    free = rate_distortion([0.5, 0.5], np.zeros((2, 2)))
    assert np.all(free.upper <= 1e-9) and np.all(free.distortions == 0)


def test_a_distortion_that_is_the_least_but_for_rounding():
    curve = rate_distortion([0.5, 0.5], [[0.25, 1], [1, 0.25]])
    for distortion in (0.25 * (1 - 5e-13), 0.25, 0.25 * (1 + 1e-15)):
        lower, upper = curve.bracket(distortion)
        assert lower <= math.log(2) + 1e-9 and upper >= math.log(2) - 1e-9 and 0 <= upper - lower < 1e-8
    below_zero = rate_distortion([0.5, 0.5], [[-3, 1], [1, -3]])
    assert below_zero.bracket(-3)[1] == pytest.approx(math.log(2))
    assert below_zero.bracket(-3 - 1e-12)[1] == pytest.approx(math.log(2))
    with pytest.raises(ValueError, match=r"no channel has distortion -3\.1; the least is -3"):
        below_zero.bracket(-3.1)


def random_distortions(seed):
    """Distortions of many kinds: equal, negative, of widely different sizes, forbidden."""
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 6, size=2)
    source, d = rng.dirichlet(np.full(n, [0.1, 1, 10][rng.integers(3)])), rng.random((n, m))
    kind = rng.integers(8)
    if kind == 0:
        d[rng.random((n, m)) < 0.3] = math.inf
        d[np.arange(n), rng.integers(m, size=n)] = 0.5
    kinds = [
        d,
        rng.integers(0, 3, size=(n, m)).astype(float),
        d * 10.0 ** rng.uniform(-8, 8),
        d - 3,
        10.0 ** rng.uniform(-6, 6, size=(n, m)),
        d[:, rng.integers(m, size=m)],
        np.broadcast_to(d[:1], (n, m)).copy(),
        d,
    ]
    return source, kinds[kind], rng.random(3)


def check_brackets(seed):
    source, d, (first, second, third) = random_distortions(seed)
    curve = rate_distortion(source, d)
    assert np.all(curve.lower <= curve.upper) and np.all(curve.upper - curve.lower <= 1e-9)
    least, most = curve.distortions[0], curve.distortions[-1]
    room = most - least if most < math.inf else 1.0
    for distortion in (
        least,
        least - 5e-13 * abs(least),
        np.nextafter(least, math.inf),
        least + first * room,
        least + room * 10.0 ** (-14 * second),
        most,
    ):
        lower, upper = curve.bracket(distortion)
        assert 0 <= lower <= upper
    distortion = least + third * room
    lower, upper = curve.refined(distortion, tolerance=1e-6).bracket(distortion)
    assert 0 <= upper - lower <= 1e-6


def test_random_brackets_stand_upright():
    for seed in range(2):
        check_brackets(seed)


def test_the_channel_of_zero_rate_where_pairs_are_forbidden():
    curve = rate_distortion([0.5, 0.5], [[0, 1, 0.5], [math.inf, 0, 0.5]])
    for index in range(len(curve.slopes)):
        table = curve.channel(index).joint([0.5, 0.5])
        assert curve.lower[index] - 1e-9 <= float(table.I("x ; y").value) <= curve.upper[index] + 1e-9
    assert (curve.channel(-1).transition == [[0, 1, 0]] * 2).all()


@pytest.mark.slow
def test_many_random_brackets_stand_upright():
    for seed in range(100, 300):
        check_brackets(seed)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rate_distortion([0.5, 0.5], np.eye(3)), r"expected a source \[x\] and distortions \[x, y\]"),
        (lambda: rate_distortion([0.5, 0.5], [[math.inf] * 2, [0, 0]]), "every x needs a finite distortion"),
        (lambda: rate_distortion([0.5, 0.5], [[0, math.nan], [0, 0]]), "none may be NaN"),
        (lambda: rate_distortion([0.5, 0.5], HAMMING, slopes=[-1]), "slopes must be positive and finite"),
        (lambda: rate_distortion([0.5, 0.6], HAMMING), "rate_distortion: probabilities must sum to 1"),
        (lambda: rate_distortion([0.5, 0.5], HAMMING, tolerance=0.0), "tolerance must be more than 0, got 0"),
        (lambda: rate_distortion([0.5, 0.5], HAMMING).bracket(math.nan), "bracket: distortion is NaN"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
