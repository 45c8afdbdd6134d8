"""Two processes that train together against one with the whole batch."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from infomax.evaluation.ablation.ablating import ablate
from infomax.learning.data import Dataset
from infomax.learning.data.order.batches import Batches
from infomax.learning.distributed import groups
from infomax.learning.distributed.batch_norm import share_batch_norm
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.encoders.features import Features
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.objectives.amdim import amdim_objective
from infomax.learning.objectives.contrastive import choose
from infomax.learning.training import plan as plans
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain
from infomax.learning.views.images import ViewsConfig

RANKS = 2
WAYS = {"gathered": 2**28, "ring": 0}
RECIPE = Recipe(
    method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=2, embedding_dim=8, depth=1, batch_norm=True)),
    views=ViewsConfig(mean=(0.5,), std=(0.3,)),
    optimizer=OptimizerConfig(lr=1e-3, warmup_steps=2),
    train=TrainConfig(steps=4, batch_size=8, checkpoint_steps=2, log_steps=2, devices=2, accelerator="cpu"),
)


def share(x, rank, size):
    return x.chunk(size)[rank]


def make_images(n=20):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (n, 32, 32, 1), dtype=np.uint8)
    labels = rng.integers(-1, 2, n).astype(np.int64)
    return Dataset(pixels, labels, [f"{i}.png" for i in range(n)], ("a", "b"))


def train(rank=0, size=1):
    """Objective and gradients of the last of four steps of Adam, and weights and statistics after it."""
    torch.manual_seed(0)
    encoder = AMDIMEncoder(
        image_size=32, channels=1, width=2, embedding_dim=8, depth=1, batch_norm=True
    ).double()
    model = encoder
    if size > 1:
        model = DistributedDataParallel(share_batch_norm(encoder))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(2)
    for _ in range(4):
        both = torch.randn(2, 8, 1, 32, 32, generator=generator, dtype=torch.float64)
        at = torch.randint(25, (2, 8), generator=generator)
        # both views in one pass: batch norm then sees the same images, whoever holds them
        f = model(torch.cat([share(view, rank, size) for view in both]))
        views = [
            Features(f.global_.chunk(2)[v], {side: f.local[side].chunk(2)[v] for side in (5, 7)})
            for v in (0, 1)
        ]
        at = torch.stack([share(one, rank, size) for one in at])
        optimizer.zero_grad()
        objective = amdim_objective(*views, source_locations=at)
        (-objective.value).backward()
        optimizer.step()
    last = groups.mean_over_ranks({"objective": objective.value.detach()})
    gradients = {
        f"gradient of {name}": p.grad for name, p in encoder.named_parameters() if p.grad is not None
    }
    return {**last, **gradients, **{key: value.clone() for key, value in encoder.state_dict().items()}}


def work(rank, folder):
    """Run this file's part in each process; see `conftest`."""
    results = {}
    for way, most in WAYS.items():
        choose.MAX_GATHERED = most
        results[way] = train(rank, RANKS)
    choose.MAX_GATHERED = 2**28
    torch.save(results, folder / f"{rank}.pt")
    torch.save(steps_of_minutes(rank), folder / f"steps-{rank}.pt")
    pretrain(RECIPE, make_images(), folder / "run", quiet=True)
    torch.save([row.accuracies for row in ablation(folder)], folder / f"ablation-{rank}.pt")


def steps_of_minutes(rank):
    """The steps of six seconds at 0.1 s each, of a process that looks at its clock after rank / 2 seconds."""
    measured, plans.seconds_per_step = plans.seconds_per_step, lambda *_, **__: time.sleep(rank / 2) or 0.1
    try:
        return plans.plan(RECIPE, make_images(), None, {"minutes": 0.1}).steps
    finally:
        plans.seconds_per_step = measured


def ablation(folder, recipe=RECIPE):
    options = {"variants": ["one scale"], "num_seeds": 1, "max_labels": 100, "quiet": True}
    return ablate(recipe, "digits", folder / "ablation", **options)


@pytest.fixture(scope="module")
def ranks(folder):
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(RANKS)]


@pytest.mark.parametrize("way", WAYS)
def test_weights_after_training_are_those_of_one_process(ranks, way):
    """To 1e-11, but for biases before a batch norm: their gradient is 0, and Adam steps by its rounding."""
    expected = train()
    for of_rank in ranks:
        assert of_rank[way].keys() == expected.keys()
        for key, value in expected.items():
            tight = not key.endswith(("bias", "running_mean"))
            torch.testing.assert_close(of_rank[way][key], value, atol=1e-11 if tight else 1e-5, rtol=0)


def test_processes_agree_on_the_steps_that_minutes_give(folder):
    """Clocks differ; with other numbers of steps, one process would wait for the other for ever."""
    first, second = (torch.load(folder / f"steps-{rank}.pt", weights_only=True) for rank in range(RANKS))
    assert first == second == pytest.approx(60, abs=1)


def test_a_run_of_two_processes(folder):
    assert {path.name for path in (folder / "run").rglob("*") if path.is_file()} == {
        "recipe.yaml", "metrics.csv", "last.ckpt", "before.ckpt", "lock", "encoder.safetensors",
        "encoder.json", "environment.json", "views.npz", "SHA256SUMS",
    }  # fmt: skip
    lines = (folder / "run" / "metrics.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["step", "2", "4"]
    row = dict(zip(lines[0].split(","), lines[-1].split(","), strict=True))
    assert float(row["ceiling_1to5"]) == pytest.approx(3.0)  # log2 of a batch of 8
    assert load_encoder(folder / "run")(make_images(3).batch(slice(0, 3))).global_.shape == (3, 8)


def test_an_ablation_of_two_processes(folder):
    """Both get the table, which is written once; in one process it is then read, not trained again."""
    first, second = (torch.load(folder / f"ablation-{rank}.pt", weights_only=True) for rank in range(RANKS))
    assert first == second
    assert all(0 < a <= 1 for of_variant in first for (a,) in of_variant.values())
    assert [*(folder / "ablation").rglob("metrics.csv")] != []
    one = replace(RECIPE, train=replace(RECIPE.train, devices=1))
    assert [row.accuracies for row in ablation(folder, one)] == first


def test_ranks_divide_each_batch():
    images = make_images()
    whole = iter(Batches(images, 6, 0))
    parts = [iter(Batches(images, 6, 0, rank=rank, num_ranks=3)) for rank in range(3)]
    for _ in range(5):
        pixels, labels = next(whole)
        found = [next(part) for part in parts]
        assert torch.equal(torch.cat([p for p, _ in found]), pixels)
        assert torch.equal(torch.cat([n for _, n in found]), labels)


def test_one_process_shares_with_nobody():
    x = torch.randn(8, 3, 4, dtype=torch.float64)
    norm = nn.BatchNorm1d(3).double()
    expected, shared = norm(x), share_batch_norm(nn.BatchNorm1d(3).double())
    torch.testing.assert_close(shared(x), expected)
    torch.testing.assert_close(dict(shared.state_dict()), dict(norm.state_dict()))
    assert (groups.rank(), groups.num_ranks()) == (0, 1)


def test_refusals():
    with pytest.raises(ValueError, match="together divide batch_size, got 3, 1 and a batch of 8"):
        replace(RECIPE.train, devices=3)
    with pytest.raises(ValueError, match="at least 1"):
        replace(RECIPE.train, devices=0)
