"""Predictions among ranks, gathered and round a ring, against the definition with the whole batch."""

import math

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from infomax.learning.distributed.launching import leave_group_at_exit
from infomax.learning.encoders.features import Features
from infomax.learning.objectives.amdim import amdim_objective
from infomax.learning.objectives.choices import BOUNDS
from infomax.learning.objectives.contrastive import choose
from infomax.learning.objectives.contrastive.choose import predictor
from infomax.learning.objectives.contrastive.dense import dense_prediction
from infomax.learning.objectives.scoring import AMDIM_SCALES, Scoring

RANKS, IMAGES = 2, 6
SCORINGS = {
    "plain": Scoring(clip=None, penalty_weight=0.0),
    "clip and penalty": Scoring(clip=2.0, penalty_weight=0.3),
    "mixture": Scoring(clip=3.0, penalty_weight=0.1, temperature=0.5),
}
WAYS = {"gathered": 2**28, "ring": 0}
CLIPPED, SCALES = "clip and penalty", ((1, 1), *AMDIM_SCALES)


def share(x, rank, size):
    return x.chunk(size)[rank].clone()


def features(name):
    """Sources, which are mixtures in that of "mixture", and targets."""
    generator = torch.Generator().manual_seed(2)
    source = 2 * torch.randn(IMAGES, *[3] * (name == "mixture"), 4, generator=generator, dtype=torch.float64)
    return source, 2 * torch.randn(IMAGES, 5, 4, generator=generator, dtype=torch.float64)


def prediction_and_gradients(compute, source, target, name):
    """Value and parts, and the gradients of thrice the value."""
    inputs = source.requires_grad_(), target.requires_grad_()
    found = compute(*inputs, SCORINGS[name])
    gradients = torch.autograd.grad(3 * found.value, inputs)
    return torch.stack([part.detach() for part in vars(found).values()]), gradients


def objective_and_gradients(name, rank=0, size=1, **chosen):
    """Value, bounds and gradients by the features of the images of a rank."""
    generator = torch.Generator().manual_seed(1)
    shapes = [(IMAGES, 4), (IMAGES, 4, 5, 5), (IMAGES, 4, 7, 7)] * 2
    leaves = [2 * torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    leaves = [share(leaf, rank, size).requires_grad_() for leaf in leaves]
    at = torch.randint(25, (2, IMAGES), generator=generator)
    matrix = torch.randn(3, 4, 4, generator=generator, dtype=torch.float64)
    components = (lambda f: torch.einsum("bd,ked->bke", f, matrix)) if name == "mixture" else None
    views = [Features(g, {5: five, 7: seven}) for g, five, seven in (leaves[:3], leaves[3:])]
    at = torch.stack([share(one, rank, size) for one in at])
    chosen |= {"scoring": SCORINGS[name], "components": components, "source_locations": at}
    found = amdim_objective(*views, **chosen)
    found.value.backward()
    scalars = [found.value.detach(), *found.bounds.values(), torch.tensor(found.ceiling)]
    return torch.stack([s.double() for s in scalars]), [leaf.grad for leaf in leaves]


def worker(rank, folder):
    torch.set_num_threads(1)
    leave_group_at_exit()
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=RANKS)
    results = {}
    for way, choose.MAX_GATHERED in WAYS.items():
        for name in SCORINGS:
            own = (share(x, rank, RANKS) for x in features(name))
            results["prediction", way, name] = prediction_and_gradients(
                lambda source, target, scoring: predictor(target)(source, scoring=scoring), *own, name
            )
            results["objective", way, name] = objective_and_gradients(name, rank, RANKS)
    for bound, function in BOUNDS.items():
        results[bound] = objective_and_gradients(CLIPPED, rank, RANKS, bound=function, scales=SCALES)
    torch.save(results, folder / f"{rank}.pt")


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    mp.start_processes(worker, (folder,), nprocs=RANKS, start_method="spawn")
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(RANKS)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SCORINGS)
@pytest.mark.parametrize("what", ["prediction", "objective"])
def test_mean_over_ranks_is_that_of_the_whole_batch(ranks, what, way, name):
    """Values are averaged over ranks, and so are gradients, whose rows lie on the ranks."""
    scalars, gradients = (
        objective_and_gradients(name)
        if what == "objective"
        else prediction_and_gradients(dense_prediction, *features(name), name)
    )
    check_mean([of_rank[what, way, name] for of_rank in ranks], scalars, gradients)


@pytest.mark.parametrize("bound", BOUNDS)
def test_any_bound_of_the_scores_of_all_ranks(ranks, bound):
    """The global feature among the targets."""
    expected = objective_and_gradients(CLIPPED, bound=BOUNDS[bound], scales=SCALES)
    check_mean([of_rank[bound] for of_rank in ranks], *expected)


def check_mean(found, scalars, gradients):
    torch.testing.assert_close(sum(s for s, _ in found) / RANKS, scalars, atol=1e-10, rtol=0)
    for position, expected in enumerate(gradients):
        whole = torch.cat([of_rank[position] for _, of_rank in found]) / RANKS
        torch.testing.assert_close(whole, expected, atol=1e-10, rtol=0)


def test_ceiling_counts_the_images_of_all_ranks(ranks):
    for of_rank in ranks:
        assert of_rank["objective", "ring", "plain"][0][-1].item() == pytest.approx(math.log(IMAGES))
