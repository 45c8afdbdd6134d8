"""Negatives of all processes, of a host, or of one process: against slow loops, with their bytes counted."""

import math
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
import torch.distributed as dist
from benchmarks.scale.negatives import bytes_of_targets

from infomax.learning.distributed.groups import ALL, Ranks, average_gradients, num_ranks, parted, rank
from infomax.learning.encoders.config import DIMEncoderConfig
from infomax.learning.encoders.features import Features
from infomax.learning.methods.dim import DIMConfig
from infomax.learning.methods.learner import Learner
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.objectives.amdim import amdim_objective
from infomax.learning.objectives.choices import BOUNDS
from infomax.learning.objectives.contrastive import choose
from infomax.learning.objectives.contrastive.bounded import bounded
from infomax.learning.objectives.dim import dim_objective
from infomax.learning.objectives.scoring import Scoring
from infomax.learning.views.images import PLAIN_VIEWS

RANKS = 2
NUM, PLACES, DIM_Y = 8, 3, 5
"""Images of all ranks, places of a map, dimension of its features."""
SCORING = Scoring(clip=5.0, penalty_weight=0.02)
WAYS = {"gathered": 2**28, "ring": 0}
"""How targets reach the other ranks, with the most numbers that are gathered."""
DIM = DIMConfig(
    encoder=DIMEncoderConfig(width=2, num_hidden=8, num_units=8),
    critic="dot",
    critic_units=8,
    bound="infonce",
)


def drawn():
    """Sources and targets of all images."""
    generator = torch.Generator().manual_seed(0)
    shapes = (NUM, DIM_Y), (NUM, PLACES, DIM_Y)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def slow_value(x, y, num_parts):
    """V − λ P, by loops over images and places; candidates are the images of the same part."""
    terms = []
    for i in range(NUM):
        size = NUM // num_parts
        part = range(i // size * size, (i // size + 1) * size)
        a = {(j, p): x[i] @ y[j, p] / math.sqrt(DIM_Y) for j in part for p in range(PLACES)}
        s = {key: SCORING.clip * torch.tanh(one / SCORING.clip) for key, one in a.items()}
        others = torch.stack([s[j, p].exp() for j, p in s if j != i]).sum()
        for p in range(PLACES):
            log_probability = s[i, p] - torch.log(s[i, p].exp() + others)
            mean_square = torch.stack([one.square() for one in a.values()]).mean()
            terms.append(log_probability - SCORING.penalty_weight * mean_square)
    return torch.stack(terms).mean()


def predicted(among, most):
    """Value of this rank, and the gradients that it has for its sources and targets."""
    x, y = (one.chunk(num_ranks())[rank()].clone().requires_grad_() for one in drawn())
    with mock.patch.object(choose, "MAX_GATHERED", most):
        value = choose.predictor(y, among)(x, scoring=SCORING).value
        value.backward()
    return {"value": value.detach(), "x": x.grad, "y": y.grad}


def bounded_value(among):
    """The same by the bound of AMDIM as one of one's own."""
    x, y = (one.chunk(num_ranks())[rank()].clone().requires_grad_() for one in drawn())
    value = bounded(log_share, y, among)(x, scoring=SCORING).value
    value.backward()
    return {"value": value.detach(), "x": x.grad, "y": y.grad}


def log_share(scores):
    return BOUNDS["infonce"](scores) - math.log(len(scores))


def deep_infomax(among=ALL, num_parts=1):
    """Value, and gradients of the critic; in one process the mean over parts, whose scores it looks up."""
    torch.manual_seed(0)
    learner = DIM.learner(PLAIN_VIEWS, OptimizerConfig(), 0).double()
    learner.among = among
    generator = torch.Generator().manual_seed(1)
    shapes = (NUM, 8), learner.encoder(torch.zeros(2, 3, 32, 32).double()).local
    ((side, example),) = shapes[1].items()
    global_, local = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in (shapes[0], (NUM, *example.shape[1:]))
    )
    mine = slice(None) if num_ranks() == 1 else slice(*(NUM // num_ranks() * (rank() + k) for k in (0, 1)))
    scores = learner.scores(Features(global_[mine], {side: local[mine]}))
    parts = torch.arange(scores["local"].shape[1]).chunk(num_parts)
    values = [
        dim_objective(
            {name: s[:, part][:, :, part] for name, s in scores.items()}, BOUNDS["infonce"], {"local": 1.0}
        )
        for part in parts
    ]
    value = torch.stack([one.value for one in values]).mean()
    value.backward()
    used = [p for p in learner.critics.parameters() if p.grad is not None]
    average_gradients(used)
    return {"value": value.detach(), **{f"gradient {i}": p.grad for i, p in enumerate(used)}}


def sent_by_a_step(among, most):
    """Bytes of targets and their gradients that this rank sends in a step, as calls of torch have them."""
    sent = []
    first, last = ((RANKS, 4), (RANKS, 4, 5, 5)), (RANKS, 4, 7, 7)
    views = [
        Features(
            torch.randn(first[0]),
            {5: torch.randn(first[1], requires_grad=True), 7: torch.randn(last).requires_grad_()},
        )
        for _ in range(2)
    ]
    counted = {
        "all_gather": lambda tensors, own, **_: sent.append((len(tensors) - 1) * own.nbytes),
        "reduce_scatter": lambda own, tensors, **_: sent.append((len(tensors) - 1) * own.nbytes),
        "batch_isend_irecv": lambda ops: sent.extend(
            one.tensor.nbytes for one in ops if one.op is dist.isend
        ),
    }
    patches = {name: counting(getattr(dist, name), count) for name, count in counted.items()}
    with mock.patch.multiple(dist, **patches), mock.patch.object(choose, "MAX_GATHERED", most):
        amdim_objective(*views, among=among).value.backward()
    return sum(sent)


def counting(call, count):
    def counted(*arguments, **options):
        count(*arguments, **options)
        return call(*arguments, **options)

    return counted


def found_among(num_together):
    """Return what this rank finds where so many ranks that follow one another have negatives in common."""
    among = parted(num_together)
    found = {way: predicted(among, most) for way, most in WAYS.items()}
    return {
        **found,
        "bounded": bounded_value(among),
        "DIM": deep_infomax(among),
        "bytes": {way: sent_by_a_step(among, most) for way, most in WAYS.items()},
    }


def work(rank, folder):
    """Run this file's part in each process; see `conftest`."""
    found = {num_together: found_among(num_together) for num_together in (1, 2)}
    torch.save(found, folder / f"negatives-{rank}.pt")


def check(of_ranks, num_together):
    """Compare what ranks have found with slow loops in one process."""
    size, num_parts = len(of_ranks), len(of_ranks) // num_together
    x, y = (one.requires_grad_() for one in drawn())
    expected = slow_value(x, y, num_parts)
    expected.backward()
    for way in (*WAYS, "bounded"):
        value = torch.stack([one[way]["value"] for one in of_ranks]).mean()
        torch.testing.assert_close(value, expected.detach(), atol=1e-12, rtol=0)
        for name, whole in (("x", x.grad), ("y", y.grad)):
            found = torch.cat([one[way][name] for one in of_ranks]) / size
            torch.testing.assert_close(found, whole, atol=1e-12, rtol=0, msg=f"{way} {name}")
    expected = deep_infomax(num_parts=num_parts)
    value = torch.stack([one["DIM"]["value"] for one in of_ranks]).mean()
    torch.testing.assert_close(value, expected.pop("value"), atol=1e-12, rtol=0)
    for name, gradient in expected.items():
        torch.testing.assert_close(of_ranks[0]["DIM"][name], gradient, atol=1e-12, rtol=0)
    for way in WAYS:
        formula = bytes_of_targets(way, num_together, RANKS, 4, 4)
        assert [one["bytes"][way] for one in of_ranks] == [formula] * size


@pytest.mark.parametrize("num_together", [1, 2])
def test_value_gradients_and_bytes_are_those_of_slow_loops_and_formulas(folder, num_together):
    found = [torch.load(folder / f"negatives-{rank}.pt", weights_only=True) for rank in range(RANKS)]
    check([one[num_together] for one in found], num_together)


@pytest.mark.parametrize(("negatives", "expected"), [("all", 6), ("host", 3), ("device", 1)])
def test_the_learner_finds_its_ranks(negatives, expected):
    """By the processes that the trainer has on each host."""
    learner = mock.Mock(negatives=negatives, trainer=SimpleNamespace(num_devices=3))
    with (
        mock.patch("infomax.learning.methods.learner.num_ranks", lambda: 6),
        mock.patch("infomax.learning.methods.learner.parted", lambda num: num),
    ):
        Learner.setup(learner, "fit")
    assert learner.among == expected


def test_one_process_has_nobody_to_share_with():
    assert parted(1) == ALL == Ranks()
    assert (ALL.size, ALL.place) == (1, 0)
