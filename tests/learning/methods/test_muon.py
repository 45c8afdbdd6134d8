"""Muon: against PyTorch's own for plain matrices, the singular value decomposition, and Adam."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from torch import nn

from infomax.learning.methods import muon
from infomax.learning.methods.muon import COEFFICIENTS, REACH, Muon, is_matrix, orthogonal
from infomax.learning.methods.optimizer import OptimizerConfig, new_optimizer


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16), nn.Flatten(), nn.Linear(16, 24))


def gradients_of(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def test_each_polynomial_is_the_nearest_to_one():
    """By linear programming: minimise e, |1 − a s − b s³ − c s⁵| ≤ e at many s in the interval."""
    least, most = REACH, 1.0
    for coefficients in COEFFICIENTS:
        s = np.concatenate([np.geomspace(least, most, 2000), np.linspace(least, most, 2000)])
        powers, ones = np.stack([s, s**3, s**5], 1), np.ones((len(s), 1))
        inequalities = np.block([[powers, -ones], [-powers, -ones]])
        limits = np.concatenate([ones, -ones])[:, 0]
        free = [(None, None)] * 4
        found = linprog([0, 0, 0, 1], A_ub=inequalities, b_ub=limits, bounds=free)
        np.testing.assert_allclose(coefficients, found.x[:3], atol=1e-3)
        least, most = 1 - found.x[3], 1 + found.x[3]
    assert least > 0.73 and most < 1.27


@given(st.integers(0, 1000), st.integers(8, 40), st.integers(8, 40))
@settings(max_examples=25, deadline=None)
def test_the_direction_is_nearly_that_of_the_singular_vectors(seed, rows, columns):
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    within = u.T @ orthogonal(matrix) @ v.T  # diagonal in the basis of the matrix
    clear = s > 1.05 * REACH * s.norm()
    assert float((within - within.diag().diag()).abs().max()) < 1e-3
    assert bool(((within.diag() > 0.72) & (within.diag() < 1.28))[clear].all())


@given(st.integers(0, 1000), st.integers(8, 64), st.integers(8, 64), st.integers(1, 8))
@settings(max_examples=25, deadline=None)
def test_bfloat16_stays_bounded_whatever_the_rank(seed, rows, columns, rank):
    generator = torch.Generator().manual_seed(seed)
    factors = (
        torch.randn(rows, rank, generator=generator),
        torch.randn(rank, columns, generator=generator),
    )
    found = torch.linalg.svdvals(orthogonal((factors[0] @ factors[1]).bfloat16()).float())
    assert float(found.max()) < 2  # 1.62 at most in 3,000 draws


@given(st.floats(1e-6, 1e6), st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_the_size_of_gradients_does_not_matter(factor, seed):
    matrix = torch.randn(12, 20, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(orthogonal(factor * matrix), orthogonal(matrix), atol=1e-3, rtol=1e-3)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="PyTorch has Muon from 2.9 on")
@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (32, 32)])
def test_equals_that_of_pytorch(monkeypatch, shape):
    """By PyTorch's polynomial, five times."""
    monkeypatch.setattr(muon, "COEFFICIENTS", ((3.4445, -4.7750, 2.0315),) * 5)
    monkeypatch.setattr(muon, "MARGIN", 1.0)
    torch.manual_seed(1)
    weight, bias = nn.Parameter(torch.randn(shape)), nn.Parameter(torch.zeros(3))
    other = copy.deepcopy(weight)
    ours = Muon([weight, bias], 0.02, adam_share=0.2, momentum=0.9, weight_decay=0.1)
    theirs = torch.optim.Muon([other], lr=0.02, momentum=0.9, weight_decay=0.1, adjust_lr_fn="original")
    for seed in range(4):
        weight.grad = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        bias.grad, other.grad = torch.zeros(3), weight.grad.clone()
        before = weight.detach().clone()
        ours.step()
        theirs.step()
        moved = (weight - before).norm()
        assert (
            float(((weight - other).norm() / moved).detach()) < 0.02
        )  # their products are in bfloat16, as ours


def test_filters_are_matrices_and_the_rest_is_moved_by_adam():
    model = network()
    other = copy.deepcopy(model)
    matrices = [name for name, one in model.named_parameters() if is_matrix(one)]
    assert matrices == ["0.weight", "3.weight"]
    ours = Muon(model.parameters(), 1e-2, adam_share=0.2, betas=(0.8, 0.99))
    adam = torch.optim.Adam(other.parameters(), lr=2e-3, betas=(0.8, 0.99))
    before = model[0].weight.detach().clone()
    gradients_of(model, 0), gradients_of(other, 0)
    ours.step(), adam.step()
    for (name, one), of_adam in zip(model.named_parameters(), other.parameters(), strict=True):
        assert torch.allclose(one, of_adam, atol=1e-7) == (name not in matrices)
    moved = ((model[0].weight - before) / 1e-2).detach()
    expected = orthogonal(-model[0].weight.grad.flatten(1))
    torch.testing.assert_close(moved.flatten(1), expected, atol=0.02, rtol=0)
    spectrum = torch.linalg.svdvals(moved.flatten(1))
    assert bool(((spectrum > 0.7) & (spectrum < 1.3)).all())


def test_a_matrix_of_more_rows_and_columns_than_the_limit_is_left_to_adam():
    large, long, small = (torch.nn.Parameter(torch.zeros(shape)) for shape in ((20, 30), (16, 90), (8, 8)))
    config = OptimizerConfig(rule="muon", max_side=16)
    matrices, others = new_optimizer(config, [large, long, small]).param_groups
    assert [list(one.shape) for one in matrices["params"]] == [[16, 90], [8, 8]]
    assert [list(one.shape) for one in others["params"]] == [[20, 30]]


def test_parameters_that_adam_is_to_move_are_moved_by_it_and_the_others_as_before():
    config = OptimizerConfig(rule="muon", lr=1e-2, weight_decay=0.1)
    models = [nn.ModuleList([network(0), nn.Linear(24, 16)]) for _ in range(3)]
    for one in models[1:]:
        one.load_state_dict(models[0].state_dict())
    apart, plain, adam = models
    optimizers = [
        new_optimizer(config, apart.parameters(), by_adam=apart[1].parameters()),
        new_optimizer(config, plain.parameters()),
        torch.optim.Adam(adam.parameters(), lr=config.adam_share * config.lr, betas=config.betas, fused=True),
    ]
    for seed in range(3):
        for model, optimizer in zip(models, optimizers, strict=True):
            gradients_of(model, seed)
            optimizer.step()
    assert all(map(torch.equal, apart[0].parameters(), plain[0].parameters()))
    assert all(map(torch.equal, apart[1].parameters(), adam[1].parameters()))
    assert not torch.equal(apart[1].weight, plain[1].weight)


def test_goes_on_from_its_state():
    whole, parted = network(), network()
    one, two = (new_optimizer(OptimizerConfig(rule="muon"), m.parameters()) for m in (whole, parted))
    for seed in range(4):
        if seed == 2:
            saved = copy.deepcopy(two.state_dict())
            two = new_optimizer(OptimizerConfig(rule="muon"), parted.parameters())
            two.load_state_dict(saved)
        for model, optimizer in ((whole, one), (parted, two)):
            gradients_of(model, seed)
            optimizer.step()
    for a, b in zip(whole.parameters(), parted.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_schedule_reaches_both():
    optimizer = new_optimizer(OptimizerConfig(rule="muon", lr=0.5), network().parameters())
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    optimizer.step()
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.05]


def test_a_gradient_that_is_not_finite_moves_nothing_where_it_is_told():
    """As a GPU tells it: by `found_inf`, without a look at the values."""
    model = network()
    ours = Muon(model.parameters(), 1e-2, adam_share=0.2, weight_decay=0.1)
    gradients_of(model, 0)
    ours.step()
    before = [one.detach().clone() for one in model.parameters()]
    for parameter in model.parameters():
        parameter.grad.fill_(torch.nan)
    ours.found_inf = torch.tensor(1.0)
    ours.step()
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    ours.found_inf = torch.tensor(0.0)
    gradients_of(model, 1)
    ours.step()
    assert all(bool(one.isfinite().all()) for one in model.parameters())
    assert not any(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_matrices_alone():
    weight = nn.Parameter(torch.zeros(8, 8))
    weight.grad = torch.eye(8)
    Muon([weight], 0.1, adam_share=0.2).step()
    assert float((weight + 0.1 * torch.eye(8)).abs().max().detach()) < 0.03
