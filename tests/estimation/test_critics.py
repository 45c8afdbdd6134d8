"""Critics score each pair as a network of that pair alone would."""

from inspect import unwrap

import pytest
import torch

from infomax.estimation.critics import Bilinear, Concatenated, Distance, Separable
from infomax.fitting import perceptron

CRITICS = [Bilinear, Separable, Distance, Concatenated]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("critic", CRITICS)
def test_a_score_depends_on_its_pair_alone(critic):
    f, x, y = critic(3, 5), torch.randn(6, 3), torch.randn(4, 5)
    one_by_one = [[f(x[i : i + 1], y[j : j + 1]).item() for j in range(4)] for i in range(6)]
    torch.testing.assert_close(f(x, y), torch.tensor(one_by_one))
    assert torch.tensor(one_by_one).std() > 1e-3


@pytest.mark.parametrize("critic", CRITICS)
def test_every_parameter_learns(critic):
    f = critic(3, 5)
    f(torch.randn(6, 3), torch.randn(6, 5)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in f.parameters())


def test_concatenated_is_the_network_of_the_concatenated_pair():
    f, x, y = Concatenated(3, 5, hidden=(16, 8)), torch.randn(6, 3), torch.randn(4, 5)
    pairs = torch.cat([x[:, None].expand(6, 4, 3), y.expand(6, 4, 5)], dim=2)
    torch.testing.assert_close(f(x, y), f.rest(torch.relu(f.first(pairs)))[..., 0])


def test_bilinear_is_its_formula():
    f, x, y = Bilinear(3, 5), torch.randn(6, 3), torch.randn(4, 5)
    w = f.weight
    expected = (
        torch.einsum("id,de,je->ij", x, w[:3, :5], y) + (x @ w[:3, 5])[:, None] + y @ w[3, :5] + w[3, 5]
    )
    torch.testing.assert_close(f(x, y), expected)


def test_distance_is_its_formula():
    f, x, y = Distance(3, 5, embedding=2), torch.randn(6, 3), torch.randn(4, 5)
    expected = -0.5 * torch.cdist(f.embed_x(x), f.embed_y(y)) ** 2
    torch.testing.assert_close(f(x, y), expected, atol=1e-5, rtol=1e-5)


def test_separable_has_the_rank_of_its_embedding():
    f = Separable(3, 5, hidden=(64,), embedding=2)
    scores = f(torch.randn(50, 3), torch.randn(50, 5)).detach().double()
    assert torch.linalg.matrix_rank(scores, rtol=1e-5) == 2


@pytest.mark.parametrize("critic", CRITICS)
def test_no_columns(critic):
    with pytest.raises(ValueError, match=rf"{critic.__name__}: sizes must be at least 1, got {{'dim_x': 0}}"):
        critic(0, 5)


def test_bad_layers():
    with pytest.raises(ValueError, match="Concatenated: hidden must have at least one layer"):
        Concatenated(3, 5, hidden=())
    with pytest.raises(ValueError, match=r"Separable: sizes must be at least 1, got {'embedding': 0}"):
        Separable(3, 5, embedding=0)
    with pytest.raises(ValueError, match=r"perceptron: .* got {'width 1': 0}"):
        perceptron([3, 0, 1])


@pytest.mark.parametrize("critic", CRITICS)
@pytest.mark.parametrize(
    "shape_x, shape_y, wrong",
    [
        ((6, 5), (4, 3), r"x must be \[rows, 3\], .* got \[6, 5\]; are x and y in order"),
        ((6, 4), (4, 4), r"x must be \[rows, 3\], .* got \[6, 4\]"),  # as many columns together
        ((6, 3), (4, 4), r"y must be \[rows, 5\], .* got \[4, 4\]"),
        ((3,), (4, 5), r"x must be \[rows, 3\], .* got \[3\]"),
    ],
)
def test_rows_of_other_dimensions_are_refused(critic, shape_x, shape_y, wrong):
    f = critic(3, 5)
    f.forward = unwrap(critic.forward).__get__(f)  # without the check of shapes that the tests turn on
    with pytest.raises(ValueError, match=f"{critic.__name__}: {wrong}"):
        f(torch.randn(shape_x), torch.randn(shape_y))


@pytest.mark.parametrize("critic", CRITICS)
def test_one_row_or_none(critic):
    f = critic(3, 5)
    assert f(torch.randn(1, 3), torch.randn(4, 5)).shape == (1, 4)
    assert f(torch.randn(0, 3), torch.randn(4, 5)).shape == (0, 4)
