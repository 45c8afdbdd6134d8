"""Deep InfoMax in two processes against one with the whole batch: each bound, critic and further task."""

import csv
from dataclasses import replace
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from infomax.learning.data.dataset import Dataset
from infomax.learning.distributed.batch_norm import SyncSharesBatchNorm
from infomax.learning.distributed.groups import average_gradients, gather, mean_over_ranks
from infomax.learning.encoders.config import DIMEncoderConfig
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.methods import dim_learner
from infomax.learning.methods.dim import DIMConfig
from infomax.learning.methods.dim_learner import DIM
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.objectives.choices import BOUNDS, CRITICS
from infomax.learning.objectives.prior_config import PriorConfig
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain, resume
from infomax.learning.training.run import Run
from infomax.learning.views.images import PLAIN_VIEWS

RANKS, BATCH = 2, 8
VIEWS = replace(PLAIN_VIEWS, mean=(0.5,), std=(0.5,))
SMALL = DIMConfig(
    encoder=DIMEncoderConfig(width=2, num_hidden=8, num_units=8, output="sigmoid"),
    critic_units=8,
    global_weight=0.5,
)
ALL_PARTS = replace(
    SMALL,
    prior=PriorConfig(weight=0.1, hidden=(16,), lr=1e-2, num_steps=2),
    num_globals=2,
    num_places=5,
    absolute_coordinates=0.3,
    relative_coordinates=0.2,
    occlusion=0.4,
)


class OwnCritic(nn.Module):
    """One network with a batch norm for both, which sees n·k pairs."""

    def __init__(self, dim_x, dim_y, num_units):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dim_x + dim_y, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1)
        )

    def forward(self, x, y):
        """Scores of all pairs."""
        pairs = torch.cat([x.repeat_interleave(len(y), 0), y.repeat(len(x), 1)], 1)
        return self.layers(pairs).view(len(x), len(y))


CASES = {
    **{f"bound {name}": replace(SMALL, bound=name) for name in BOUNDS},
    **{f"critic {name}": replace(SMALL, critic=name, bound="jensen_shannon") for name in CRITICS},
    "critic of one's own": replace(SMALL, critic=OwnCritic),
    "all parts": ALL_PARTS,
    "all parts, Donsker–Varadhan": replace(ALL_PARTS, bound="donsker_varadhan"),
    "spherical": replace(
        ALL_PARTS,
        encoder=replace(SMALL.encoder, output="unit"),
        prior=replace(ALL_PARTS.prior, kind="spherical"),
    ),
}
RECIPE = Recipe(
    method=ALL_PARTS,
    views=VIEWS,
    optimizer=OptimizerConfig(lr=1e-3, warmup_steps=2),
    train=TrainConfig(
        steps=4, batch_size=BATCH, checkpoint_steps=2, log_steps=2, devices=2, accelerator="cpu"
    ),
)


def make_images(n=16):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (n, 32, 32, 1), dtype=np.uint8)
    return Dataset(pixels, rng.integers(0, 2, n), [f"{i}.png" for i in range(n)], ("a", "b"))


def share_of_draws(rank, size):
    """Make torch draw random numbers for the whole batch, and return the share of a rank."""
    generator = torch.Generator().manual_seed(5)

    def shared(draw, *arguments, device=None, generator_=generator, generator=None):
        *before, shape = arguments if isinstance(arguments[-1], tuple) else (arguments,)
        whole = draw(*before, (shape[0] * size, *shape[1:]), generator=generator_)
        return whole.chunk(size)[rank]

    drawn: dict[str, Any] = {
        name: partial(shared, getattr(torch, name)) for name in ("rand", "randn", "randint")
    }
    return mock.patch.multiple(torch, **drawn)


class ToDouble(nn.Module):
    def forward(self, views):
        return tuple(view.double() for view in views)


def train(config, rank=0, size=1, steps=2):
    """Scalars and gradients of the first step, and all numbers that the learner holds after the last."""
    torch.manual_seed(0)
    learner = DIM(config, VIEWS, OptimizerConfig(), 0).double()
    learner.views = nn.Sequential(learner.views, ToDouble())
    model = learner
    if size > 1:
        model = DistributedDataParallel(SyncSharesBatchNorm().apply(learner), find_unused_parameters=False)
    parameters = [p for p in learner.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    pixels = make_images(BATCH * steps).batch(slice(None))
    first: dict[str, torch.Tensor] = {}
    with share_of_draws(rank, size):
        for batch in pixels.split(BATCH):
            optimizer.zero_grad()
            loss, watched = model(batch.chunk(size)[rank], torch.zeros(BATCH // size, dtype=torch.int64))
            loss.backward()
            if not first:
                gradients = {
                    name: p.grad.clone() for name, p in learner.named_parameters() if p.grad is not None
                }
                first = {**mean_over_ranks({"loss": loss, **watched}), **gradients}
            optimizer.step()
    last = {f"last {name}": x for name, x in learner.state_dict().items() if torch.is_tensor(x)}
    if learner.prior is not None:
        moments = learner.prior.optimizer.state_dict()["state"]
        last |= {f"{kind} {i}": x for i, one in moments.items() for kind, x in one.items()}
    return {name: x.double() for name, x in {**first, **last}.items()}


def work(rank, folder):
    """Run this file's part in each process; see `conftest`."""
    found = {name: train(config, rank, RANKS) for name, config in CASES.items()}
    torch.save(found, folder / f"dim-{rank}.pt")
    pretrain(RECIPE, make_images(), folder / "dim", quiet=True)
    with stopping_at(4), pytest.raises(Stop):
        pretrain(RECIPE, make_images(), folder / "resumed", quiet=True)
    resume(RECIPE, make_images(), Run(folder / "resumed"), quiet=True)


class Stop(Exception):
    pass


def stopping_at(step):
    """Have all processes stop in the middle of a step."""
    objectives = [dim_learner.dim_objective] * (step - 1)

    def objective(*arguments):
        if not objectives:
            raise Stop
        return objectives.pop()(*arguments)

    return mock.patch.object(dim_learner, "dim_objective", objective)


@pytest.fixture(scope="module")
def ranks(folder):
    return [torch.load(folder / f"dim-{rank}.pt", weights_only=True) for rank in range(RANKS)]


@pytest.mark.parametrize("case", CASES)
def test_objective_gradients_and_weights_are_those_of_one_process(ranks, case):
    expected = train(CASES[case])
    for of_rank in ranks:
        found = of_rank[case]
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, atol=1e-10, rtol=1e-9, msg=partial(named, name))


def named(name, message):
    return f"{name}: {message}"


def test_the_discriminator_is_the_same_in_all_processes(ranks):
    first, second = (one["all parts"] for one in ranks)
    names = [name for name in first if "discriminator" in name or "exp_avg" in name]
    assert names
    assert all(torch.equal(first[name], second[name]) for name in names)


def test_a_run_of_two_processes(folder):
    rows = list(csv.DictReader((folder / "dim" / "metrics.csv").open()))
    assert [row["step"] for row in rows] == ["2", "4"]
    assert float(rows[-1]["ceiling_local"]) == pytest.approx(3.0)  # log2 of a batch of 8
    assert float(rows[-1]["prior_marginal_distance"]) > 0
    assert load_encoder(folder / "dim")(make_images(3).batch(slice(0, 3))).global_.shape == (3, 8)


def test_a_resumed_run_ends_as_an_uninterrupted_one(folder):
    """The checkpoint is that of step 2: encoder, critics, discriminator and their optimizers."""
    whole, resumed = (
        torch.load(Run(folder / name).checkpoint, weights_only=True)["state_dict"]
        for name in ("dim", "resumed")
    )
    assert any("discriminator" in name for name in whole)
    for name, value in whole.items():
        if torch.is_tensor(value):
            assert torch.equal(resumed[name], value), name


@pytest.mark.parametrize(("changes", "all_used"), [({}, True), ({"critic": OwnCritic}, False)])
def test_parts_of_ones_own_may_leave_parameters_unused(changes, all_used):
    learner = DIM(replace(SMALL, **changes), VIEWS, OptimizerConfig(), 0)
    assert learner.uses_all_parameters is all_used
    own = DIM(replace(SMALL, **changes), VIEWS, OptimizerConfig(), 0, learner.encoder)
    assert own.uses_all_parameters is False


def test_one_process_gathers_and_averages_with_nobody():
    x = torch.ones(3, requires_grad=True)
    gather(x).square().sum().backward()
    average_gradients([x])
    assert x.grad is not None
    assert x.grad.tolist() == [2, 2, 2]
