"""The measures against closed forms, SciPy and scikit-learn, loops, and finite differences."""

import math

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
import torch

from infomax.information import measures as m
from infomax.information.measures import (
    conditional_entropy,
    conditional_mutual_information,
    entropy,
    joint_entropy,
    mutual_information,
)

XOR = np.array([[[1 / 4, 0], [0, 1 / 4]], [[0, 1 / 4], [1 / 4, 0]]])
COPIES = np.array([[[1 / 2, 0], [0, 0]], [[0, 0], [0, 1 / 2]]])


def random_table(*shape, zeros=0.2, seed=0):
    rng = np.random.default_rng(seed)
    table = rng.exponential(size=shape) * (rng.random(shape) > zeros)
    return table / table.sum()


def information_by_loop(p_xy):
    p_x, p_y = p_xy.sum(1), p_xy.sum(0)
    return sum(
        p_xy[i, j] * math.log(p_xy[i, j] / (p_x[i] * p_y[j]))
        for i in range(p_xy.shape[0])
        for j in range(p_xy.shape[1])
        if p_xy[i, j] > 0
    )


# ------------------------------------------------------------------ the seed's numbers and closed forms


@pytest.mark.parametrize(
    ("p", "bits"),
    [
        ([1 / 2, 1 / 2], 1.0),
        ([3 / 4, 1 / 4], 0.81127812446),
        ([1 / 2, 1 / 4, 0, 0, 1 / 8, 1 / 8], 1.75),
        ([1.0], 0.0),
        ([0, 1, 0], 0.0),
        ([1 / 7] * 7, math.log2(7)),
    ],
)
def test_entropy_of_coins_and_dice(p, bits):
    assert float(entropy(p, base=2)) == pytest.approx(bits, abs=1e-11)
    assert float(entropy(p)) == pytest.approx(bits * math.log(2), abs=1e-11)
    assert float(entropy(p, base=10)) == pytest.approx(bits * math.log10(2), abs=1e-11)


@pytest.mark.parametrize("order", [1, 1.2, 2, 5, math.inf])
def test_no_uncertainty_is_zero_without_a_minus(order):
    for p in ([1.0, 0.0], torch.tensor([0.0, 1.0])):
        assert str(float(entropy(p))) == str(float(m.renyi_entropy(p, order))) == "0.0"
        assert order == math.inf or str(float(m.tsallis_entropy(p, order))) == "0.0"


def test_entropy_agrees_with_scipy_over_any_axis():
    p = np.random.default_rng(1).dirichlet(np.ones(5), size=(3, 4))
    np.testing.assert_allclose(entropy(p), scipy.stats.entropy(p, axis=-1))
    np.testing.assert_allclose(
        entropy(np.moveaxis(p, -1, 1), axis=1, base=2), scipy.stats.entropy(p, axis=-1, base=2)
    )
    np.testing.assert_allclose(entropy(p / 12, axis=(0, 1, 2)), scipy.stats.entropy(p.ravel() / 12))


def test_all_forms_of_mutual_information_agree():
    p = random_table(6, 5)
    h_x, h_y, h_xy = entropy(p.sum(1)), entropy(p.sum(0)), joint_entropy(p)
    expected = information_by_loop(p)
    for value in (
        mutual_information(p),
        h_x - conditional_entropy(p, given=-1),
        h_y - conditional_entropy(p, given=-2),
        h_x + h_y - h_xy,
        np.sum(p[p > 0] * m.pointwise_mutual_information(p)[p > 0]),
    ):
        assert float(value) == pytest.approx(expected, abs=1e-14)


def test_mutual_information_agrees_with_scikit_learn():
    counts = np.random.default_rng(2).integers(0, 9, size=(7, 4))
    sample = np.repeat(np.array(list(np.ndindex(counts.shape))), counts.ravel(), axis=0)
    p = counts / counts.sum()
    assert float(mutual_information(p)) == pytest.approx(
        sklearn.metrics.mutual_info_score(None, None, contingency=counts)
    )
    for yardstick, name in [
        (m.arithmetic_mean, "arithmetic"),
        (m.geometric_mean, "geometric"),
        (np.maximum, "max"),
    ]:
        expected = sklearn.metrics.normalized_mutual_info_score(*sample.T, average_method=name)
        assert float(m.normalized_mutual_information(p, yardstick=yardstick)) == pytest.approx(expected)


def test_xor_and_copies():
    for axis in (-1, -2, -3):
        assert float(conditional_mutual_information(XOR, given=axis, base=2)) == pytest.approx(1)
        assert float(mutual_information(XOR.sum(axis), base=2)) == pytest.approx(0, abs=1e-15)
    assert float(m.interaction_information(XOR, base=2)) == pytest.approx(1)
    assert float(m.interaction_information(COPIES, base=2)) == pytest.approx(-1)
    assert float(m.total_correlation(COPIES, base=2)) == pytest.approx(2)
    assert float(m.dual_total_correlation(COPIES, base=2)) == pytest.approx(1)


def test_measures_of_many_variables_by_their_definitions():
    p = random_table(2, 3, 4)
    h = {
        k: float(entropy(p.sum(tuple(set(range(3)) - set(k))).ravel()))
        for k in [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]
    }
    h_all = float(entropy(p.ravel()))
    assert float(m.total_correlation(p)) == pytest.approx(h[0,] + h[1,] + h[2,] - h_all)
    assert float(m.dual_total_correlation(p)) == pytest.approx(h[0, 1] + h[0, 2] + h[1, 2] - 2 * h_all)
    co_information = h[0,] + h[1,] + h[2,] - h[0, 1] - h[0, 2] - h[1, 2] + h_all
    assert float(m.interaction_information(p)) == pytest.approx(-co_information)
    assert float(conditional_mutual_information(p)) == pytest.approx(h[0, 2] + h[1, 2] - h_all - h[2,])
    assert float(joint_entropy(p, num_variables=3)) == pytest.approx(h_all)
    assert float(m.interaction_information(p.sum(2))) == pytest.approx(float(mutual_information(p.sum(2))))


def test_variation_of_information_and_its_normalised_forms():
    p = random_table(4, 4)
    x_given_y, y_given_x = float(conditional_entropy(p)), float(conditional_entropy(p, given=-2))
    assert float(m.variation_of_information(p)) == pytest.approx(x_given_y + y_given_x)
    ratio = (x_given_y + y_given_x) / float(joint_entropy(p))
    assert float(m.normalized_variation_of_information(p)) == pytest.approx(ratio)
    explained = 1 - x_given_y / float(entropy(p.sum(1)))
    assert float(m.uncertainty_coefficient(p)) == pytest.approx(explained)
    assert float(m.uncertainty_coefficient(p.T, given=-2)) == pytest.approx(explained)


def test_pointwise_information_of_impossible_pairs_is_minus_infinity():
    p = np.array([[0.5, 0, 0], [0.25, 0.25, 0], [0, 0, 0]])
    pmi = m.pointwise_mutual_information(p, base=2)
    assert pmi[0, 0] == pytest.approx(math.log2(0.5 / (0.5 * 0.75)))
    assert np.all(pmi[p == 0] == -np.inf) and not np.isnan(pmi).any()


@pytest.mark.parametrize("order", [0, 0.3, 0.5, 0.99, 1, 1.01, 2, 7, 300, math.inf])
def test_renyi_entropy(order):
    p = np.array([0.5, 0.2, 0.2, 0.1, 0])
    support = p[p > 0]
    expected = {0: math.log(4), 1: scipy.stats.entropy(p), math.inf: -math.log(0.5)}
    by_definition = expected.get(order) or math.log(np.sum(support**order)) / (1 - order)
    assert float(m.renyi_entropy(p, order)) == pytest.approx(by_definition, rel=1e-12)


@pytest.mark.parametrize("order", [0, 0.5, 1, 2, 5])
def test_tsallis_entropy(order):
    p = np.array([0.5, 0.2, 0.2, 0.1, 0])
    support = p[p > 0]
    expected = scipy.stats.entropy(p) if order == 1 else (1 - np.sum(support**order)) / (order - 1)
    assert float(m.tsallis_entropy(p, order)) == pytest.approx(expected, rel=1e-12)


def test_renyi_and_tsallis_are_continuous_at_order_one():
    p = np.array([0.5, 0.3, 0.2])
    for order in (1 - 1e-10, 1 + 1e-10):
        assert float(m.renyi_entropy(p, order)) == pytest.approx(float(entropy(p)), abs=1e-9)
        assert float(m.tsallis_entropy(p, order)) == pytest.approx(float(entropy(p)), abs=1e-9)


# ------------------------------------------------------------------ kinds, precisions, batches, gradients

ON_PAIRS = [
    joint_entropy,
    conditional_entropy,
    mutual_information,
    m.pointwise_mutual_information,
    m.variation_of_information,
    m.normalized_mutual_information,
    m.uncertainty_coefficient,
    m.normalized_variation_of_information,
]


@pytest.mark.parametrize("measure", ON_PAIRS)
def test_batches_kinds_and_precisions_agree(measure):
    tables = np.stack([random_table(4, 5, seed=s) for s in range(6)]).reshape(2, 3, 4, 5)
    expected = np.stack([measure(t) for t in tables.reshape(6, 4, 5)]).reshape(
        2, 3, *np.shape(measure(tables[0, 0]))
    )
    np.testing.assert_allclose(measure(tables), expected, atol=1e-14)
    for dtype, tolerance in [(torch.float64, 1e-13), (torch.float32, 2e-6)]:
        value = measure(torch.tensor(tables, dtype=dtype))
        assert isinstance(value, torch.Tensor) and value.dtype == dtype
        np.testing.assert_allclose(value.numpy(), expected, atol=tolerance, rtol=tolerance)
        single = measure(tables.astype(str(dtype).split(".")[1]))
        assert single.dtype == value.numpy().dtype
        np.testing.assert_allclose(single, expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize(
    "measure", [*ON_PAIRS, lambda p: m.renyi_entropy(p, 0.5), lambda p: m.tsallis_entropy(p, 2)]
)
def test_gradients_are_those_of_finite_differences(measure):
    logits = torch.randn(
        3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True
    )

    def of_softmax(z):
        return (
            measure(torch.softmax(z.flatten(), 0).reshape(z.shape))
            if measure in ON_PAIRS
            else measure(torch.softmax(z, -1))
        )

    assert torch.autograd.gradcheck(of_softmax, (logits,))


@pytest.mark.parametrize(
    "measure", [entropy, *ON_PAIRS[:3], *ON_PAIRS[4:], lambda p: m.renyi_entropy(p.flatten(), 0.5)]
)
def test_gradients_at_zero_probability_are_finite(measure):
    p = torch.tensor([[0.5, 0.0], [0.25, 0.25]], dtype=torch.float64, requires_grad=True)
    value = measure(p, axis=(-2, -1)) if measure is entropy else measure(p)
    value.backward()
    assert p.grad is not None and bool(torch.isfinite(p.grad).all())


def test_gradient_ascent_on_entropy_finds_the_uniform_distribution():
    logits = torch.tensor([3.0, 0.0, -2.0, 1.0], requires_grad=True)
    for _ in range(300):
        (gradient,) = torch.autograd.grad(entropy(torch.softmax(logits, 0)), logits)
        logits = (logits + 2 * gradient).detach().requires_grad_()
    assert float(entropy(torch.softmax(logits, 0)).detach()) == pytest.approx(math.log(4), abs=1e-4)


def test_arguments_are_not_changed():
    p = random_table(3, 3)
    before = p.copy()
    for measure in ON_PAIRS:
        measure(p)
    np.testing.assert_array_equal(p, before)


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: entropy([0.5, -0.5, 1]), ValueError, r"entropy: got the negative probability -0.5"),
        (lambda: entropy([0.5, math.nan]), ValueError, r"entropy: got NaN among the probabilities"),
        (
            lambda: entropy([0.5, 0.4]),
            ValueError,
            r"must sum to 1 over axis -1, got 0.9 .*p / p.sum\(-1, keepdims=True\)",
        ),
        (lambda: entropy([math.inf, 0.5]), ValueError, r"entropy: probabilities must sum to 1 .* got inf"),
        (lambda: entropy([]), ValueError, r"entropy: got an empty table of shape \(0,\)"),
        (lambda: entropy([3, 7]), ValueError, r"integers that sum to 10.*Joint.from_counts"),
        (lambda: entropy(np.array([1j, 1])), TypeError, r"entropy: expected real numbers, got complex128"),
        (lambda: entropy([True, False]), TypeError, r"entropy: expected real numbers, got bool"),
        (lambda: entropy([0.5, 0.5], base=1), ValueError, r"base must be finite and more than 1, got 1"),
        (
            lambda: mutual_information([0.5, 0.5]),
            ValueError,
            r"mutual_information: expected at least 2 axes, got shape \(2,\)",
        ),
        (lambda: mutual_information([[0.5, 0.5], [0.5, 0.5]]), ValueError, r"over axis \(-2, -1\), got 2 "),
        (
            lambda: conditional_entropy(np.eye(2) / 2, given=0),
            ValueError,
            r"given must be an axis from -2 to -1, got 0",
        ),
        (
            lambda: m.uncertainty_coefficient(np.eye(2) / 2, given=1),
            ValueError,
            r"given must be an axis from -2",
        ),
        (
            lambda: conditional_mutual_information(XOR, given=-4),
            ValueError,
            r"given must be an axis from -3 to -1",
        ),
        (lambda: m.renyi_entropy([1.0], -1), ValueError, r"renyi_entropy: order must be at least 0, got -1"),
        (lambda: m.tsallis_entropy([1.0], math.inf), ValueError, r"tsallis_entropy: order must be finite"),
        (
            lambda: m.total_correlation([0.5, 0.5]),
            ValueError,
            r"total_correlation: expected at least 2 variables, got 1",
        ),
        (
            lambda: m.uncertainty_coefficient([[0.5, 0.5]]),
            ValueError,
            r"a variable is constant.*0/0 has no value",
        ),
        (
            lambda: m.normalized_mutual_information([[1.0]]),
            ValueError,
            r"a variable is constant.*0/0 has no value",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_the_worst_of_a_batch_is_named():
    with pytest.raises(ValueError, match=r"got 0\.7 "):
        entropy([[0.5, 0.5], [0.5, 0.2], [0.5, 0.4]])


def test_tolerance_follows_the_precision():
    p = np.array([0.5, 0.5 + 1e-5])
    assert float(entropy(p.astype(np.float32))) == pytest.approx(math.log(2), abs=1e-4)
    with pytest.raises(ValueError, match=r"tolerance 1\.5e-08"):
        entropy(p)


# ------------------------------------------------------------------ of many variables, and in time


def test_o_information_of_gates():
    assert float(m.o_information(XOR, base=2)) == pytest.approx(-1)
    assert float(m.o_information(COPIES, base=2)) == pytest.approx(1)
    p = random_table(2, 3, 2, 3)
    batch = np.stack([p, p.transpose(0, 3, 2, 1)])
    assert m.o_information(batch, num_variables=4) == pytest.approx(float(m.o_information(p)))


DIT_O_INFORMATION = {1: ((2, 2, 2), -0.024692363709940324), 7: ((2, 3, 2, 3), -0.1709434861428898)}


@pytest.mark.parametrize("seed", DIT_O_INFORMATION)
def test_o_information_against_dit(seed):
    """The value is that of dit 2.3, in bits."""
    shape, expected = DIT_O_INFORMATION[seed]
    p = np.random.default_rng(seed).integers(0, 8, shape).astype(float)
    p.flat[0] += 1
    assert float(m.o_information(p / p.sum(), base=2)) == pytest.approx(expected)


def test_directed_information_of_a_channel_with_and_without_delay():
    """A bit through a channel that flips one in ten: one step tells 0.531 bits, a step of delay loses one."""
    flip = np.array([[0.9, 0.1], [0.1, 0.9]])
    at_once = np.einsum("a,ab,c,cd->abcd", [0.5, 0.5], flip, [0.5, 0.5], flip)
    step = float(mutual_information(flip / 2, base=2))
    assert float(m.directed_information(at_once, base=2)) == pytest.approx(2 * step)
    delayed = np.einsum("a,b,c,ad->abcd", [0.5, 0.5], [0.5, 0.5], [0.5, 0.5], flip)
    assert float(m.directed_information(delayed, base=2)) == pytest.approx(step)
    assert float(m.directed_information(delayed.transpose(1, 0, 3, 2), base=2)) == pytest.approx(0)
    with pytest.raises(ValueError, match="directed_information: expected an even number of axes"):
        m.directed_information(XOR)


@pytest.mark.parametrize("num", range(2, 60))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_has_no_share_whatever_its_probabilities_round_to(num, dtype):
    """Fifteen times 1/15 is a little less than 1, and its entropy 1.1e-16: what share was it of?"""
    constant = np.full((1, num), dtype(1) / dtype(num))
    for yardstick in (m.geometric_mean, np.minimum):
        with pytest.raises(ValueError, match="0/0 has no value"):
            m.normalized_mutual_information(constant, yardstick=yardstick)
    with pytest.raises(ValueError, match="0/0 has no value"):
        m.uncertainty_coefficient(constant)
