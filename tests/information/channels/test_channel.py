"""Channels, and capacity against closed forms and the plain Blahut–Arimoto iteration."""

import math

import numpy as np
import pytest
import torch

from infomax.information.channels.channel import Channel
from infomax.information.measures import entropy, mutual_information

P_X = np.array([0.5, 0.2, 0.2, 0.1])


def binary_entropy(p):
    return float(entropy([p, 1 - p], base=2))


def random_channel(num_inputs, num_outputs, concentration=1.0, seed=0):
    rows = np.random.default_rng(seed).dirichlet(np.full(num_outputs, concentration), size=num_inputs)
    return Channel(rows / rows.sum(1, keepdims=True))


def blahut_arimoto(transition, num_steps):
    """The textbook iteration, p ∝ p exp D(P(·|x)‖q): a lower and an upper bound, in nats."""
    p = np.full(len(transition), 1 / len(transition))
    safe = np.where(transition > 0, transition, 1)
    for _ in range(num_steps):
        divergences = np.sum(transition * np.log(safe / (p @ transition)), axis=1)
        lower, upper = p @ divergences, divergences.max()
        p = p * np.exp(divergences)
        p = p / p.sum()
    return lower, upper


# ------------------------------------------------------------------ channels


def test_the_two_extremes():
    ideal, disturbed = Channel.ideal(4), Channel.fully_disturbed([0.3, 0.7], 4)
    assert float(ideal.mutual_information(P_X)) == pytest.approx(float(entropy(P_X)))
    assert float(ideal.equivocation(P_X)) == pytest.approx(0, abs=1e-15)
    assert float(disturbed.mutual_information(P_X)) == pytest.approx(0, abs=1e-15)
    assert float(disturbed.equivocation(P_X)) == pytest.approx(float(entropy(P_X)))
    assert ideal.is_ideal and not ideal.is_fully_disturbed
    assert disturbed.is_fully_disturbed and not disturbed.is_ideal
    assert Channel([[0, 0.5, 0.5, 0], [1, 0, 0, 0]]).is_ideal
    assert not Channel.binary_symmetric(0.1).is_ideal and not Channel.binary_symmetric(0.1).is_fully_disturbed
    assert random_channel(3, 4).then(disturbed).is_fully_disturbed


def test_the_formula_of_the_seed():
    channel = random_channel(4, 3)
    rows, q = channel.transition, P_X @ channel.transition
    formula = sum(P_X[x] * sum(rows[x, y] * math.log(rows[x, y] / q[y]) for y in range(3)) for x in range(4))
    assert float(channel.mutual_information(P_X)) == pytest.approx(formula)
    assert float(entropy(P_X) - channel.equivocation(P_X)) == pytest.approx(formula)
    assert float(entropy(channel.output(P_X)) - channel.noise(P_X)) == pytest.approx(formula)
    assert float(channel.joint(P_X).I("x ; y")) == pytest.approx(formula)


def test_cascade_and_product():
    a, b = random_channel(4, 3, seed=1), random_channel(3, 5, seed=2)
    np.testing.assert_allclose(a.then(b).output(P_X), b.output(a.output(P_X)))
    assert a.then(b).mutual_information(P_X) < a.mutual_information(P_X)
    p_z = np.array([0.2, 0.3, 0.5])
    both = a.product(b)
    assert (both.num_inputs, both.num_outputs) == (12, 15)
    together = both.mutual_information(np.outer(P_X, p_z).ravel())
    assert float(together) == pytest.approx(float(a.mutual_information(P_X) + b.mutual_information(p_z)))
    with pytest.raises(ValueError, match=r"Channel\.then: 5 outputs cannot feed 4 inputs; did you mean"):
        b.then(a)


def test_products_of_batches_and_of_float32():
    noise = np.array([0.1, 0.3])
    batch, one = Channel.binary_symmetric(noise), random_channel(3, 2)
    both = batch.product(Channel(np.stack([one.transition] * 2)))
    assert both.transition.shape == (2, 6, 4)
    for i, e in enumerate(noise):
        expected = np.kron(Channel.binary_symmetric(e).transition, one.transition)
        np.testing.assert_allclose(both.transition[i], expected, rtol=1e-12)
    errors = np.float32([0.1, 0.3])
    for channel in (Channel.symmetric(3, errors), Channel.erasure(errors, num_letters=3), Channel.z(errors)):
        assert channel.transition.dtype == np.float32
    outputs = np.array([[0.5, 0.5], [0.2, 0.8]])
    disturbed = Channel.fully_disturbed(outputs, 3)
    np.testing.assert_array_equal(disturbed.transition, np.stack([outputs] * 3, axis=1))
    np.testing.assert_allclose(disturbed.equivocation([0.2, 0.3, 0.5])[0], entropy([0.2, 0.3, 0.5]))


def test_from_samples_recovers_frequencies():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, 20_000)
    y = x ^ (rng.random(20_000) < 0.1)
    np.testing.assert_allclose(Channel.from_samples(x, y).transition, [[0.9, 0.1], [0.1, 0.9]], atol=0.01)


def test_torch_channels_batches_and_gradients():
    errors = torch.tensor([0.1, 0.3], dtype=torch.float64, requires_grad=True)
    for channels in (Channel.binary_symmetric(errors), Channel.z(errors), Channel.erasure(errors)):
        information = channels.mutual_information([0.5, 0.5], base=2)
        assert information.shape == (2,) and isinstance(information, torch.Tensor)
    information = Channel.binary_symmetric(errors).mutual_information([0.5, 0.5])
    (gradient,) = torch.autograd.grad(information.sum(), errors)
    np.testing.assert_allclose(gradient, [math.log(e / (1 - e)) for e in (0.1, 0.3)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: Channel([[0.5, 0.4], [1, 0]]),
            r"Channel: probabilities must sum to 1 over axis -1, got 0.9",
        ),
        (lambda: Channel([0.5, 0.5]), r"Channel: expected at least 2 axes"),
        (lambda: Channel.ideal(0), r"Channel.ideal: num_letters must be at least 1, got 0"),
        (lambda: Channel.symmetric(1, 0.1), r"num_letters must be at least 2, got 1"),
        (lambda: Channel.binary_symmetric(1.5), r"the probability of an error must be from 0 to 1, got 1.5"),
        (
            lambda: Channel.ideal(3).output([0.5, 0.5]),
            r"p_x has 2 probabilities, expected one for each of the 3",
        ),
        (lambda: Channel(np.full((2, 2, 2), 0.5)).capacity(), r"expected one channel \[x, y\], got shape"),
        (lambda: Channel.ideal(2).capacity(costs=[1]), r"costs must be 2 finite numbers, one for each input"),
        (
            lambda: Channel.ideal(2).capacity(costs=[1, 2], budget=0.5),
            r"budget 0.5 is below the cheapest .* 1",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ------------------------------------------------------------------ capacity


@pytest.mark.parametrize("e", [0.0, 0.01, 0.11, 0.5, 0.9, 1.0])
def test_capacities_in_closed_form(e):
    n = 5
    typewriter = (np.eye(6) + np.roll(np.eye(6), 1, axis=1)) / 2
    z = math.log2(1 + (1 - e) * e ** (e / (1 - e))) if e < 1 else 0.0
    for channel, bits in [
        (Channel.binary_symmetric(e), 1 - binary_entropy(e)),
        (Channel.erasure(e), 1 - e),
        (Channel.erasure(e, num_letters=n), (1 - e) * math.log2(n)),
        (Channel.z(e), z),
        (Channel.symmetric(n, e), math.log2(n) - binary_entropy(e) - e * math.log2(n - 1)),
        (Channel(typewriter), math.log2(6 / 2)),
        (Channel.ideal(n), math.log2(n)),
        (Channel.fully_disturbed([0.3, 0.7], n), 0.0),
    ]:
        capacity = channel.capacity(base=2)
        assert capacity.lower <= bits + 1e-15 and bits - 1e-15 <= capacity.upper
        assert capacity.upper - capacity.lower <= 1e-9
        attained = float(channel.mutual_information(capacity.input, base=2))
        assert attained == pytest.approx(capacity.lower, abs=1e-13)


def test_the_z_channel_at_one_half():
    assert Channel.z(0.5).capacity(base=2).lower == pytest.approx(0.321928, abs=1e-6)


@pytest.mark.parametrize("shape", [(3, 3), (10, 4), (4, 10), (30, 30)])
@pytest.mark.parametrize("concentration", [0.05, 1.0, 20.0])
def test_the_bracket_lies_within_that_of_blahut_and_arimoto(shape, concentration):
    channel = random_channel(*shape, concentration, seed=3)
    capacity = channel.capacity(tolerance=1e-11)
    lower, upper = blahut_arimoto(channel.transition, 2000)
    assert lower - 1e-12 <= capacity.upper and capacity.lower <= upper + 1e-12
    assert capacity.upper - capacity.lower <= 1e-11


def test_awkward_channels():
    rows = np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0]])  # twins, and unreachable outputs
    capacity = Channel(rows).capacity(base=2)
    assert capacity.lower == pytest.approx(math.log2(1.25), abs=1e-9)
    tiny = Channel([[1, 0], [1 - 1e-9, 1e-9]]).capacity(tolerance=1e-12)
    assert tiny.lower <= 1e-9 / math.e <= tiny.upper + 1e-17  # C = e/exp(1) for a small e
    one_input = Channel([[0.2, 0.8]]).capacity()
    assert one_input.lower == pytest.approx(0, abs=1e-14) and one_input.upper >= 0
    useless = Channel([[1, 0], [0, 1], [0.5, 0.5]]).capacity(base=2)
    assert useless.lower == pytest.approx(1, abs=1e-9) and useless.input[2] < 1e-6
    with pytest.raises(
        RuntimeError, match=r"capacity: after 100 iterations the value lies in .*larger tolerance"
    ):
        random_channel(5, 5).capacity(tolerance=1e-18)


def test_capacities_add_over_products():
    a, b = random_channel(3, 4, seed=1), Channel.z(0.3)
    assert a.product(b).capacity().lower == pytest.approx(a.capacity().lower + b.capacity().lower, abs=2e-9)


@pytest.mark.parametrize("budget", [0.0, 0.05, 0.2, 0.4, 0.5, 2.0])
def test_capacity_with_costs_against_a_grid(budget):
    """Sending a 1 costs 1: the best share of ones is found by trying every share."""
    channel = Channel.z(0.2)
    shares = np.linspace(0, min(budget, 1), 20_001)
    tables = np.stack([1 - shares, shares], -1)[:, :, None] * channel.transition
    best = mutual_information(tables).max()
    capacity = channel.capacity(costs=[0, 1], budget=budget)
    assert capacity.lower <= best + 1e-9 and best <= capacity.upper + 1e-9
    assert capacity.upper - capacity.lower <= 1e-9
    assert capacity.input[1] <= budget + 1e-12
    assert float(channel.mutual_information(capacity.input)) == pytest.approx(capacity.lower, abs=1e-12)


def test_capacity_with_costs_of_many_inputs_is_certified_and_affordable():
    channel, costs = random_channel(20, 15, 0.2, seed=4), np.linspace(0, 3, 20)
    values = []
    for budget in (0.2, 0.5, 1.0, 3.0):
        capacity = channel.capacity(costs=costs, budget=budget)
        assert capacity.input @ costs <= budget + 1e-9 and capacity.upper - capacity.lower <= 1e-9
        values.append(capacity.lower)
    assert values == sorted(values)
    assert values[-1] == pytest.approx(channel.capacity().lower, abs=1e-9)


def test_a_matrix_whose_columns_are_the_inputs_is_refused():
    columns = np.array([[0.9, 0.2], [0.1, 0.8]])
    for given in (columns, np.stack([columns] * 2), torch.tensor(columns)):
        with pytest.raises(ValueError, match=r"the columns sum to 1 and the rows do not.*pass the transpose"):
            Channel(given)
    assert Channel(columns.T).num_inputs == 2
    with pytest.raises(ValueError, match="Channel: probabilities must sum to 1 over axis -1"):
        Channel([[0.9, 0.2], [0.2, 0.8]])


def test_torch_capacity_and_its_gradient_by_the_envelope_theorem():
    error = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    channel = Channel.z(error)
    capacity = channel.capacity()
    assert isinstance(capacity.input, torch.Tensor) and not capacity.input.requires_grad
    (gradient,) = torch.autograd.grad(channel.mutual_information(capacity.input), error)
    step = 1e-5
    up, down = (Channel.z(0.2 + s).capacity(tolerance=1e-13).lower for s in (step, -step))
    assert float(gradient) == pytest.approx((up - down) / (2 * step), rel=1e-6)
    single = Channel.z(torch.tensor(0.5)).capacity(base=2)
    assert single.input.dtype == torch.float32 and single.lower == pytest.approx(0.321928, abs=1e-6)
